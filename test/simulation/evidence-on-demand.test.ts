import { createHash, generateKeyPairSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { measureImage, simulatedRoots } from '@strongroom/attestation/insecure';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import type { RootSet } from '@strongroom/attestation/roots';
import { createProof, proofBytes } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { EVIDENCE_PURPOSE, STATEMENT_JWS_TYPE } from '@strongroom/protocol/evidence-answer';
import {
  challengesTopic,
  evidenceRecordShape,
  evidenceTopic,
  RECORD_TYPES,
} from '@strongroom/protocol/record';
import type { LogRecord, RecordLog } from '@strongroom/record-log/log';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { createSigner } from '@strongroom/sealing/sign';
import { createMemoryLog, createMemoryStore } from '@strongroom/testkit/memory-log';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { truthfulClaims } from '@strongroom/testkit/truthful-claims';
import { SignJWT } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { judgeAnswer, type Question } from '../../services/cli/src/judge-answer.ts';
import { agreedContract } from '../../services/cli/test/signed-contract.ts';
import { answeringChallenges } from '../../services/enclave-worker/src/evidence-answers.ts';
import { EvidenceDesk } from '../../services/enclave-worker/src/evidence-desk.ts';
import type { Life, WorkerOptions } from '../../services/enclave-worker/src/life.ts';

/**
 * Evidence on demand through a log that loses, repeats and reorders challenges and answers, and
 * hands out old answers as new ones. Whoever asks again gets its own fresh answer, and accepts no
 * other one.
 */

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const ASKERS = 3;
const ROUNDS_MAX = 20;
const PATIENCE_MS = 250;
const IMAGE = [new Uint8Array([7])];
const ISSUER = 'https://attest.example';
const authority = generateKeyPairSync('rsa', { modulusLength: 3072 });

let agreed: Awaited<ReturnType<typeof agreedContract>>;
let guest: Platform;
let roots: RootSet;
beforeAll(async () => {
  const { folder, platform } = await sharedTestPlatform();
  roots = simulatedRoots(folder);
  const { kty, n, e } = authority.publicKey.export({ format: 'jwk' });
  agreed = await agreedContract({
    measurements: [{ name: 'build 7', sha384: measureImage(IMAGE) }],
    authorities: [{ issuer: ISSUER, keys: [{ kty, n, e }] }],
  });
  guest = platform.launch({ image: IMAGE, hostData: Buffer.from(agreed.contractId, 'hex') });
}, 60_000);

/** The vault of one life: its key, what was said of it at its start, and its answers. */
async function createVault() {
  const { contractId: contract } = agreed;
  const pair = generateKeyPairSync('ed25519');
  const { crv, kty, x } = pair.publicKey.export({ format: 'jwk' });
  const aggregates = { crv, key_ops: ['verify'], kid: 'aggregates', kty, x };
  const rsa = authority.publicKey.export({ format: 'jwk' });
  const transport = { kty: 'RSA', n: rsa.n, e: rsa.e, key_ops: ['encrypt'], kid: 'transport' };
  const nonce = Buffer.alloc(32).toString('base64url');
  const purpose = 'strongroom/worker/v1';
  const start = { contract, keys: [transport, aggregates], nonce, purpose };
  const now = Math.floor(Date.now() / 1_000);
  const claims = truthfulClaims(await evidenceOf(guest, canonicalBytes(start)), roots);
  const times = { iss: ISSUER, iat: now, nbf: now, exp: now + 600, jti: 'a1' };
  const jwt = await new SignJWT({ ...times, ...claims })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .sign(authority.privateKey);
  const startupProof = new TextDecoder().decode(proofBytes(createProof([jwt])));
  const token = createHash('sha256').update(startupProof).digest('hex');
  const counted = { stream: null, sequences: 0, rows: 0, final: false };
  const streams = [{ dataset: 'flights', ...counted }];
  return {
    request: async (_verb: string, asked: { nonce: string }) => {
      const facts = { v: 1, contract, nonce: asked.nonce, epoch: 0, token, streams, refusals: {} };
      const header = { typ: STATEMENT_JWS_TYPE, kid: 'aggregates' };
      const statement = await createSigner(pair.privateKey).sign(canonicalBytes(facts), header);
      const own = { contract, keys: [aggregates], nonce: asked.nonce, purpose: EVIDENCE_PURPOSE };
      const runtimeClaims = Buffer.from(canonicalBytes(own)).toString('base64url');
      return { answer: { runtimeClaims, statement, startupProof } };
    },
  };
}

/** Loses, repeats, holds back; and puts an old record under the name of a new one. */
function lying(log: RecordLog, random: SeededRandom): RecordLog {
  const seen: LogRecord[] = [];
  let held: LogRecord[] = [];
  return {
    ...log,
    append: async (topic, records) => {
      for (const record of records) {
        const sent: LogRecord[] = [];
        if (random.chance(0.3) && seen.length > 0) {
          const old = random.pick(seen);
          sent.push(random.chance(0.5) ? old : { ...record, value: old.value });
        }
        if (random.chance(0.2)) held.push(record);
        else if (random.chance(0.75)) sent.push(record);
        if (random.chance(0.5)) {
          sent.push(...held.reverse());
          held = [];
        }
        seen.push(record);
        if (sent.length > 0) await log.append(topic, sent);
      }
    },
  };
}

test.each(SEEDS)('seed %i: whoever asks again gets its own answer and no other', async (seed) => {
  const random = seededRandom(seed);
  const { contractId } = agreed;
  const store = createMemoryStore();
  const log = createMemoryLog(store);
  const topics = [challengesTopic(contractId), evidenceTopic(contractId)];
  await log.createTopics(topics.map((topic) => ({ topic })));
  // The worker's clock runs ahead with each round, so that its allowance is not what is tested.
  const clock = { at: 0, monotonic: () => clock.at };
  const vault = await createVault();
  const life = { contract: { tickMs: 0 }, contractId, vault } as unknown as Life;
  const options = {
    namespace: '',
    evidence: new EvidenceDesk(clock, createMetrics('worker')),
    connectLog: async () => lying(createMemoryLog(store), random),
    logger: createLogger('test', { level: 'silent' }),
    platformFor: async () => guest,
  } as unknown as WorkerOptions;
  const asking = lying(log, random);
  const accepted = new Map<string, string[]>();
  await answeringChallenges(life, 0, options, async () => {
    for (let asker = 0; asker < ASKERS; asker += 1) {
      const question = questionOf(random);
      accepted.set(question.nonce, await ask(question, asking, () => (clock.at += 60_000)));
    }
  });
  // All answers of the run, under whatever name, once more to everybody.
  const answers = log.entries(evidenceTopic(contractId)).map(({ value }) => contentOf(value));
  for (const [nonce, nonces] of accepted) {
    expect(new Set(nonces)).toEqual(new Set([nonce]));
    for (const answer of answers) {
      const late = await judgeAnswer(answer, { ...questionOf(random), nonce: fresh(random) });
      expect(late.accepted).toBe(false);
    }
  }
});

/** @returns the nonces of the answers that were accepted */
async function ask(question: Question, log: RecordLog, onRound: () => void): Promise<string[]> {
  const { contractId: contract, nonce } = question;
  const record = {
    ...evidenceRecordShape(contract, 'challenge', nonce),
    value: canonicalBytes({ contract, nonce }),
  };
  const memory = log as ReturnType<typeof createMemoryLog>;
  let judged = 0;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    onRound();
    await log.append(challengesTopic(contract), [record]);
    const accepted: string[] = [];
    for (let waited = 0; waited < PATIENCE_MS && accepted.length === 0; waited += 25) {
      await delay(25);
      const entries = memory.entries(evidenceTopic(contract)).slice(judged);
      judged += entries.length;
      for (const { key, value, headers } of entries) {
        if (headers['ce_type'] !== RECORD_TYPES.evidence) continue;
        const judgement = await judgeAnswer(contentOf(value), question);
        if (judgement.accepted) accepted.push(judgement.statement?.nonce ?? '');
        else if (key === nonce) expect(claimsOf(judgement)).toContain('nonce');
      }
    }
    if (accepted.length > 0) return accepted;
  }
  return expect.fail('no answer in all rounds');
}

function claimsOf({ mismatches }: Awaited<ReturnType<typeof judgeAnswer>>): string[] {
  return mismatches.map(({ claim }) => claim);
}

function questionOf(random: SeededRandom): Question {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const { contract, contractId } = agreed;
  const asked = { nonce: fresh(random), askedAt: clock.monotonic(), ageMsMax: 60_000 };
  return { contract, contractId, roots, clock, ...asked };
}

function fresh(random: SeededRandom): string {
  return Buffer.from(Array.from({ length: 32 }, () => random.below(256))).toString('base64url');
}

function contentOf(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
