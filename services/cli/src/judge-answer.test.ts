import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  measureImage,
  type SimulatedPlatform,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { type Contract, contractBytes, parseContract } from '@strongroom/protocol/contract';
import type { ErrorCode } from '@strongroom/protocol/errors';
import { EVIDENCE_PURPOSE } from '@strongroom/protocol/evidence-answer';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { systemClock } from '@strongroom/runtime/clock';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { AnsweringWorker, streamOf } from '../test/answering-worker.ts';
import { ISSUED_AT, ISSUER, rsaOf } from '../test/startup-proof.ts';
import { evidenceFacts, evidenceLines } from './evidence-text.ts';
import { codeOfRefusal, type Judgement, judgeAnswer, type Question } from './judge-answer.ts';

/** Answers of a worker that exists only here: real reports of the simulated platform, real keys. */

const IMAGE = [Uint8Array.of(1, 2, 3)];
const authority = generateKeyPairSync('rsa', { modulusLength: 3072 });
const wrapping = generateKeyPairSync('rsa', { modulusLength: 3072 });
const ed25519 = () => {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  return { kty: 'OKP', crv: 'Ed25519', x };
};
const nonceOf = () => randomBytes(32).toString('base64url');

let platform: SimulatedPlatform;
let roots: RootSet;
let contract: Contract;
let contractId: ContractId;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  platform = shared.platform;
  roots = simulatedRoots(shared.folder);
  contract = contractNamed('Flights');
  contractId = idOf(contract);
});

function contractNamed(title: string): Contract {
  const releaseKey = rsaOf(authority);
  const keyRelease = { url: 'https://keys.example', releaseKey, stateShareKeyId: 'share' };
  const reading = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return parseContract({
    strongroom: 'contract/v1',
    ...{ title, purpose: 'To test.', version: 1 },
    parties: [
      { id: 'north', name: 'North', signingKey: ed25519(), keyRelease },
      {
        ...{ id: 'reader', name: 'Reader', signingKey: ed25519() },
        readingKey: reading.publicKey.export({ format: 'jwk' }),
      },
    ],
    datasets: [
      {
        ...{ id: 'flights', owner: 'north', relation: 'flights', keyId: 'kek' },
        columns: [{ name: 'origin', type: 'utf8', nullable: false }],
        wrappingKey: rsaOf(wrapping),
      },
    ],
    queries: [
      {
        ...{ id: 'all', sql: 'SELECT count(*) AS n FROM flights', relations: ['flights'] },
        ...{ window: { kind: 'whole' }, latenessMs: 0, readers: ['reader'] },
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'build 7', sha384: measureImage(IMAGE) }],
      minimumTcb: {},
      authorities: [{ issuer: ISSUER, keys: [rsaOf(authority)] }],
    },
  });
}

function idOf(of: Contract): ContractId {
  return ContractIdSchema.parse(createHash('sha256').update(contractBytes(of)).digest('hex'));
}

const FLIGHTS = streamOf('flights');

class TestWorker extends AnsweringWorker {
  constructor(of: ContractId = contractId) {
    super({ contractId: of, platform, image: IMAGE, authority: authority.privateKey });
  }
}

function questionOf(nonce: string, change: Partial<Question> = {}): Question {
  return {
    ...{ contract, contractId, nonce, roots, clock: systemClock },
    ...{ askedAt: systemClock.monotonic(), ageMsMax: 30_000 },
    ...change,
  };
}

async function found(value: unknown, question: Question): Promise<[ErrorCode, string][]> {
  const { accepted, mismatches } = await judgeAnswer(value, question);
  expect(accepted).toBe(mismatches.length === 0);
  return mismatches.map(({ code, claim }) => [code, claim]);
}

describe('an answer', () => {
  test('of the agreed worker is accepted, and tells everything', async () => {
    const nonce = nonceOf();
    const question = questionOf(nonce);
    const judgement = await judgeAnswer(await new TestWorker().answer(nonce), question);
    expect(judgement).toMatchObject({ accepted: true, mismatches: [] });
    const facts = evidenceFacts(judgement, question);
    expect(facts).toMatchObject({
      ...{ accepted: true, platform: 'simulated', epoch: 3, nonce },
      contract: { id: contractId, title: 'Flights', version: 1 },
      code: { name: 'build 7', measurement: measureImage(IMAGE) },
      ...{ since: new Date(ISSUED_AT * 1_000).toISOString(), attestedBy: [ISSUER] },
      counted: [expect.objectContaining({ dataset: 'flights', owner: 'north', rows: 40 })],
      refusals: { ERR_SEAL_SIGNATURE: 2 },
    });
    const text = evidenceLines(facts).join('\n');
    expect(text).toMatch(/^yes: /);
    for (const part of [
      'NOT HARDWARE',
      'build 7',
      '40 rows in 2 batches',
      'ERR_SEAL_SIGNATURE 2',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('to another challenge is refused, whoever made it', async () => {
    const old = await new TestWorker().answer(nonceOf());
    expect(await found(old, questionOf(nonceOf()))).toEqual([
      ['ERR_REPORT_DATA_MISMATCH', 'nonce'],
      ['ERR_STATEMENT_INVALID', 'statement.nonce'],
    ]);
  });

  test('that comes too late is refused', async () => {
    const nonce = nonceOf();
    const answer = await new TestWorker().answer(nonce);
    const askedAt = systemClock.monotonic() - 31_000;
    expect(await found(answer, questionOf(nonce, { askedAt }))).toEqual([
      ['ERR_APPRAISAL_REFUSED', 'age'],
    ]);
  });

  test('under another contract is refused, and every place says so', async () => {
    const nonce = nonceOf();
    const answer = await new TestWorker(idOf(contractNamed('Other'))).answer(nonce);
    expect(await found(answer, questionOf(nonce))).toEqual([
      ['ERR_APPRAISAL_REFUSED', 'hostData'],
      ['ERR_REPORT_DATA_MISMATCH', 'contract'],
      ['ERR_STATEMENT_INVALID', 'statement.contract'],
      ['ERR_CONTRACT_MISMATCH', 'startupProof'],
    ]);
  });

  test('put together from two workers is refused, whichever part is foreign', async () => {
    const nonce = nonceOf();
    const [mine, other] = [new TestWorker(), new TestWorker()];
    const [answer, foreign] = [await mine.answer(nonce), await other.answer(nonce)];
    const question = questionOf(nonce);
    const { evidence, statement, startupProof } = foreign;
    expect(await found({ ...answer, statement }, question)).toEqual([
      ['ERR_STATEMENT_INVALID', 'statement'],
    ]);
    expect(await found({ ...answer, evidence }, question)).toEqual([
      ['ERR_STATEMENT_INVALID', 'statement'],
      ['ERR_REPORT_DATA_MISMATCH', 'startupProof'],
    ]);
    expect(await found({ ...answer, startupProof }, question)).toEqual([
      ['ERR_STATEMENT_INVALID', 'statement.token'],
      ['ERR_REPORT_DATA_MISMATCH', 'startupProof'],
    ]);
  });

  test.each([
    ['other code', { image: [new Uint8Array(9)] }, ['ERR_MEASUREMENT_MISMATCH', 'measurement']],
    ['a guest that can be debugged', { debug: true }, ['ERR_APPRAISAL_REFUSED', 'debug']],
    ['a lower privilege level', { vmpl: 2 }, ['ERR_APPRAISAL_REFUSED', 'vmpl']],
  ] as const)('of %s is refused, with what was found', async (_name, launch, mismatch) => {
    const nonce = nonceOf();
    const judgement = await judgeAnswer(
      await new TestWorker().answer(nonce, { launch }),
      questionOf(nonce),
    );
    expect(judgement.mismatches.map(({ code, claim }) => [code, claim])).toEqual([mismatch]);
    const lines = evidenceLines(evidenceFacts(judgement, questionOf(nonce)));
    expect(lines[0]).toMatch(/^NO: /);
    expect(lines.at(-1)).toContain(mismatch.join(' '));
  });

  test('is held to what AMD has revoked, where the contract asks or a list is there', async () => {
    const nonce = nonceOf();
    const answer = await new TestWorker().answer(nonce);
    const enclave = { ...contract.enclave, revocationList: 'required' as const };
    const required = { ...contract, enclave };
    const foundWith = async (of: Contract, ...revocationLists: readonly Uint8Array[]) => {
      const revocation = { listsFor: async () => ({ revocationLists }) };
      const all = await found(answer, questionOf(nonce, { contract: of, revocation }));
      // The policy of such a contract wants own verification, which this start has not seen.
      return all.filter(([, claim]) => claim !== 'startupProof');
    };
    expect(await foundWith(required)).toEqual([['ERR_APPRAISAL_REFUSED', 'revocation']]);
    expect(await foundWith(required, platform.revocationList('Genoa'))).toEqual([]);
    const revoking = platform.revocationList('Genoa', { revoked: ['ask'] });
    expect(await foundWith(contract, revoking)).toEqual([['ERR_CERTIFICATE_CHAIN', 'evidence']]);
  });

  test("with the claims of a worker's start is refused, though they hold the nonce", async () => {
    const nonce = nonceOf();
    const worker = new TestWorker();
    const { keys, purpose } = worker.startClaims;
    for (const claims of [{ keys, purpose }, { keys }, { purpose }]) {
      const answer = await worker.answer(nonce, { claims });
      expect(await found(answer, questionOf(nonce))).toEqual([
        ['ERR_REPORT_DATA_MISMATCH', 'contract'],
        ['ERR_REPORT_DATA_MISMATCH', 'nonce'],
      ]);
    }
  });

  test('whose claims were changed after the report is refused', async () => {
    const nonce = nonceOf();
    const worker = new TestWorker();
    const answer = await worker.answer(nonceOf());
    const { evidence } = await worker.answer(nonce);
    const relayed = { ...answer.evidence, runtimeClaims: evidence.runtimeClaims };
    const patched = {
      ...answer,
      evidence: relayed,
      statement: (await worker.answer(nonce)).statement,
    };
    expect(await found(patched, questionOf(nonce))).toEqual([
      ['ERR_REPORT_DATA_MISMATCH', 'reportData'],
    ]);
  });

  test('of a simulated platform is never taken for hardware', async () => {
    const nonce = nonceOf();
    const answer = await new TestWorker().answer(nonce);
    const [first] = await found(answer, questionOf(nonce, { roots: AMD_ROOTS }));
    expect(first?.[1]).toBe('evidence');
    const hardware = { ...contract, enclave: { ...contract.enclave, platform: 'amd' as const } };
    const [second] = await found(answer, questionOf(nonce, { contract: hardware }));
    expect(second).toEqual(['ERR_ROOT_KIND', 'platform']);
  });

  test.each([
    ['null', null],
    ['a list', []],
    ['a code', { v: 1, code: 'ERR_VAULT_LOST', challenges: 1 }],
    ['an older version', { v: 0, evidence: {}, statement: 'a.b.c', startupProof: 'x' }],
  ])('that is %s says nothing', async (_name, value) => {
    const judgement = await judgeAnswer(value, questionOf(nonceOf()));
    expect(judgement).toMatchObject({
      accepted: false,
      mismatches: [{ code: 'ERR_EVIDENCE_MALFORMED', claim: 'answer' }],
    });
    expect(judgement.verdict ?? judgement.statement ?? judgement.start).toBeUndefined();
  });
});

describe('a statement that its own worker signed', () => {
  test.each([
    ['contract', { contract: 'ab'.repeat(32) }, 'statement.contract'],
    ['nonce', { nonce: nonceOf() }, 'statement.nonce'],
    ['token', { token: 'ab'.repeat(32) }, 'statement.token'],
    ['epoch', { epoch: -1 }, 'statement'],
    ['streams', { streams: [] }, 'statement.streams'],
    ['dataset', { streams: [{ ...FLIGHTS, dataset: 'weather' }] }, 'statement.streams'],
    ['number of streams', { streams: [FLIGHTS, FLIGHTS] }, 'statement.streams'],
    ['refusals', { refusals: { row: 1 } }, 'statement'],
    ['a member more', { since: 1 }, 'statement'],
  ])('is refused with another %s', async (_name, statement, claim) => {
    const nonce = nonceOf();
    const answer = await new TestWorker().answer(nonce, { statement });
    expect(await found(answer, questionOf(nonce))).toEqual([['ERR_STATEMENT_INVALID', claim]]);
  });

  test('is refused with every single letter changed', async () => {
    const nonce = nonceOf();
    const answer = await new TestWorker().answer(nonce);
    const { statement } = answer;
    const step = Math.ceil(statement.length / 60);
    for (let at = 0; at < statement.length; at += step) {
      const letter = statement[at] === 'A' ? 'B' : 'A';
      const changed = `${statement.slice(0, at)}${letter}${statement.slice(at + 1)}`;
      const judgement = await judgeAnswer({ ...answer, statement: changed }, questionOf(nonce));
      expect(judgement.accepted, `letter ${at}`).toBe(false);
      expect(judgement.statement).toBeUndefined();
    }
  });
});

describe('the proof of the start', () => {
  test.each([
    ['of an authority that the contract does not name', { iss: 'https://other.example' }],
    ['from the future', { iat: 4_000_000_000, nbf: 4_000_000_000, exp: 4_000_000_600 }],
    ['that was never valid', { exp: ISSUED_AT - 1 }],
    ['that has no runtime claims of a start', { 'x-ms-runtime': { purpose: EVIDENCE_PURPOSE } }],
  ])('%s is refused', async (_name, change) => {
    const nonce = nonceOf();
    const worker = new TestWorker();
    const answer = await worker.answer(nonce, { proof: await worker.startupProof(change) });
    expect(await found(answer, questionOf(nonce))).toEqual([['ERR_TOKEN_INVALID', 'startupProof']]);
  });

  test('about other code than the contract names is refused', async () => {
    const nonce = nonceOf();
    const worker = new TestWorker();
    const proof = await worker.startupProof({ 'x-ms-sevsnpvm-launchmeasurement': 'ab'.repeat(48) });
    expect(await found(await worker.answer(nonce, { proof }), questionOf(nonce))).toEqual([
      ['ERR_MEASUREMENT_MISMATCH', 'startupProof'],
    ]);
  });

  test('by a key that the contract does not name is refused', async () => {
    const nonce = nonceOf();
    const worker = new TestWorker();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const answer = await worker.answer(nonce, { proof: await worker.startupProof({}, privateKey) });
    expect(await found(answer, questionOf(nonce))).toEqual([['ERR_TOKEN_INVALID', 'startupProof']]);
  });

  test('says since when, and is not missed in silence', async () => {
    const nonce = nonceOf();
    const judgement = await judgeAnswer(
      await new TestWorker().answer(nonce, { proof: 'none' }),
      questionOf(nonce),
    );
    expect(judgement.accepted).toBe(false);
    expect(evidenceFacts(judgement, questionOf(nonce))).not.toHaveProperty('since');
  });
});

test('a refusal ends with the code that says most about trust', () => {
  const of = (...codes: ErrorCode[]): Judgement['mismatches'] =>
    codes.map((code) => ({ code, claim: '', expected: '', found: '' }));
  expect(codeOfRefusal(of('ERR_CONTRACT_MISMATCH', 'ERR_STATEMENT_INVALID'))).toBe(
    'ERR_STATEMENT_INVALID',
  );
  expect(codeOfRefusal(of('ERR_CONTRACT_MISMATCH'))).toBe('ERR_APPRAISAL_REFUSED');
});
