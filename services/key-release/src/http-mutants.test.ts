import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Asked, mutate } from '../test/mutate-request.ts';
import { encoded, policyFor, workerClaims } from '../test/token.ts';
import { createTransportKey, prepareVault, readEntries } from '../test/vault.ts';

/**
 * Requests that were valid once, and then bent: the program as it is started by people answers each
 * without an internal error, without a secret and with an audit entry, and does not grow.
 */

const LONG = process.env['STRONGROOM_LONG'] === '1';
const REQUESTS = LONG ? 20_000 : 2_000;
const SEED = 20_261_125;
const AT_ONCE = 8;
/** Of the process after a quarter of the requests: what code, caches and the heap take. */
const GROWTH_BYTES_MAX = 48 * 1024 * 1024;
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

const transport = createTransportKey();
const share = randomBytes(32);
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  format: 'jwk',
});
const kek = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export({
  format: 'jwk',
});
const policy = encoded(policyFor('simulated'));
const exportable = {
  attributes: { exportable: true },
  release_policy: { data: policy.encodedPolicy.toString('base64url') },
};

const CONTRACT = 'a'.repeat(64);
const LEASE_ROUTES = [
  ['release', 'POST', `/leases/${CONTRACT}/nonces`, {}],
  ['release', 'POST', `/leases/${CONTRACT}/`, { target: 'e30.e30.AA' }],
  ['release', 'POST', `/leases/${CONTRACT}/steps`, { step: 'e30.e30.AA' }],
  ['release', 'POST', `/leases/${CONTRACT}/renewals`, { holder: 'AA' }],
  ['release', 'POST', `/leases/${CONTRACT}/end`, { holder: 'AA' }],
  ['release', 'POST', `/leases/${CONTRACT}/slices/0/end`, { holder: 'AA' }],
  ['administer', 'POST', `/leases/${CONTRACT}/revocation`, {}],
  ['audit', 'GET', `/leases/${CONTRACT}`, undefined],
  ['audit', 'GET', `/ledger/${CONTRACT}`, undefined],
  ['administer', 'PUT', `/ledger/${CONTRACT}/budgets`, { budgets: [] }],
  ['release', 'POST', `/ledger/${CONTRACT}/debits`, { target: 'e30.e30.AA', debit: 'e30.e30.AA' }],
] as const;

let prepared: Awaited<ReturnType<typeof prepareVault>>;
let child: ChildProcess;
let url: URL;
let agent: Agent;
beforeAll(async () => {
  const callers = [{ name: 'spare', rights: ['audit'], tokenSha256: 'ab'.repeat(32) }];
  const rate = { requestsPerSecond: 1_000_000, burst: 1_000_000 };
  prepared = await prepareVault({ platform: 'simulated', access: { callers, rate } });
  agent = new Agent({ ca: prepared.ca, keepAlive: true, maxSockets: AT_ONCE });
  const node = ['--conditions=strongroom:source', '--max-old-space-size=96'];
  child = spawn(process.execPath, [...node, MAIN, ...prepared.args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  url = await new Promise<URL>((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (part) => {
      if (text.length > 100_000) return;
      text += part;
      const line = text.split('\n').find((each) => each.includes('"listening"'));
      if (line !== undefined) resolve(new URL(JSON.parse(line).url));
    });
    child.on('exit', () => reject(new Error(`not started: ${text}`)));
  });
}, 60_000);
afterAll(async () => {
  agent.destroy();
  child.kill('SIGKILL');
  await prepared.remove();
});

interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** @returns undefined when the connection ended without an answer */
function send({ method, path, headers, body }: Asked): Promise<Outcome | undefined> {
  const { hostname, port } = url;
  const sent: OutgoingHttpHeaders = { 'content-type': 'application/json', ...headers };
  if (body !== undefined) sent['content-length'] ??= Buffer.byteLength(body);
  return new Promise((resolve) => {
    const options = { hostname, port, agent, method, path, headers: sent, timeout: 20_000 };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (part) => {
        text += part;
      });
      const { statusCode: status = 0, headers: answered } = response;
      response.on('end', () => resolve({ status, headers: answered, body: text }));
      response.on('error', () => resolve(undefined));
    });
    asked.on('error', () => resolve(undefined));
    asked.on('timeout', () => asked.destroy());
    asked.end(body);
  });
}

function sendRaw(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname, port: Number(url.port), ca: prepared.ca }, () => {
      socket.end(bytes);
    });
    let text = '';
    socket.setTimeout(20_000, () => socket.destroy());
    socket.on('data', (part) => {
      text += part.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

async function baseRequests(): Promise<Asked[]> {
  const { tokens, authority } = prepared;
  const token = await authority.token(workerClaims(transport.publicKey));
  const as = (right: keyof typeof tokens) => ({ authorization: `Bearer ${tokens[right]}` });
  const ask = (method: string, path: string, body?: object): Asked => ({
    method,
    path: `${path}?api-version=2025-07-01`,
    headers: as(path.endsWith('/release') ? 'release' : 'administer'),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const importing = [
    ask('PUT', '/keys/share', {
      key: { kty: 'oct', k: share.toString('base64url') },
      ...exportable,
    }),
    ask('PUT', '/keys/pair', { key: pair, ...exportable }),
    ask('PUT', '/keys/kek', { key: kek, ...exportable }),
  ];
  const action = { trigger: { timeAfterCreate: 'P30D' }, action: { type: 'Rotate' } };
  return [
    ...importing,
    ...['share', 'pair', 'kek'].flatMap((name) => [
      ask('GET', `/keys/${name}`),
      ask('GET', `/keys/${name}/versions`),
      ask('POST', `/keys/${name}/release`, {
        target: token,
        enc: 'RSA_AES_KEY_WRAP_256',
        nonce: 'n',
      }),
      ask('PATCH', `/keys/${name}`, { tags: { a: 'b' }, attributes: { enabled: true } }),
    ]),
    ask('GET', '/keys'),
    ask('POST', '/keys/made/create', { kty: 'EC', crv: 'P-256', key_ops: ['sign'] }),
    ask('POST', '/keys/made/create', { kty: 'oct', key_size: 256, ...exportable }),
    ask('POST', '/keys/made/rotate'),
    ask('GET', '/keys/made/rotationpolicy'),
    ask('PUT', '/keys/made/rotationpolicy', { lifetimeActions: [action], attributes: {} }),
    ask('POST', '/keys/share/backup'),
    ask('POST', '/keys/restore', { value: randomBytes(80).toString('base64url') }),
    ask('DELETE', '/keys/made'),
    ask('GET', '/deletedkeys'),
    ask('GET', '/deletedkeys/made'),
    ask('POST', '/deletedkeys/made/recover'),
    ask('DELETE', '/deletedkeys/made'),
    ask('POST', '/rng', { count: 16 }),
    ask('POST', `/keys/kek/${'0'.repeat(32)}/decrypt`, { alg: 'RSA-OAEP', value: 'AA' }),
    ask('PUT', `/contracts/${'a'.repeat(64)}`, {
      payload: 'e30',
      signatures: [{ protected: 'e30', signature: 'AA' }],
    }),
    ask('GET', `/contracts/${'a'.repeat(64)}`),
    ...LEASE_ROUTES.map(([right, method, path, body]) => ({
      ...ask(method, path, body),
      headers: as(right),
    })),
    ...['head', 'entries', 'heads', 'proof/inclusion', 'proof/consistency'].map((name) => ({
      ...{ method: 'GET', path: `/audit/${name}?index=0`, headers: as('audit') },
    })),
  ];
}

/** Every spelling in which a secret of the service could stand in an answer. */
function secretTexts(): string[] {
  const raw = [share, prepared.masterKey, ...[pair.d, kek.d, kek.p, kek.q].map(bytesOf)];
  const spelled = raw.flatMap((bytes) => [
    ...(['base64url', 'base64', 'hex'] as const).map((form) => bytes.toString(form).slice(0, 24)),
    bytes.subarray(0, 16).toString('latin1'),
  ]);
  return [...spelled, ...Object.values(prepared.tokens)];
}
const bytesOf = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');

async function residentBytes(): Promise<number> {
  const answer = await send({ method: 'GET', path: '/metrics', headers: {} });
  return Number(/^process_resident_memory_bytes\S* (\S+)$/m.exec(answer?.body ?? '')?.[1]);
}

/** Whether the audit log has an entry of it: surely, perhaps (the answer does not tell), or not. */
function leavesEntry({ method, path, headers }: Asked, { status, body }: Outcome) {
  if (headers['authorization'] === undefined) return 'no';
  // What a worker asks of its lease again and again leaves an entry where it changes something.
  if (method === 'HEAD' || path.startsWith('/leases/')) return 'perhaps';
  if (status < 300) return path.toLowerCase().startsWith('/audit/') ? 'no' : 'surely';
  return body.includes('"innererror"') ? 'surely' : 'no';
}

function check(asked: Asked, outcome: Outcome, secrets: readonly string[]): void {
  const { status, headers, body } = outcome;
  const facts = JSON.stringify({ asked, outcome }).slice(0, 1_500);
  expect(status, facts).toBeLessThan(500);
  const all = body + JSON.stringify(headers);
  const found = secrets.filter((secret) => all.includes(secret));
  expect(found, facts).toEqual([]);
  expect(body, facts).not.toMatch(/\.ts:\d|node:internal|node_modules/);
  expect(headers['x-content-type-options'], facts).toBe('nosniff');
  if (status === 401) expect(headers['www-authenticate']).toMatch(/^Bearer /);
}

test(`${REQUESTS} mutated requests`, { timeout: LONG ? 1_800_000 : 240_000 }, async () => {
  const random = seededRandom(SEED);
  const base = await baseRequests();
  const secrets = secretTexts();
  const counts = { surely: 0, perhaps: 0, no: 0, unanswered: 0 };
  const statuses = new Map<number, number>();
  let sent = 0;
  let resident = 0;
  const next = (): Asked => {
    const picked = base[sent] ?? random.pick(base);
    const token = random.pick(Object.values(prepared.tokens));
    const other = { ...picked.headers, authorization: `Bearer ${token}` };
    if (sent < base.length) return picked;
    return mutate(random.chance(0.1) ? { ...picked, headers: other } : picked, random);
  };
  const worker = async () => {
    while (sent < REQUESTS) {
      const asked = next();
      sent += 1;
      if (sent === REQUESTS / 4) resident = await residentBytes();
      if (random.chance(0.02)) expect(await sendRaw(junk(random))).not.toMatch(/^HTTP\S+ 5/);
      const outcome = await send(asked);
      if (!outcome) {
        counts.unanswered += 1;
        continue;
      }
      check(asked, outcome, secrets);
      counts[leavesEntry(asked, outcome)] += 1;
      statuses.set(outcome.status, (statuses.get(outcome.status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect((await residentBytes()) - resident).toBeLessThan(GROWTH_BYTES_MAX);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);

  // A seed that only met one kind of answer would have shown nothing.
  for (const status of [200, 400, 401, 403, 404]) {
    expect(statuses.get(status), String(status)).toBeGreaterThan(REQUESTS / 200);
  }
  expect(counts.unanswered).toBeLessThan(REQUESTS / 50);
  const entries = readEntries(join(prepared.folder, 'data'));
  const attempts = entries
    .filter(({ event }) => event !== 'service-created')
    .reduce((sum, { count, event }) => sum + (event === 'random-read' ? 1 : Number(count ?? 1)), 0);
  expect(attempts).toBeGreaterThanOrEqual(counts.surely);
  expect(attempts).toBeLessThanOrEqual(counts.surely + counts.perhaps + counts.unanswered);
});

/** No HTTP at all, or what looks like it. */
function junk(random: SeededRandom): Buffer {
  const lines = [
    'GET /keys HTTP/9.9\r\n\r\n',
    'GET  HTTP/1.1\r\nhost: x\r\n\r\n',
    'POST /keys/a/create HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
    'POST /keys/a/create HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    `GET /keys HTTP/1.1\r\nhost: x\r\nauthorization: ${'a'.repeat(20_000)}\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /keys HTTP/1.1\r\n\r\n',
  ];
  return random.chance(0.3)
    ? Buffer.from(Array.from({ length: 64 }, () => random.below(256)))
    : Buffer.from(random.pick(lines), 'latin1');
}
