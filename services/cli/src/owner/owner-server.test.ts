import { request } from 'node:http';
import type { PageAssets } from '@strongroom/page/server/page-assets';
import type { Clock } from '@strongroom/runtime/clock';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OverviewFacts } from './facts.ts';
import type { OwnerDesk } from './owner-desk.ts';
import { createOwnerServer } from './owner-server.ts';
import { createOwnerSession, type OwnerSession } from './session.ts';

/** Who is answered by the owner's page, and who can end a contract with it. */

const assets: PageAssets = new Map([['/', { type: 'text/html', bytes: Buffer.from('page') }]]);
let minutes = 0;
const clock: Clock = { now: () => 0, monotonic: () => minutes * 60_000 };
let revoked = 0;
/** Nothing behind the routes: what they let through is counted. */
const desk = {
  overview: () => ({ party: { id: 'north', name: 'North' }, contractId: 'c0' }) as OverviewFacts,
  revoke: async () => {
    revoked += 1;
    return { at: 7, epoch: 1 };
  },
  service: () => Promise.reject(new TypeError('secret detail')),
} as unknown as OwnerDesk;

let app: ReturnType<typeof createOwnerServer>;
let session: OwnerSession;
let port: number;

beforeAll(async () => {
  session = createOwnerSession(clock);
  app = createOwnerServer({
    ...{ desk, session, assets, hostNames: [] },
    logger: createLogger('owner', { level: 'silent' }),
    metrics: createMetrics('owner'),
    signal: new AbortController().signal,
  });
  ({ port } = await listen(app, '127.0.0.1', 0));
});
afterAll(() => app.close());
beforeEach(() => {
  [revoked, minutes] = [0, 0];
});

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Exactly these headers, `host` too: fetch would not send them. */
function ask(path: string, { method = 'GET', headers = {}, body }: Sent = {}) {
  return new Promise<{ status: number; text: string; headers: object }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text, headers: response.headers });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const json = { 'content-type': 'application/json' };
const own = () => ({ authorization: `Bearer ${session.secret}`, ...json });
const post = (path: string, body: object, headers: Sent['headers'] = own()) =>
  ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
const intent = async (): Promise<string> =>
  JSON.parse((await post('/api/revocation/intent', {})).text).nonce;
const codeIn = ({ text }: { text: string }) => JSON.parse(text).error.code;

const ROUTES = [
  ['GET', '/api/overview'],
  ['GET', '/api/service'],
  ['GET', '/api/data'],
  ['GET', '/api/agreement'],
  ['GET', '/api/requests'],
  ['GET', '/api/bundle'],
  ['POST', '/api/evidence'],
  ['POST', '/api/revocation/intent'],
  ['POST', '/api/revocation'],
] as const;

describe('every answer needs the secret of this start', () => {
  test.each(ROUTES)('%s %s', async (method, path) => {
    const { secret } = session;
    const body = method === 'POST' ? { body: '{}' } : {};
    for (const authorization of [
      '',
      'Bearer ',
      `Bearer ${secret.slice(0, -1)}`,
      `Bearer ${secret}x`,
      `bearer ${secret}`,
      secret,
      `Basic ${secret}`,
      `Bearer ${createOwnerSession(clock).secret}`,
    ]) {
      const answer = await ask(path, { method, headers: { ...json, authorization }, ...body });
      expect([answer.status, codeIn(answer)]).toEqual([401, 'ERR_UNAUTHENTICATED']);
    }
    const cookie = { ...json, cookie: `strongroom=${secret}` };
    for (const asked of [`${path}?secret=${secret}`, `${path}#${secret}`]) {
      expect((await ask(asked, { method, headers: cookie, ...body })).status).toBe(401);
    }
    expect(revoked).toBe(0);
  });

  test('the page itself has none, and says nothing', async () => {
    const page = await ask('/');
    expect([page.status, page.text]).toEqual([200, 'page']);
    expect(page.headers).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    expect(Object.keys(page.headers)).not.toContain('set-cookie');
    expect(Object.keys(page.headers).join()).not.toContain('access-control');
  });
});

describe('another site', () => {
  const forged = (headers: object) =>
    post('/api/revocation', { nonce: 'x', typed: 'north' }, { ...own(), ...headers });

  test.each([
    ['a name that it points at this machine', { host: 'rebound.example' }],
    ['a name with our port', { host: 'rebound.example:8481' }],
    ['a name that begins as ours', { host: '127.0.0.1.rebound.example' }],
  ])('is not answered under %s', async (_name, headers) => {
    expect((await forged(headers)).status).toBe(421);
    expect((await ask('/', { headers })).status).toBe(421);
  });

  test.each(['cross-site', 'same-site'])('is not answered: %s', async (site) => {
    expect((await forged({ 'sec-fetch-site': site })).status).toBe(421);
  });

  test('gets no leave to send the header, and forms cannot', async () => {
    const origin = 'https://rebound.example';
    const asks = { 'access-control-request-headers': 'authorization' };
    const preflight = await ask('/api/revocation', {
      method: 'OPTIONS',
      headers: { origin, ...asks, 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(404);
    expect(Object.keys(preflight.headers).join()).not.toContain('access-control');
    // What a form of another site can send, were it to know the secret: no JSON.
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const nonce = await intent();
      const answer = await post(
        '/api/revocation',
        { nonce, typed: 'north' },
        { ...own(), 'content-type': type },
      );
      expect([403, 415]).toContain(answer.status);
    }
    expect(revoked).toBe(0);
  });
});

describe('ending a contract', () => {
  test('needs a nonce and the typed name, and does it once', async () => {
    const nonce = await intent();
    const answer = await post('/api/revocation', { nonce, typed: 'north' });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { at: 7, epoch: 1 }]);
    const again = await post('/api/revocation', { nonce, typed: 'north' });
    expect([again.status, codeIn(again)]).toEqual([503, 'ERR_NONCE_SPENT']);
    expect(revoked).toBe(1);
  });

  test('by another name does nothing', async () => {
    const nonce = await intent();
    for (const typed of ['', 'North', 'north ', 'south']) {
      const answer = await post('/api/revocation', { nonce, typed });
      expect([answer.status, codeIn(answer)]).toEqual([403, 'ERR_REQUEST_INVALID']);
    }
    expect(revoked).toBe(0);
    expect((await post('/api/revocation', { nonce, typed: 'north' })).status).toBe(200);
  });

  test('with a nonce that is too old, pushed out or made up does nothing', async () => {
    const old = await intent();
    minutes = 3;
    const pushed = await intent();
    for (let more = 0; more < 16; more += 1) await intent();
    for (const nonce of [old, pushed, 'made-up', '']) {
      expect(codeIn(await post('/api/revocation', { nonce, typed: 'north' }))).toBe(
        'ERR_NONCE_SPENT',
      );
    }
    expect(revoked).toBe(0);
  });

  test.each([
    [{}],
    [{ nonce: 'x' }],
    [{ nonce: 7, typed: 'north' }],
    [{ nonce: 'x', typed: 'north', yes: true }],
    [{ nonce: 'x'.repeat(65), typed: 'north' }],
  ])('with %j is refused', async (body) => {
    expect(codeIn(await post('/api/revocation', body))).toBe('ERR_REQUEST_INVALID');
  });

  test('is no GET', async () => {
    expect((await ask('/api/revocation', { headers: own() })).status).toBe(404);
    expect((await ask('/api/evidence', { headers: own() })).status).toBe(404);
  });
});

test('an error that is not ours tells nothing of itself', async () => {
  const answer = await ask('/api/service', { headers: own() });
  expect([answer.status, codeIn(answer)]).toEqual([500, 'ERR_INTERNAL']);
  expect(answer.text).not.toContain('secret detail');
});
