import { generateKeyPairSync } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema, PartyIdSchema } from '@strongroom/protocol/fields';
import { SEAL_HEADER } from '@strongroom/protocol/record';
import { AGGREGATE_FORMAT } from '@strongroom/protocol/sealed-aggregate';
import { USE_FORMAT } from '@strongroom/protocol/use-entry';
import { beforeAll, describe, expect, test } from 'vitest';
import { createIdentity, parseIdentity } from './identity.ts';
import { openUse } from './open-use.ts';
import { sealOnce } from './seal.ts';
import { createSigner } from './sign.ts';

const contractId = ContractIdSchema.parse('ab'.repeat(32));
const owner = PartyIdSchema.parse('north');
const at = { contract: contractId, owner, epoch: 0, sequence: 0 };
const token = '2'.repeat(64);
const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
const ENTRY = { v: 1, facts: [{ kind: 'start', keys: ['kek'] }] };

let made: Awaited<ReturnType<typeof createIdentity>>;
beforeAll(async () => {
  made = await createIdentity('north', { reading: true });
});

async function sealed(content: unknown = ENTRY, typ = USE_FORMAT.typ) {
  const { record } = await sealOnce(
    { ...USE_FORMAT, typ },
    {
      plaintext: canonicalBytes(content),
      at,
      members: { previous: '0'.repeat(64), heads: [], checkpoint: 0, token },
      to: { kid: owner, wrappingKey: made.readingKey ?? expect.fail('a reading key') },
      signer,
    },
  );
  return record;
}

function open(record: Awaited<ReturnType<typeof sealed>>, changes: object = {}) {
  const secretReader = parseIdentity(made.identityJson).reader ?? expect.fail('a reader');
  const context = { contractId, owner, secretReader, aggregateKey: signer.publicKey };
  return openUse(record, { ...context, tokenSha256: token, ...changes });
}

const codeFrom = (promise: Promise<unknown>) =>
  promise.then(
    () => 'opened',
    (error: unknown) => codeOf(error),
  );

describe('an entry of a ledger of uses', () => {
  test('opens for its owner', async () => {
    expect((await open(await sealed())).entry).toEqual(ENTRY);
  });

  test('with any byte of its value or its seal changed is refused', async () => {
    const record = await sealed();
    for (let index = 0; index < record.value.length; index += 1) {
      const value = new Uint8Array(record.value);
      value[index] = (value[index] ?? 0) ^ 1;
      expect(await codeFrom(open({ ...record, value }))).toBe('ERR_USE_INVALID');
    }
    const jws = record.headers[SEAL_HEADER] ?? '';
    for (let index = 0; index < jws.length; index += 7) {
      const other = jws[index] === 'A' ? 'B' : 'A';
      const seal = `${jws.slice(0, index)}${other}${jws.slice(index + 1)}`;
      const headers = { ...record.headers, [SEAL_HEADER]: seal };
      expect(await codeFrom(open({ ...record, headers })), `${index}`).toBe('ERR_USE_INVALID');
    }
  });

  test.each([
    ['another owner', { owner: PartyIdSchema.parse('south') }],
    ['another contract', { contractId: ContractIdSchema.parse('cd'.repeat(32)) }],
    ['another proof', { tokenSha256: '3'.repeat(64) }],
    [
      'another key',
      { aggregateKey: createSigner(generateKeyPairSync('ed25519').privateKey).publicKey },
    ],
  ] as const)('of %s is refused', async (_name, changes) => {
    expect(await codeFrom(open(await sealed(), changes))).toBe('ERR_USE_INVALID');
  });

  test('signed as a result, or with other content, is refused', async () => {
    expect(await codeFrom(open(await sealed(ENTRY, AGGREGATE_FORMAT.typ)))).toBe('ERR_USE_INVALID');
    expect(await codeFrom(open(await sealed({ v: 1, facts: [] })))).toBe('ERR_USE_INVALID');
  });

  test('under other headers or another key is refused', async () => {
    const record = await sealed();
    expect(await codeFrom(open({ ...record, key: 'south' }))).toBe('ERR_RECORD_HEADERS');
    const headers = { ...record.headers, ce_id: '0.1' };
    expect(await codeFrom(open({ ...record, headers }))).toBe('ERR_RECORD_HEADERS');
  });
});
