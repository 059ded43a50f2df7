import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { toPem } from '../x509/pem.ts';
import { writeRsaCertificate } from '../x509/write-certificate.ts';
import { fetchJwks } from './fetch-jwks.ts';
import { createJwksSource } from './jwks-source.ts';
import { isPublicAddress } from './public-address.ts';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const { n, e } = pair.publicKey.export({ format: 'jwk' });
const KEY = { kty: 'RSA', n, e, kid: 'one' };
const SET = JSON.stringify({ keys: [KEY] });
const CA = selfSigned('keys.example');

let answer: RequestListener;
let requests = 0;
let server: Server;
let url: string;

beforeAll(async () => {
  const key = pair.privateKey.export({ format: 'pem', type: 'pkcs8' });
  server = createServer({ key, cert: CA }, (request, response) => {
    requests += 1;
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  url = `https://keys.example:${port}/certs`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = 0;
  answer = json(SET);
});

function selfSigned(commonName: string): string {
  const name = [['CN', commonName]] as const;
  const facts = {
    ...{ serial: randomBytes(8), issuer: name, subject: name, extensions: new Map() },
    ...{ notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 },
    spki: pair.publicKey.export({ format: 'der', type: 'spki' }),
  };
  return toPem(writeRsaCertificate(facts, pair.privateKey));
}

function json(body: string, status = 200, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };
}

const options = {
  ca: CA,
  resolve: async () => ['127.0.0.1'],
  testOnlyAddress: '127.0.0.1',
};

async function checkOf(more: object = {}, from = url): Promise<unknown> {
  try {
    await fetchJwks(from, { ...options, ...more });
  } catch (error) {
    return error instanceof StrongroomError ? `${error.code} ${error.facts['check']}` : error;
  }
  return 'fetched';
}

describe('a key set', () => {
  test('is fetched with its keys', async () => {
    const { keys } = await fetchJwks(url, options);
    expect(keys).toEqual([KEY]);
  });

  test.each([
    ['is elsewhere', json('', 302, { location: 'https://keys.example/' }), 'status'],
    ['is not there', json('{}', 404), 'status'],
    ['is a page', json(SET, 200, { 'content-type': 'text/html' }), 'content-type'],
    ['is compressed', json(SET, 200, { 'content-encoding': 'gzip' }), 'content-encoding'],
    ['is too large', json(`${SET}${' '.repeat(65_536)}`), 'size'],
  ])('is refused when it %s', async (_name, listener, check) => {
    answer = listener;
    expect(await checkOf()).toBe(`ERR_SERVICE_UNREACHABLE ${check}`);
    expect(requests).toBe(1);
  });

  test('is refused when it never ends, or does not come', async () => {
    const began = performance.now();
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{');
    };
    expect(await checkOf()).toBe('ERR_SERVICE_UNREACHABLE connection');
    expect(performance.now() - began).toBeLessThan(4_000);
    const never = () => new Promise<string[]>(() => undefined);
    expect(await checkOf({ resolve: never })).toBe('ERR_SERVICE_UNREACHABLE time');
  }, 10_000);

  test('is refused from a server with the certificate of another name or of nobody', async () => {
    const other = url.replace('keys.example', 'other.example');
    expect(await checkOf({}, other)).toBe('ERR_SERVICE_UNREACHABLE connection');
    expect(await fetchJwks(url, { ...options, ca: undefined as never }).catch(codeOf)).toBe(
      'ERR_SERVICE_UNREACHABLE',
    );
    expect(requests).toBe(0);
  });

  test.each(['', '[]', '{}', '{"keys":{}}', '{"keys":[],"keys":[]}'])(
    'is refused when it is %j',
    async (text) => {
      answer = json(text);
      expect(await checkOf()).toBe('ERR_TOKEN_INVALID key-set');
    },
  );
});

describe('the keys of an issuer', () => {
  const issuer = 'https://keys.example';
  let now = 0;
  const source = () => createJwksSource({ ...options, urls: { [issuer]: url }, clock });
  const clock = { now: () => now };

  test('are asked for once in ten minutes', async () => {
    const keys = source();
    await Promise.all([keys.keysOf(issuer), keys.keysOf(issuer, 'one'), keys.keysOf(issuer)]);
    now += 9 * 60_000;
    await keys.keysOf(issuer, 'one');
    expect(requests).toBe(1);
    now += 61_000;
    await keys.keysOf(issuer, 'one');
    expect(requests).toBe(2);
  });

  test('are asked for again when a token names another one, but not each time', async () => {
    const keys = source();
    await keys.keysOf(issuer, 'one');
    for (let index = 0; index < 100; index += 1) await keys.keysOf(issuer, `forged ${index}`);
    expect(requests).toBe(1);
    now += 31_000;
    answer = json(JSON.stringify({ keys: [KEY, { ...KEY, kid: 'two' }] }));
    expect(await keys.keysOf(issuer, 'two')).toHaveLength(2);
    expect(requests).toBe(2);
    now += 31_000;
    for (let index = 0; index < 100; index += 1) await keys.keysOf(issuer, `forged ${index}`);
    expect(requests).toBe(3);
  });

  test('are not asked for on and on while their server is down', async () => {
    const keys = source();
    answer = json('', 503);
    for (let index = 0; index < 10; index += 1) {
      expect(await keys.keysOf(issuer).catch(codeOf)).toBe('ERR_SERVICE_UNREACHABLE');
    }
    expect(requests).toBe(1);
    now += 31_000;
    answer = json(SET);
    expect(await keys.keysOf(issuer)).toHaveLength(1);
  });

  test.each(['https://other.example', '__proto__', 'toString'])('%s: has none', async (name) => {
    expect(await source().keysOf(name).catch(codeOf)).toBe('ERR_TOKEN_INVALID');
    expect(requests).toBe(0);
  });
});

test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700::1', '2a01:111::1'])(
  '%s is public',
  (address) => expect(isPublicAddress(address)).toBe(true),
);
