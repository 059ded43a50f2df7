import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { codeOf } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyToken } from '../token.ts';
import { fetchJwks } from './fetch-jwks.ts';
import { createJwksSource } from './jwks-source.ts';

/**
 * URLs that lead a careless client to itself, to its network or to a cloud's metadata service.
 * `PORT` is that of a listener that must see no connection. No name of the corpus is really
 * resolved: NAMES says to what an attacker's DNS would resolve it.
 */
const LOOPBACK = [
  'https://127.0.0.1:PORT/certs',
  'https://127.0.0.2:PORT/certs',
  'https://127.255.255.254:PORT/certs',
  'https://0.0.0.0:PORT/certs',
  'https://127.1:PORT/certs',
  'https://127.0.1:PORT/certs',
  'https://2130706433:PORT/certs',
  'https://0x7f000001:PORT/certs',
  'https://0x7f.0.0.1:PORT/certs',
  'https://0177.0.0.1:PORT/certs',
  'https://017700000001:PORT/certs',
  'https://127.0.0.1.:PORT/certs',
  'https://[::1]:PORT/certs',
  'https://[0:0:0:0:0:0:0:1]:PORT/certs',
  'https://[::]:PORT/certs',
  'https://[::ffff:127.0.0.1]:PORT/certs',
  'https://[::ffff:7f00:1]:PORT/certs',
  'https://[::127.0.0.1]:PORT/certs',
  'https://[64:ff9b::7f00:1]:PORT/certs',
  'https://[2002:7f00:1::]:PORT/certs',
  'https://[2001:0:7f00:1::]:PORT/certs',
  'https://localhost:PORT/certs',
  'https://LOCALHOST:PORT/certs',
  'https://localhost.:PORT/certs',
  'https://keys.localhost:PORT/certs',
  'https://①②⑦.⓪.⓪.①:PORT/certs',
  'https://127。0。0。1:PORT/certs',
  'https://loc%61lhost:PORT/certs',
];
const NETWORKS = [
  'https://10.0.0.1/certs',
  'https://10.255.255.255/certs',
  'https://172.16.0.1/certs',
  'https://172.31.255.254/certs',
  'https://192.168.1.1/certs',
  'https://100.64.0.1/certs',
  'https://198.18.0.1/certs',
  'https://192.0.0.8/certs',
  'https://224.0.0.1/certs',
  'https://255.255.255.255/certs',
  'https://[fc00::1]/certs',
  'https://[fd12:3456:789a::1]/certs',
  'https://[fe80::1]/certs',
  'https://[fec0::1]/certs',
  'https://[ff02::1]/certs',
  'https://[2001:db8::1]/certs',
];
const METADATA = [
  'https://169.254.169.254/metadata/instance',
  'https://2852039166/latest/meta-data/',
  'https://[::ffff:169.254.169.254]/metadata/instance',
  'https://[fd00:ec2::254]/latest/meta-data/',
  'https://168.63.129.16/machine',
  'https://metadata.google.internal/computeMetadata/v1/',
];
const FORMS = [
  'http://keys.example:PORT/certs',
  'file:///etc/passwd',
  'ftp://127.0.0.1:PORT/certs',
  'gopher://127.0.0.1:PORT/_certs',
  'data:application/json,{"keys":[]}',
  'https://keys.example@127.0.0.1:PORT/certs',
  'https://keys.example:443@127.0.0.1:PORT/certs',
  'https://127.0.0.1:PORT\\@keys.example/certs',
  'https://keys.example/a/../certs',
  '//127.0.0.1:PORT/certs',
  'https://kubernetes:PORT/certs',
  'https:/127.0.0.1:PORT/certs',
  ' https://127.0.0.1:PORT/certs',
  'https://keys.example:PORT/certs#@127.0.0.1',
  '',
];
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'loopback.attacker.example': ['127.0.0.1'],
  'loopback6.attacker.example': ['::1'],
  'mapped.attacker.example': ['::ffff:127.0.0.1'],
  'metadata.attacker.example': ['169.254.169.254'],
  'inside.attacker.example': ['10.1.2.3'],
  'mixed.attacker.example': ['2606:4700::1', '127.0.0.1'],
  'zone.attacker.example': ['fe80::1%lo'],
  'junk.attacker.example': ['not-an-address'],
};
const CORPUS = [
  ...[...LOOPBACK, ...NETWORKS, ...METADATA, ...FORMS],
  ...Object.keys(NAMES).map((name) => `https://${name}:PORT/certs`),
];

let port: number;
let connections = 0;
const listeners: Server[] = [];

beforeAll(async () => {
  port = await listen('127.0.0.1', 0);
  await listen('::1', port).catch(() => undefined);
});
afterAll(() => {
  for (const each of listeners) each.close();
});

async function listen(host: string, wanted: number): Promise<number> {
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  server.listen(wanted, host);
  await once(server, 'listening');
  listeners.push(server);
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const resolve = async (host: string) => NAMES[host] ?? [];
const withPort = (url: string) => url.replace('PORT', String(port));

describe('a URL of the corpus', () => {
  test('is one of more than 60, each once', () => {
    expect(new Set(CORPUS).size).toBe(CORPUS.length);
    expect(CORPUS.length).toBeGreaterThanOrEqual(60);
  });

  test.each(CORPUS)('is not fetched: %j', async (url) => {
    const code = await fetchJwks(withPort(url), { resolve }).catch(codeOf);
    expect(code).toBe('ERR_CONFIG_INVALID');
  });

  test.each(CORPUS)('is not fetched when a token names it: %j', async (url) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const target = withPort(url);
    const header = { alg: 'RS256', kid: 'k', jku: target, x5u: target };
    const claims = { iss: target, iat: 1, nbf: 1, exp: 2, jti: 'a' };
    const jwt = `${part(header)}.${part(claims)}.AAAA`;
    const clock = { now: () => 1_000 };
    const authorities = [{ issuer: 'https://keys.example', keys: [] }];
    expect(await verifyToken(jwt, { authorities, clock }).catch(codeOf)).toBe('ERR_TOKEN_INVALID');
    const urls = { 'https://keys.example': 'https://keys.example/certs' };
    const source = createJwksSource({ urls, clock, resolve });
    expect(await source.keysOf(target, 'k').catch(codeOf)).toBe('ERR_TOKEN_INVALID');
  });

  test('was connected to by nobody', async () => {
    await new Promise((done) => setTimeout(done, 50));
    expect(connections).toBe(0);
  });
});

test('the listener does see a connection that is made', async () => {
  const options = { resolve, testOnlyAddress: '127.0.0.1' };
  const url = withPort('https://loopback.attacker.example:PORT/certs');
  expect(await fetchJwks(url, options).catch(codeOf)).toBe('ERR_SERVICE_UNREACHABLE');
  expect(connections).toBe(1);
});
