import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchJwks } from '@strongroom/attestation/platforms/fetch-jwks';
import { codeOf } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { proxyFrom, useProxy } from '@strongroom/runtime/proxy';
import { openTracing } from '@strongroom/runtime/tracing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { probe } from '../../services/cli/src/doctor/probe-url.ts';
import { askService } from '../../services/cli/src/owner-service.ts';
import { connectVault } from '../../services/cli/src/vault-client.ts';
import { inside, outside } from '../../services/cli/test/run-strongroom.ts';
import { postJson } from '../../services/enclave-worker/src/http-post.ts';
import { logger } from '../../services/enclave-worker/test/worker-options.ts';
import { openKeyVaultKey } from '../../services/key-release/src/master-key/key-vault-key.ts';
import { openBucket } from '../../services/producer/src/s3-source.ts';
import { createRunAuthority } from '../deployment/certificates.ts';

/**
 * An organisation that lets nothing out but through a proxy. No name here has an address: what is
 * reached was reached through it, and what it is not asked for has gone past it.
 */

const HOST = 'service.example';
const SERVICE = `https://${HOST}`;
const MASTER = `${SERVICE}/keys/k/${'0'.repeat(32)}`;
const KEY = { kty: 'RSA', n: 'wf'.repeat(200), e: 'AQAB' };

let folder: string;
let service: Server;
let proxy: Server;
let ca: string;
let caFile: string;
let tokenFile: string;
/** Where the proxy was asked to connect to. */
let asked: string[] = [];
/** What only a proxy sees that does more than to connect. */
let openly = 0;

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const logged = { logger, clock: systemClock };

/** What each of the services that are asked here says, as far as its client looks. */
const answer: RequestListener = (request, response) => {
  const key = { key: { kid: MASTER }, kid: MASTER, value: 'AAAA' };
  const told = request.url?.startsWith('/keys') ? key : { keys: [KEY], told: request.method };
  const isBare = request.url?.startsWith('/keys') && !request.headers.authorization;
  const challenge = `Bearer authorization="${SERVICE}/t", resource="${SERVICE}"`;
  const headers = { 'content-type': 'application/json', 'www-authenticate': challenge };
  response.writeHead(isBare ? 401 : 200, headers).end(JSON.stringify(told));
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-proxy-'));
  const authority = await createRunAuthority(systemClock.now());
  ca = authority.caPem;
  [caFile, tokenFile] = [join(folder, 'ca'), join(folder, 'token')];
  await writeFile(caFile, ca);
  await writeFile(tokenFile, 'token', { mode: 0o600 });
  service = createServer(await authority.issue(HOST), answer).listen(0, '127.0.0.1');
  proxy = createPlainServer((_request, response) => {
    openly += 1;
    response.writeHead(502).end();
  }).listen(0, '127.0.0.1');
  proxy.on('connect', (request, socket) => {
    asked.push(String(request.url));
    const there = connect(portOf(service), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(there).pipe(socket);
    });
    for (const each of [socket, there]) each.on('error', () => there.destroy());
  });
  await Promise.all([service, proxy].map((each) => each.listening || once(each, 'listening')));
  vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${portOf(proxy)}`);
  vi.stubEnv('NO_PROXY', '.inside.example');
  useProxy();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  for (const each of [service, proxy]) each.closeAllConnections();
  for (const each of [service, proxy]) each.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  [asked, openly] = [[], 0];
});

const reached = { told: 'POST' };

describe('behind a proxy', () => {
  test("a command prints a service's keys, by the authority that is named", async () => {
    const show = ['attestation', 'show', '--issuer', SERVICE] as const;
    const { data } = await outside(...show, '--ca-file', caFile);
    expect(data).toEqual({ issuer: SERVICE, keys: [KEY] });
    expect(asked).toEqual([`${HOST}:443`]);
    expect((await inside(...show)).code).toBe('ERR_SERVICE_UNREACHABLE');
  });

  test('the worker asks services, by the authority that is named and by no other', async () => {
    const post = (more: object) => postJson(new URL(`${SERVICE}/attest`), {}, more);
    expect((await post({ ca })).body).toMatchObject(reached);
    expect(await post({}).catch(codeOf)).toBe('ERR_SERVICE_UNREACHABLE');
    expect(asked).toEqual([`${HOST}:443`, `${HOST}:443`]);
  });

  test("an owner's service is asked, also by Azure's client", async () => {
    const options = { vault: SERVICE, tokenFile, caFile };
    const question = { method: 'POST', path: '/revoke', body: {} } as const;
    expect(await askService(options, question)).toMatchObject(reached);
    const keys = await connectVault(options);
    expect((await keys.getKey('k')).name).toBe('k');
    const master = await openKeyVaultKey({
      key: MASTER,
      tokenFile,
      caFile,
      algorithm: 'RSA-OAEP-256',
    });
    expect(await master.unwrap(new Uint8Array(3))).toHaveLength(3);
    // The first may have gone over a connection of before; Azure's clients have their own.
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect(new Set(asked)).toEqual(new Set([`${HOST}:443`]));
  });

  test('a key set is fetched, whose name only the proxy knows', async () => {
    const fetched = fetchJwks(`${SERVICE}/certs`, { ca, proxy: proxyFrom().HTTPS_PROXY });
    expect((await fetched).keys).toHaveLength(1);
    expect(asked).toEqual([`${HOST}:443`]);
    const local = { ca, proxy: proxyFrom().HTTPS_PROXY };
    const wrong = fetchJwks('https://10.0.0.1/certs', local).catch(codeOf);
    expect(await wrong).toBe('ERR_CONFIG_INVALID');
  });

  test('the doctor sees the certificate, and not the proxy', async () => {
    const seen = await probe(new URL(SERVICE), { ca, timeoutMs: 5_000, clock: systemClock });
    expect(seen).toMatchObject({ status: 200, tls: { from: expect.any(Number) } });
    expect(seen?.tls?.problem).toBeUndefined();
  });

  test('buckets, traces and whatever fetches take it too', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'a');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'b');
    vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
    const bucket = { bucket: 'b', prefix: '', endpoint: new URL('https://bucket.example') };
    await expect(openBucket(bucket).items()).rejects.toThrow();
    const telling = { service: 'test', otlp: 'https://traces.example', environment: {}, ...logged };
    const tracing = await openTracing(telling);
    tracing?.begin({ operation: 'read', destination: 'topic' }).end();
    await tracing?.close();
    await fetch('https://registry.example').catch(() => undefined);
    const names = new Set(asked.map((each) => each.split('.')[0]));
    expect([...names]).toEqual(['bucket', 'traces', 'registry']);
  });

  test('plain HTTP, this machine and what NO_PROXY names go past it', async () => {
    const plain = createPlainServer(answer).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const here = `127.0.0.1:${portOf(plain)}`;
    expect((await postJson(new URL(`http://${here}`), {}, {})).body).toMatchObject(reached);
    expect((await fetch(`http://${here}`)).status).toBe(200);
    plain.close();
    const own = new URL(`https://127.0.0.1:${portOf(service)}`);
    expect((await postJson(own, {}, { ca })).body).toMatchObject(reached);
    const inner = postJson(new URL('https://a.inside.example'), {}, { ca });
    expect(await inner.catch(codeOf)).toBe('ERR_SERVICE_UNREACHABLE');
    expect([asked, openly]).toEqual([[], 0]);
  });

  test('what is no address of a proxy is refused, and not shown', () => {
    const wrong = () => proxyFrom({ HTTPS_PROXY: 'socks5://user:secret@proxy:1080' });
    expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(wrong).not.toThrow(/secret/);
  });
});
