import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inside } from '../test/run-strongroom.ts';
import { createTlsFiles } from '../test/tls.ts';

const { ca, cert, key } = createTlsFiles('localhost');
const rsa = { kty: 'RSA', n: 'A'.repeat(512), e: 'AQAB' };
const ANSWERS: Readonly<Record<string, object>> = {
  '/certs': { keys: [{ ...rsa, kid: '1', x5c: ['AA'] }] },
  '/.well-known/strongroom': { owner: 'north', releaseKey: rsa, warnings: [] },
};
const server = createServer({ cert, key }, (request, reply) => {
  const answer = ANSWERS[request.url ?? ''];
  reply.writeHead(answer ? 200 : 404).end(JSON.stringify(answer ?? {}));
});

let folder: string;
let url: string;
let trust: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-service-keys-'));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', () => resolve()));
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
  trust = ['--ca-file', join(folder, 'ca.crt')];
  await writeFile(join(folder, 'ca.crt'), ca);
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

test('prints the keys of an attestation service, and writes what key release reads', async () => {
  const out = join(folder, 'authorities.json');
  const args = ['attestation', 'show', '--issuer', url, '--platform', 'simulated', '--out', out];
  expect((await inside(...args, ...trust)).data).toEqual({ issuer: url, keys: [rsa] });
  expect(JSON.parse(await readFile(out, 'utf8'))).toEqual([
    { issuer: url, keys: [rsa], platform: 'simulated' },
  ]);
});

test('prints with which key an owner’s service signs', async () => {
  const { data } = await inside('key-release', 'show', '--vault', url, ...trust);
  expect(data).toEqual({ owner: 'north', releaseKey: rsa });
});

test('believes nobody without a trusted certificate for its name, or without TLS', async () => {
  const show = (vault: string, ...more: string[]) =>
    inside('key-release', 'show', '--vault', vault, ...more);
  const refused = { code: 'ERR_SERVICE_UNREACHABLE', exitCode: 69 };
  expect(await show(url)).toMatchObject(refused);
  expect(await show(url.replace('localhost', '127.0.0.1'), ...trust)).toMatchObject(refused);
  expect(await show(`${url}/elsewhere`, ...trust)).toMatchObject(refused);
  expect(await show(url.replace('https', 'http'))).toMatchObject({ code: 'ERR_USAGE' });
});
