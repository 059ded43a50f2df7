import { request } from 'node:http';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createScene, type Scene } from '../test/scene.ts';
import { createPageServer } from './page-server.ts';
import { readLine } from './relayed-line.ts';

/** Whom the page's server answers, and with what. */

const stopping = new AbortController();
let scene: Scene;
let url: string;
let app: ReturnType<typeof createPageServer>;

beforeAll(async () => {
  scene = await createScene();
  app = createPageServer({
    signedContract: scene.signedText,
    contractId: scene.contractId,
    log: scene.log,
    assets: new Map([['/', { type: 'text/html', bytes: Buffer.from('<p>page</p>') }]]),
    hostNames: ['results.example'],
    logger: createLogger('analyst', { level: 'silent' }),
    metrics: createMetrics('analyst'),
    signal: stopping.signal,
  });
  ({ url } = await listen(app, '127.0.0.1', 0));
});
afterAll(async () => {
  stopping.abort();
  await app.close();
});

/** `fetch` would not let a test say who asks. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
  return new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
    const asked = request(`${url}${path}`, { method, headers }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers });
    });
    asked.on('error', reject).end();
  });
}

describe("the page's server", () => {
  test('gives lists for evidence, and none without one who can be asked', async () => {
    const body = {
      report: 'AA',
      certificateChain: 'chain',
      runtimeClaims: 'AA',
    };
    const lists = (asked: unknown) =>
      fetch(`${url}/api/revocation-lists`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(asked),
      });
    expect(await (await lists(body)).json()).toEqual({
      revocationLists: [],
      requireRevocationList: false,
    });
    expect((await lists({ ...body, more: 1 })).status).toBe(400);
  });

  test.each([
    ['this machine', {}, 200],
    ['localhost', { host: 'localhost:8480' }, 200],
    ['a name that it was given', { host: 'Results.example' }, 200],
    ['a name that was pointed at it', { host: 'evil.example' }, 421],
    ['a name that only begins so', { host: 'localhost.evil.example' }, 421],
    ['another site', { 'sec-fetch-site': 'cross-site' }, 421],
    ['its own page', { 'sec-fetch-site': 'same-origin' }, 200],
  ])('answers %s with %o by %i', async (_name, headers, status) => {
    for (const path of ['/', '/api/settings'])
      expect((await ask(path, headers)).status).toBe(status);
  });

  test('lets a page load nothing but its own files', async () => {
    const { headers } = await ask('/');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers['set-cookie']).toBeUndefined();
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  test.each(['POST', 'PUT', 'DELETE'])('takes nothing: %s', async (method) => {
    expect((await ask('/api/settings', {}, method)).status).toBe(404);
  });

  test.each(['-1', 'x', '1.5', '1e99'])('refuses the offset %s', async (from) => {
    expect((await ask(`/api/records?from=${from}`)).status).toBe(400);
  });

  test('relays records as they lie on the log, and says when that was all', async () => {
    const worker = await scene.worker();
    const records = [worker.tokenRecord, await worker.seal(), await worker.seal({ emission: 1 })];
    await scene.append(...records);
    const asked = new AbortController();
    const { body } = await fetch(`${url}/api/records?from=1`, { signal: asked.signal });
    const relayed: unknown[] = [];
    let rest = '';
    for await (const piece of (body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      const lines = `${rest}${piece}`.split('\n');
      rest = lines.pop() ?? '';
      relayed.push(...lines.map(readLine).filter((line) => line !== undefined));
      if (relayed.length === 3) break;
    }
    asked.abort();
    expect(relayed).toMatchObject([
      { kind: 'record', entry: { offset: 1, key: records[1]?.key, headers: records[1]?.headers } },
      { kind: 'record', entry: { offset: 2, value: new Uint8Array(records[2]?.value ?? []) } },
      { kind: 'caught-up' },
    ]);
  });
});

test.each(['', ' ', '{', '[]', '{"offset":-0.5}', '{"offset":1,"key":null,"headers":{"a":1}}'])(
  'a line that is none is passed over: %j',
  (line) => {
    expect(readLine(line)).toBeUndefined();
  },
);
