import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type EvidenceAnswer,
  EvidenceAnswerSchema,
  EvidenceRefusalSchema,
} from '@strongroom/protocol/evidence-answer';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { ANSWERS_PER_MINUTE_MAX } from '@strongroom/protocol/limits';
import {
  challengesTopic,
  evidenceRecordShape,
  evidenceTopic,
  RECORD_TYPES,
} from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { LogError } from '@strongroom/record-log/log-error';
import { createHttpServer } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { createMemoryLog, createMemoryStore } from '@strongroom/testkit/memory-log';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { describe, expect, test } from 'vitest';
import { answeringChallenges } from './evidence-answers.ts';
import { EvidenceDesk } from './evidence-desk.ts';
import { addEvidenceRoute } from './evidence-route.ts';
import type { Life, WorkerOptions } from './life.ts';

const contractId = ContractIdSchema.parse('ab'.repeat(32));
const logger = createLogger('test', { level: 'silent' });
const CHALLENGES = challengesTopic(contractId);
const nonceOf = () => encodeBase64url(randomBytes(32));

/** A life with a log, and a vault that answers with what it was asked. */
class World {
  readonly store = createMemoryStore();
  readonly log = createMemoryLog(this.store);
  readonly metrics = createMetrics('worker');
  readonly clock = { now: 0, monotonic: () => this.clock.now };
  readonly desk = new EvidenceDesk(this.clock, this.metrics);
  readonly asked: string[] = [];
  /** What the next requests to the vault do. */
  vaultFails: StrongroomError | undefined;
  platformFails: StrongroomError | undefined;
  connectLog: () => Promise<RecordLog> = async () => createMemoryLog(this.store);

  async start(): Promise<this> {
    const topics = [challengesTopic(contractId), evidenceTopic(contractId)];
    await this.log.createTopics(topics.map((topic) => ({ topic })));
    return this;
  }

  /** Answers challenges while `work` lasts. */
  during<Result>(work: () => Promise<Result>): Promise<Result> {
    const vault = {
      request: async (_verb: string, { nonce }: { nonce: string }) => {
        this.asked.push(nonce);
        if (this.vaultFails) throw this.vaultFails;
        const runtimeClaims = encodeBase64url(canonicalBytes({ nonce }));
        return { answer: { runtimeClaims, statement: 'a.b.c', startupProof: 'a.b.c' } };
      },
    };
    const options = {
      namespace: '',
      evidence: this.desk,
      connectLog: () => this.connectLog(),
      logger,
      platformFor: async () => {
        if (this.platformFails) throw this.platformFails;
        const { platform } = await sharedTestPlatform();
        return platform.launch({ image: [new Uint8Array(1)], hostData: new Uint8Array(32) });
      },
    };
    const life = { contract: { tickMs: 0 }, contractId, vault } as unknown as Life;
    return answeringChallenges(life, 0, options as unknown as WorkerOptions, work);
  }

  async challenge(nonce: string, change: object = {}): Promise<void> {
    const value = canonicalBytes({ contract: contractId, nonce });
    const record = { ...evidenceRecordShape(contractId, 'challenge', nonce), value, ...change };
    await this.log.append(CHALLENGES, [record]);
  }

  answers(): { nonce: string | null; answer: EvidenceAnswer }[] {
    return this.#entries(RECORD_TYPES.evidence).map(({ key, value }) => ({
      nonce: key,
      answer: EvidenceAnswerSchema.parse(JSON.parse(new TextDecoder().decode(value))),
    }));
  }

  refusals() {
    return this.#entries(RECORD_TYPES.evidenceRefusal).map(({ key, value }) => ({
      key,
      ...EvidenceRefusalSchema.parse(JSON.parse(new TextDecoder().decode(value))),
    }));
  }

  #entries(type: string) {
    const entries = this.log.entries(evidenceTopic(contractId));
    return entries.filter(({ headers }) => headers['ce_type'] === type);
  }
}

async function until(condition: () => boolean, tries = 400): Promise<void> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    if (condition()) return;
    await delay(25);
  }
  expect.fail('it did not happen in time');
}

describe('challenges on the log', () => {
  test('are answered once each, under their nonce', async () => {
    const world = await new World().start();
    const nonces = [nonceOf(), nonceOf()];
    const result = await world.during(async () => {
      for (const nonce of nonces) await world.challenge(nonce);
      await until(() => world.answers().length === 2);
      await delay(50);
      return 'computed';
    });
    expect(result).toBe('computed');
    expect(world.answers().map(({ nonce }) => nonce)).toEqual(nonces);
    const claims = world.answers().map(({ answer }) => answer.evidence.runtimeClaims);
    expect(claims).toEqual(nonces.map((nonce) => encodeBase64url(canonicalBytes({ nonce }))));
  });

  test('that are none are set aside with their code, and the next one is answered', async () => {
    const world = await new World().start();
    const nonce = nonceOf();
    const other = 'cd'.repeat(32);
    const bytes = (value: unknown) => ({ value: new TextEncoder().encode(JSON.stringify(value)) });
    await world.during(async () => {
      await world.challenge(nonce, { value: new Uint8Array(0) });
      await world.challenge(nonce, { value: new Uint8Array(900_000) });
      await world.challenge(nonce, bytes({ nonce, contract: contractId }));
      await world.challenge(nonce, bytes({ contract: contractId, nonce: 'x' }));
      await world.challenge(nonce, { key: null });
      await world.challenge(nonce, { headers: {} });
      const headers = { ...evidenceRecordShape(contractId, 'challenge', nonce).headers, more: 'x' };
      await world.challenge(nonce, { headers });
      const foreign = evidenceRecordShape(other, 'challenge', nonce);
      await world.challenge(nonce, { ...foreign, ...bytes({ contract: other, nonce }) });
      await world.challenge(nonce);
      await until(() => world.answers().length === 1);
    });
    const counted = await world.metrics.render();
    for (const [code, count] of [
      ['ERR_CHALLENGE_MALFORMED', 4],
      ['ERR_RECORD_HEADERS', 3],
      ['ERR_CONTRACT_MISMATCH', 1],
    ] as const) {
      expect(counted).toContain(`{way="log",outcome="${code}",service="worker"} ${count}`);
    }
    expect(world.refusals()).toEqual([]);
    expect(world.asked).toEqual([nonce]);
  });

  test('in a flood are answered a few, dropped unread, and tell how many', async () => {
    const world = await new World().start();
    const flood = 20_000;
    const records = Array.from({ length: flood }, () => {
      const nonce = nonceOf();
      const value = canonicalBytes({ contract: contractId, nonce });
      return { ...evidenceRecordShape(contractId, 'challenge', nonce), value };
    });
    await world.log.append(CHALLENGES, records);
    const last = nonceOf();
    await world.during(async () => {
      await until(() => world.refusals().length === 1);
      world.clock.now += 60_000;
      await world.challenge(last);
      await until(() => world.answers().some(({ nonce }) => nonce === last));
    });
    expect(world.answers()).toHaveLength(ANSWERS_PER_MINUTE_MAX + 1);
    expect(world.asked).toHaveLength(ANSWERS_PER_MINUTE_MAX + 1);
    expect(world.refusals()).toEqual([
      {
        key: 'dropped',
        ...{ v: 1, code: 'ERR_CHALLENGE_LIMIT', challenges: flood - ANSWERS_PER_MINUTE_MAX },
      },
    ]);
    expect(await world.metrics.render()).toContain(
      `{way="log",outcome="ERR_CHALLENGE_LIMIT",service="worker"} ${flood - ANSWERS_PER_MINUTE_MAX}`,
    );
  });

  test.each([
    ['the vault', 'vaultFails', 'ERR_VAULT_LOST'],
    ['the platform', 'platformFails', 'ERR_PLATFORM_UNAVAILABLE'],
  ] as const)(
    'that %s cannot answer are told so, and the work goes on',
    async (_name, who, code) => {
      const world = await new World().start();
      const [first, second] = [nonceOf(), nonceOf()];
      world[who] = new StrongroomError(code);
      const result = await world.during(async () => {
        await world.challenge(first);
        await until(() => world.refusals().length === 1);
        world[who] = undefined;
        await world.challenge(second);
        await until(() => world.answers().length === 1);
        return 'computed';
      });
      expect(result).toBe('computed');
      expect(world.refusals()).toEqual([{ key: first, v: 1, code, challenges: 1 }]);
      expect(world.answers()[0]?.nonce).toBe(second);
    },
  );

  test('of a log that fails end no life, and are read again when it works', async () => {
    const world = await new World().start();
    let connections = 0;
    world.connectLog = async () => {
      connections += 1;
      if (connections === 1) throw new LogError('ERR_LOG_UNREACHABLE');
      const log = createMemoryLog(world.store);
      if (connections === 2) log.failNext('append', 'before');
      return log;
    };
    const nonce = nonceOf();
    const result = await world.during(async () => {
      await until(() => connections === 2);
      await delay(50);
      await world.challenge(nonceOf());
      await until(() => connections === 3);
      await delay(50);
      await world.challenge(nonce);
      await until(() => world.answers().length === 1);
      return 'computed';
    });
    expect(result).toBe('computed');
    expect(world.answers()[0]?.nonce).toBe(nonce);
  });

  test('do not hide why the work failed', async () => {
    const world = await new World().start();
    const failing = world.during(async () => {
      throw new StrongroomError('ERR_STREAM_FORKED');
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_STREAM_FORKED' });
  });
});

describe('challenges over HTTP', () => {
  async function serverOf(world: World) {
    const options = { service: 'test', logger, metrics: world.metrics, ready: () => true };
    const app = createHttpServer(options);
    addEvidenceRoute(app, world.desk);
    const ask = async (payload: string | Buffer, type = 'application/json') => {
      const headers = { 'content-type': type };
      const request = { method: 'POST', url: '/evidence', headers, payload } as const;
      const response = await app.inject(request);
      const body = response.json();
      return { status: response.statusCode, code: body.error?.code, body };
    };
    return { app, ask };
  }
  const challengeOf = (nonce: string) => JSON.stringify({ contract: contractId, nonce });

  test('are answered while a life lasts, and told so when none does', async () => {
    const world = await new World().start();
    const { app, ask } = await serverOf(world);
    const none = await ask(challengeOf(nonceOf()));
    expect(none).toMatchObject({ status: 503, code: 'ERR_EVIDENCE_UNANSWERED' });
    await world.during(async () => {
      const { status, body } = await ask(challengeOf(nonceOf()));
      expect(status).toBe(200);
      expect(EvidenceAnswerSchema.safeParse(body).success).toBe(true);
    });
    const after = await ask(challengeOf(nonceOf()));
    expect(after.code).toBe('ERR_EVIDENCE_UNANSWERED');
    await app.close();
  });

  test('that are none are refused by code and without a question to the vault', async () => {
    const world = await new World().start();
    const { app, ask } = await serverOf(world);
    await world.during(async () => {
      const foreign = JSON.stringify({ contract: 'cd'.repeat(32), nonce: nonceOf() });
      const malformed = { status: 400, code: 'ERR_CHALLENGE_MALFORMED' };
      expect(await ask('')).toMatchObject({ status: 400 });
      expect(await ask('{')).toMatchObject(malformed);
      expect(await ask('null')).toMatchObject(malformed);
      expect(await ask(`${challengeOf(nonceOf())} `)).toMatchObject(malformed);
      expect(await ask(Buffer.from([0xff, 0xfe]))).toMatchObject(malformed);
      expect(await ask(foreign)).toMatchObject({ status: 400, code: 'ERR_CONTRACT_MISMATCH' });
      expect(await ask('x'.repeat(100_000))).toMatchObject({ status: 413 });
      expect(await ask(challengeOf(nonceOf()), 'text/plain')).toMatchObject({ status: 415 });
    });
    expect(world.asked).toEqual([]);
    await app.close();
  });

  test('in a flood are refused at once, and those of the log are still answered', async () => {
    const world = await new World().start();
    const { app, ask } = await serverOf(world);
    const nonce = nonceOf();
    await world.during(async () => {
      const asked = Array.from({ length: 200 }, () => ask(challengeOf(nonceOf())));
      const answers = await Promise.all(asked);
      const answered = answers.filter(({ status }) => status === 200);
      const refused = answers.filter(({ code }) => code === 'ERR_CHALLENGE_LIMIT');
      expect(answered.length).toBeGreaterThan(0);
      expect(answered.length).toBeLessThanOrEqual(ANSWERS_PER_MINUTE_MAX);
      expect(answered.length + refused.length).toBe(200);
      await world.challenge(nonce);
      await until(() => world.answers().length === 1);
    });
    expect(world.answers()[0]?.nonce).toBe(nonce);
    await app.close();
  });
});
