import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside, strongroomInside } from '../../test/run-strongroom.ts';
import { agreedContract } from '../../test/signed-contract.ts';
import { createTlsFiles } from '../../test/tls.ts';
import { lasting } from './certificate.ts';
import { judgeSpace, nodeVersion } from './check-machine.ts';
import { checkServices, type ExpectedService, judgeService } from './check-services.ts';
import { CHECKS, type CheckCode, type Finding } from './checks.ts';
import { aheadOf } from './probe-url.ts';

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-doctor-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

/** Verdicts by code; the worst where there are several. */
function verdicts(findings: readonly Finding[]): Partial<Record<CheckCode, string>> {
  const order = ['skip', 'ok', 'warn', 'fail'];
  const sorted = findings.toSorted((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
  return Object.fromEntries(sorted.map(({ code, verdict }) => [code, verdict]));
}

describe('strongroom doctor', () => {
  test('looks at this machine without being told anything, and fails nothing', async () => {
    const { exitCode, data } = await inside('doctor', '--only', 'machine');
    expect(exitCode).toBe(0);
    expect(data.healthy).toBe(true);
    expect(verdicts(data.findings)).toMatchObject({ 'node-version': 'ok' });
    expect(new Set(data.findings.map(({ group }: { group: string }) => group))).toEqual(
      new Set(['machine']),
    );
  });

  test('finds a secret that others can read, and says how to mend it; exit code 1', async () => {
    const open = await file('open.token', 'secret-word', 0o644);
    const args = ['doctor', '--only', 'files', '--secret', open];
    const { exitCode, data } = await inside(...args);
    expect(exitCode).toBe(1);
    expect(data).toEqual({
      healthy: false,
      findings: [
        {
          ...{
            code: 'secret-mode',
            group: 'files',
            verdict: 'fail',
            mend: CHECKS['secret-mode'].mend,
          },
          says: `${open}: mode 644, others may read or change it`,
        },
        expect.objectContaining({ code: 'secret-readable', verdict: 'ok' }),
      ],
    });
    const { stdout } = await strongroomInside(...args);
    expect(stdout).toContain('FAIL secret-mode');
    expect(stdout).toContain(CHECKS['secret-mode'].mend);
    expect(stdout).not.toContain('secret-word');
    await chmod(open, 0o600);
    expect((await inside(...args)).exitCode).toBe(0);
  });

  test('finds brokers that do not answer', async () => {
    const args = ['--only', 'kafka', '--brokers', '127.0.0.1:1', '--timeout', '1'];
    const { exitCode, data } = await inside('doctor', ...args);
    expect([exitCode, verdicts(data.findings)]).toEqual([1, { 'kafka-reachable': 'fail' }]);
  });

  test('finds a contract whose signature is missing, and services that are away', async () => {
    const { signed } = await agreedContract({}, ['https://127.0.0.1:1']);
    const half = { ...signed, signatures: signed.signatures.slice(1) };
    const contract = await file('half.json', JSON.stringify(half));
    const { exitCode, data } = await inside(
      ...['doctor', '--contract', contract, '--only', 'contract', 'services', '--timeout', '1'],
    );
    expect(exitCode).toBe(1);
    expect(verdicts(data.findings)).toMatchObject({
      'contract-signed': 'fail',
      'service-reachable': 'fail',
    });
    expect((await inside('doctor', '--only', 'everything')).exitCode).toBe(2);
  });
});

describe('services', () => {
  const { ca, cert, key } = createTlsFiles('localhost');
  const pinned = { kty: 'RSA', n: 'abc', e: 'AQAB' };
  const answer = JSON.stringify({ owner: 'north', releaseKey: { ...pinned, kid: '1' } });
  const service = (url: string): ExpectedService => ({
    ...{ label: 'key release of north', url, path: '/.well-known/strongroom', pinned: [pinned] },
  });
  const servers: Server[] = [];
  afterAll(() => servers.forEach((each) => void each.close()));

  async function listen(server: Server, scheme = 'https', host = 'localhost'): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, 'localhost', () => resolve()));
    return `${scheme}://${host}:${(server.address() as AddressInfo).port}`;
  }
  async function look(url: string, more: { ca?: string } = { ca }) {
    const found = await checkServices([service(url)], { timeoutMs: 5_000, clock, ...more });
    return verdicts([...found.services, ...found.clocks]);
  }
  const WELL = {
    ...{ 'service-reachable': 'ok', 'service-tls': 'ok', 'service-identity': 'ok' },
    ...{ 'certificate-expiry': 'ok', 'clock-http': 'ok' },
  };

  test('one as the contract wants it is well; without its authority it is not asked', async () => {
    const url = await listen(createServer({ cert, key }, (_, reply) => void reply.end(answer)));
    expect(await look(url)).toEqual(WELL);
    expect(await look(url, {})).toMatchObject({
      'service-tls': 'fail',
      'service-identity': 'skip',
    });
    expect(await look(url.replace('localhost', '127.0.0.1'))).toMatchObject({
      'service-tls': 'fail',
    });
  });

  test('other keys, no keys, another clock and no TLS are found', async () => {
    const other = JSON.stringify({ owner: 'north', releaseKey: { ...pinned, n: 'xyz' } });
    const foreign = createServer({ cert, key }, (_, reply) => void reply.end(other));
    expect(await look(await listen(foreign))).toEqual({ ...WELL, 'service-identity': 'fail' });
    const azure = createServer({ cert, key }, (_, reply) => void reply.writeHead(401).end());
    expect(await look(await listen(azure))).toEqual({ ...WELL, 'service-identity': 'warn' });
    const slow = createServer({ cert, key }, (_, reply) => {
      reply.setHeader('date', new Date(Date.now() - HOUR).toUTCString()).end(answer);
    });
    expect(await look(await listen(slow))).toEqual({ ...WELL, 'clock-http': 'fail' });
    const plain = createHttpServer((_, reply) => void reply.end(answer));
    expect(await look(await listen(plain, 'http'))).toMatchObject({ 'service-tls': 'fail' });
  });

  test.each<[string, number, number, string]>([
    ['in force', NOW - HOUR, NOW + 400 * 24 * HOUR, 'ok'],
    ['about to end', NOW - 90 * 24 * HOUR, NOW + 3 * 24 * HOUR, 'warn'],
    ['of a day, in its morning', NOW - HOUR, NOW + 23 * HOUR, 'ok'],
    ['of a day, in its evening', NOW - 20 * HOUR, NOW + 4 * HOUR, 'warn'],
    ['that has ended', NOW - 2 * HOUR, NOW - HOUR, 'fail'],
    ['that is not in force yet', NOW + HOUR, NOW + 99 * HOUR, 'fail'],
  ])('a certificate %s', (_name, from, to, verdict) => {
    const found = judgeService(
      service('https://x'),
      { status: 200, body: '', tls: { from, to } },
      NOW,
    );
    expect(verdicts(found)['certificate-expiry']).toBe(verdict);
  });
});

test.each<[string | undefined, number | undefined]>([
  [undefined, undefined],
  ['nonsense', undefined],
  // Whole seconds: the server's clock may be up to one later than it says.
  [new Date(NOW - 900).toUTCString(), 0],
  [new Date(NOW).toUTCString(), 0],
  [new Date(NOW + 60_000).toUTCString(), 59_900],
  [new Date(NOW - 60_000).toUTCString(), -59_000],
])('a Date header %s', (date, ahead) => {
  expect(aheadOf(date, NOW, NOW + 100)).toBe(ahead);
});

test('versions and room', () => {
  expect(nodeVersion('22.1.0').verdict).toBe('fail');
  expect(nodeVersion('25.0.0').verdict).toBe('ok');
  expect([100, 1_000, 10_000].map((mib) => judgeSpace('/', mib).verdict)).toEqual([
    ...['fail', 'warn', 'ok'],
  ]);
  expect(lasting(0, 10, 20)).toBe('over');
});
