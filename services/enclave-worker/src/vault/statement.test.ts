import { createHash, randomBytes } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes, parseCanonical } from '@strongroom/protocol/canonical-json';
import type { Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { EvidenceClaimsSchema } from '@strongroom/protocol/evidence-answer';
import type { QueryId } from '@strongroom/protocol/fields';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import type { SealedRecord } from '@strongroom/sealing/seal';
import { verifyStatement } from '@strongroom/sealing/verify';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../../test/owners.ts';
import { sharedTransportKey } from '../../test/rsa-keys.ts';
import { DoorKeeper } from './door-keeper.ts';
import { Vault } from './vault.ts';

const HOUR_MS = 3_600_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const PLANS = ['north', 'south'].map((id) => ({
  id,
  relation: 'visits',
  columns: COLUMNS,
  eventTime: 'at',
}));
const HOURLY = {
  id: 'hourly' as QueryId,
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
  window: { kind: 'tumbling', sizeMs: HOUR_MS },
  latenessMs: 0,
} satisfies Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'>;
const PROOF = '{"tokens":["header.claims.signature"],"v":1}';
const nonceOf = () => randomBytes(32).toString('base64url');

let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, [HOURLY]);
}, 60_000);

function claimsIn(encoded: string): unknown {
  return parseCanonical(decodeBase64url(encoded) ?? new Uint8Array(0));
}

async function startVault(checkpoints: readonly string[] = []): Promise<Vault> {
  const vault = await Vault.open(computation.signed, { transportKey: sharedTransportKey() });
  const { nonce, runtimeClaims } = vault.claims();
  const [transport] = RuntimeClaimsSchema.parse(claimsIn(runtimeClaims)).keys;
  for (const { owner, keyId } of computation.contract.datasets) {
    for (const name of [keyId, 'state-share']) {
      const jws = await computation.release(owner, name, nonce, transport);
      await vault.acceptRelease(owner, name, jws);
    }
  }
  vault.acceptProof(PROOF);
  await vault.restore(checkpoints);
  return vault;
}

/** What the vault says, verified with the key of its claims at the start. */
async function statementOf(vault: Vault, nonce = nonceOf()) {
  const { keys } = RuntimeClaimsSchema.parse(claimsIn(vault.claims().runtimeClaims));
  const { kty, crv, x } = keys[1];
  const answer = await vault.evidence(nonce);
  return { ...answer, nonce, facts: await verifyStatement(answer.statement, { kty, crv, x }) };
}

const rowsAt = (ms: number, count: number) =>
  Array.from({ length: count }, () => ({ at: BigInt(ms) * 1_000n, place: 'a' }));
const entriesOf = (records: readonly SealedRecord[], from = 0) =>
  records.map((record, index) => ({ ...record, offset: from + index }));

describe('what a vault says about itself', () => {
  test('answers the nonce, under its contract, with the key that signs its results', async () => {
    const vault = await startVault();
    const { nonce, facts, runtimeClaims, startupProof } = await statementOf(vault);
    const start = RuntimeClaimsSchema.parse(claimsIn(vault.claims().runtimeClaims));
    const claims = EvidenceClaimsSchema.parse(claimsIn(runtimeClaims));
    expect(claims).toMatchObject({ nonce, contract: computation.contractId });
    expect(claims.keys).toEqual([start.keys[1]]);
    expect(startupProof).toBe(PROOF);
    const nothing = { stream: null, sequences: 0, rows: 0, final: false };
    expect(facts).toEqual({
      v: 1,
      contract: computation.contractId,
      nonce,
      epoch: 0,
      token: createHash('sha256').update(PROOF).digest('hex'),
      streams: [
        { dataset: 'north', ...nothing },
        { dataset: 'south', ...nothing },
      ],
      refusals: {},
    });
  });

  test('holds no key to which anything could be released', async () => {
    const { runtimeClaims } = await statementOf(await startVault());
    expect(RuntimeClaimsSchema.safeParse(claimsIn(runtimeClaims)).success).toBe(false);
    expect(JSON.stringify(claimsIn(runtimeClaims))).not.toContain('encrypt');
  });

  test('counts rows and refusals once, over a restart too', async () => {
    const vault = await startVault();
    const north = new TestStream(computation, 'north');
    const records = [
      await north.seal(rowsAt(0, 5)),
      await north.seal(rowsAt(1, 7)),
      await north.manifest(HOUR_MS),
    ];
    const south = await new TestStream(computation, 'south').manifest(HOUR_MS, true);
    await vault.accept('south', entriesOf([south]));
    await vault.accept('north', entriesOf(records));
    const { records: closed } = (await vault.closeWindows()).departure;
    const late = await north.seal([...rowsAt(0, 2), ...rowsAt(2 * HOUR_MS, 1)]);
    const again = records[1] ?? expect.fail('a batch');
    const forged = { ...again, key: 'other' };
    await vault.accept('north', entriesOf([late, again, forged], 3));
    const { facts } = await statementOf(vault);
    expect(facts.streams).toEqual([
      {
        dataset: 'north',
        stream: north.stream,
        ...{ sequences: 3, rows: 15, final: false },
      },
      expect.objectContaining({ dataset: 'south', rows: 0, final: true }),
    ]);
    expect(facts.refusals).toEqual({
      ERR_BATCH_REPLAYED: 1,
      ERR_RECORD_HEADERS: 1,
      ERR_LATE_ROWS: 1,
    });

    const text = new TextDecoder();
    const checkpoints = [...closed, ...(await vault.checkpoint()).records]
      .filter(({ key }) => key === RECORD_TYPES.checkpoint)
      .map(({ value }) => text.decode(value));
    const second = await startVault(checkpoints);
    const resumed = (await statementOf(second)).facts;
    expect(resumed).toMatchObject({ epoch: 1, streams: facts.streams, refusals: {} });
    await second.accept('north', entriesOf([...records, late, again, forged]));
    expect((await statementOf(second)).facts).toMatchObject({
      streams: facts.streams,
      refusals: {},
    });
  });

  test('is refused to what is no nonce, and before the start was proven', async () => {
    const vault = await startVault();
    for (const nonce of ['', 'x', `${nonceOf()}A`, nonceOf().slice(1), '{"nonce":1}']) {
      const code = await vault.evidence(nonce).catch(codeOf);
      expect(code).toBe('ERR_CHALLENGE_MALFORMED');
    }
    const unproven = await Vault.open(computation.signed, { transportKey: sharedTransportKey() });
    expect(await unproven.evidence(nonceOf()).catch(codeOf)).toBe('ERR_TOKEN_INVALID');
  });

  test('comes through the door as three texts, and a bad nonce as a code', async () => {
    const keeper = new DoorKeeper();
    const open = { verb: 'open', request: { contract: computation.signed, memoryMb: 128 } };
    await keeper.serve(open, []);
    await keeper.serve({ verb: 'proof', request: { proof: PROOF } }, []);
    const ask = (request: object) => keeper.serve({ verb: 'evidence', request }, []);
    const { message, blobs } = await ask({ nonce: nonceOf() });
    expect(blobs).toEqual([]);
    expect(message).toEqual({
      answer: {
        runtimeClaims: expect.any(String),
        statement: expect.any(String),
        startupProof: PROOF,
      },
      records: [],
    });
    expect(await ask({ nonce: 'x' })).toMatchObject({
      message: { error: { code: 'ERR_CHALLENGE_MALFORMED' } },
      fatal: false,
    });
    expect(await ask({ nonce: nonceOf(), more: 1 })).toMatchObject({ fatal: true });
  });
});

describe('a statement', () => {
  test.each([
    ['another type', { typ: 'strongroom-aggregate+jws', kid: 'aggregates' }, {}],
    ['another key id', { typ: 'strongroom-statement+jws', kid: 'transport' }, {}],
    ['a member more', undefined, { more: 1 }],
    ['a stream of no dataset', undefined, { streams: [{ stream: null }] }],
    ['a negative count', undefined, { epoch: -1 }],
    ['a code that is none', undefined, { refusals: { 'a row': 1 } }],
  ])('with %s is refused though its key signed it', async (_name, header, change) => {
    const { facts } = await statementOf(await startVault());
    const owner = computation.contract.datasets[0]?.owner ?? expect.fail('an owner');
    const signer = computation.identities.get(owner)?.signer ?? expect.fail('a signer');
    const sign = (payload: object, by = header) =>
      signer.sign(
        canonicalBytes(payload),
        by ?? { typ: 'strongroom-statement+jws', kid: 'aggregates' },
      );
    const genuine = await sign(facts, { typ: 'strongroom-statement+jws', kid: 'aggregates' });
    expect(await verifyStatement(genuine, signer.publicKey)).toEqual(facts);
    const code = await verifyStatement(await sign({ ...facts, ...change }), signer.publicKey).catch(
      codeOf,
    );
    expect(code).toBe('ERR_STATEMENT_INVALID');
  });
});
