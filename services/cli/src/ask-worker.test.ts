import { randomBytes } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import { EvidenceChallengeSchema, parseChallenge } from '@strongroom/protocol/evidence-answer';
import { EVIDENCE_ANSWER_BYTES_MAX } from '@strongroom/protocol/limits';
import { challengesTopic, evidenceRecordShape, evidenceTopic } from '@strongroom/protocol/record';
import { LogError } from '@strongroom/record-log/log-error';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askOverHttp, askOverLog, type Reply } from './ask-worker.ts';

const challenge = EvidenceChallengeSchema.parse({
  contract: 'ab'.repeat(32),
  nonce: randomBytes(32).toString('base64url'),
});
const { contract, nonce } = challenge;
const challenges = challengesTopic(contract);
const answers = evidenceTopic(contract);

describe('over the log', () => {
  const record = (type: 'evidence' | 'evidenceRefusal', key: string, value: unknown) => ({
    ...evidenceRecordShape(contract, type, key),
    value: canonicalBytes(value),
  });

  test('a challenge is sent when there are topics, and replies to it are taken', async () => {
    const log = createMemoryLog();
    const stop = new AbortController();
    const replies: Reply[] = [];
    const asking = (async () => {
      for await (const reply of askOverLog(log, '', challenge, stop.signal)) {
        replies.push(reply);
        if (replies.length === 4) return;
      }
    })();
    await delay(20);
    await log.createTopics([{ topic: challenges }, { topic: answers }]);
    await log.append(answers, [record('evidence', nonce, 'written before it was asked')]);
    while (log.entries(challenges).length === 0) await delay(20);
    const [asked] = log.entries(challenges);
    expect(parseChallenge(asked?.value ?? new Uint8Array(0))).toEqual(challenge);
    const { key, headers } = evidenceRecordShape(contract, 'challenge', nonce);
    expect(asked).toMatchObject({ key, headers });
    await log.append(answers, [
      record('evidence', 'another nonce', 'not ours'),
      record('evidenceRefusal', 'another nonce', { v: 1, code: 'ERR_VAULT_LOST', challenges: 1 }),
      record('evidenceRefusal', nonce, { v: 1, code: 'no code', challenges: 1 }),
      { ...record('evidence', nonce, 'x'), value: new Uint8Array(EVIDENCE_ANSWER_BYTES_MAX + 1) },
      record('evidenceRefusal', nonce, { v: 1, code: 'ERR_VAULT_LOST', challenges: 1 }),
      record('evidenceRefusal', 'dropped', { v: 1, code: 'ERR_CHALLENGE_LIMIT', challenges: 9 }),
      { ...record('evidence', nonce, ''), value: new TextEncoder().encode('{') },
      record('evidence', nonce, { ours: true }),
    ]);
    await asking;
    expect(replies).toEqual([
      { kind: 'refusal', code: 'ERR_VAULT_LOST' },
      { kind: 'refusal', code: 'ERR_CHALLENGE_LIMIT' },
      { kind: 'answer', value: undefined },
      { kind: 'answer', value: { ours: true } },
    ]);
  });

  test('a log that fails is asked once more, and at the end its failure is told', async () => {
    const log = createMemoryLog();
    await log.createTopics([{ topic: challenges }, { topic: answers }]);
    log.failNext('append', 'before');
    const asking = askOverLog(log, '', challenge, AbortSignal.timeout(10_000)).next();
    while (log.entries(challenges).length === 0) await delay(20);
    await log.append(answers, [record('evidence', nonce, { ours: true })]);
    expect(await asking).toEqual({ done: false, value: { kind: 'answer', value: { ours: true } } });

    const broken = Object.assign(createMemoryLog(), {
      endOffset: () => Promise.reject(new LogError('ERR_LOG_UNREACHABLE')),
    });
    const failing = askOverLog(broken, '', challenge, AbortSignal.timeout(100)).next();
    expect(await failing.catch(codeOf)).toBe('ERR_LOG_UNREACHABLE');
  });

  test('waiting ends with the signal, whether or not there are topics', async () => {
    for (const topics of [[], [{ topic: challenges }, { topic: answers }]]) {
      const log = createMemoryLog();
      await log.createTopics(topics);
      const replies = [];
      const signal = AbortSignal.timeout(100);
      for await (const reply of askOverLog(log, '', challenge, signal)) replies.push(reply);
      expect(replies).toEqual([]);
    }
  });
});

describe('over HTTP', () => {
  let server: Server;
  let url: string;
  let respond: (response: ServerResponse, body: Buffer) => void;

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      respond(response, Buffer.concat(pieces));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  async function ask(at = url, signal = AbortSignal.timeout(5_000)) {
    const replies: Reply[] = [];
    try {
      for await (const reply of askOverHttp(at, challenge, signal)) replies.push(reply);
    } catch (error) {
      return codeOf(error);
    }
    return replies;
  }

  test('an answer is what the worker sent for this challenge', async () => {
    respond = (response, body) => response.end(JSON.stringify(parseChallenge(body)));
    expect(await ask(`${url}/`)).toEqual([{ kind: 'answer', value: challenge }]);
  });

  test("a refusal has the worker's code, or ours when it has none", async () => {
    const fail = (status: number, body: string) => {
      respond = (response) => response.writeHead(status).end(body);
      return ask();
    };
    expect(await fail(503, '{"error":{"code":"ERR_CHALLENGE_LIMIT"}}')).toBe('ERR_CHALLENGE_LIMIT');
    expect(await fail(503, '{"error":{"code":"made up"}}')).toBe('ERR_SERVICE_UNREACHABLE');
    expect(await fail(500, 'oops')).toBe('ERR_SERVICE_UNREACHABLE');
    expect(await fail(404, '{"error":null}')).toBe('ERR_SERVICE_UNREACHABLE');
  });

  test('an endless answer, a redirect, silence and a closed port are refused', async () => {
    respond = (response) => response.end('x'.repeat(2 * EVIDENCE_ANSWER_BYTES_MAX));
    expect(await ask()).toBe('ERR_LIMIT_EXCEEDED');
    respond = (response) => response.writeHead(307, { location: `${url}/elsewhere` }).end();
    expect(await ask()).toBe('ERR_SERVICE_UNREACHABLE');
    respond = () => undefined;
    expect(await ask(url, AbortSignal.timeout(100))).toBe('ERR_SERVICE_UNREACHABLE');
    expect(await ask('http://127.0.0.1:1')).toBe('ERR_SERVICE_UNREACHABLE');
    expect(await ask('no address')).toBe('ERR_SERVICE_UNREACHABLE');
  });
});
