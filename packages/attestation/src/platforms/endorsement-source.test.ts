import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import {
  type CertificateServer,
  startCertificateServer,
} from '@strongroom/testkit/certificate-server';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LaunchOptions, SimulatedPlatform } from '../insecure.ts';
import { simulatedRoots } from '../insecure.ts';
import type { RootSet } from '../roots.ts';
import { parsePemCertificates } from '../x509/pem.ts';
import { createEndorsementCache, readEndorsementBundle } from './endorsement-cache.ts';
import { createEndorsementSource, type EndorsementOptions } from './endorsement-source.ts';

let platform: SimulatedPlatform;
let roots: RootSet;
let folder: string;
const servers: CertificateServer[] = [];
const clock = { now: () => performance.timeOrigin + performance.now() };

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  platform = shared.platform;
  roots = simulatedRoots(shared.folder);
}, 60_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-endorsements-'));
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(folder, { recursive: true });
});

async function quoteOf(more: Partial<LaunchOptions> = {}) {
  const hostData = new Uint8Array(32);
  const guest = platform.launch({ image: [new Uint8Array(1)], hostData, ...more });
  return guest.quote(new Uint8Array(64));
}

async function serverOf(
  certificateChain: string,
  more: Partial<Parameters<typeof startCertificateServer>[0]> = {},
) {
  const server = await startCertificateServer({ certificateChain, ...more });
  servers.push(server);
  return server;
}

function sourceOf(more: Partial<EndorsementOptions> = {}) {
  const waits: number[] = [];
  const network = { wait: async (ms: number) => waits.push(ms), spread: () => 7 };
  const kdsOrigin = 'http://127.0.0.1:9';
  const source = createEndorsementSource({ roots, clock, network, kdsOrigin, ...more });
  return { ...source, waits };
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'given',
    (error: unknown) =>
      error instanceof StrongroomError ? `${error.code} ${error.facts['check']}` : error,
  );

describe('certificates of a chip', () => {
  test.each(['Milan', 'Genoa', 'Turin'] as const)('of a %s, from AMD', async (product) => {
    const { report, certificateChain } = await quoteOf({ product });
    const server = await serverOf(certificateChain);
    const found = await sourceOf({ kdsOrigin: server.origin }).chainFor(report);
    expect(parsePemCertificates(found)).toEqual(parsePemCertificates(certificateChain));
    expect(server.requests[0]).toMatch(
      product === 'Turin' ? /^\/vcek\/v1\/Turin\/[0-9a-f]{16}\?fmcSPL=1&/ : /\/[0-9a-f]{128}\?bl/,
    );
    expect(server.requests[1]).toBe(`/vcek/v1/${product}/cert_chain`);
  });

  test('a version 2 report names no product: each that its chip id allows is tried', async () => {
    const { report, certificateChain } = await quoteOf({ product: 'Genoa', version: 2 });
    const server = await serverOf(certificateChain);
    await sourceOf({ kdsOrigin: server.origin }).chainFor(report);
    expect(server.requests.at(-1)).toBe('/vcek/v1/Genoa/cert_chain');
  });

  test("from Azure's cache, with its header; AMD is not asked", async () => {
    const { report, certificateChain } = await quoteOf();
    const server = await serverOf(certificateChain, { tcbm: '561c00000000000a' });
    const { thimUrl } = server;
    await sourceOf({ thimUrl, kdsOrigin: server.origin }).chainFor(report);
    expect(server.requests).toHaveLength(1);
  });

  test('from the platform itself, when what it gave proves the report', async () => {
    const { report, certificateChain } = await quoteOf();
    const hints = parsePemCertificates(certificateChain);
    await expect(sourceOf().chainFor(report, hints)).resolves.toBe(certificateChain);
    const others = parsePemCertificates((await quoteOf({ product: 'Milan' })).certificateChain);
    const server = await serverOf(certificateChain);
    await sourceOf({ kdsOrigin: server.origin }).chainFor(report, others);
    expect(server.requests.length).toBeGreaterThan(0);
  });

  test("a provider's key comes with the evidence: only its authorities are fetched", async () => {
    const { report, certificateChain } = await quoteOf({ signer: 'vlek' });
    const server = await serverOf(certificateChain);
    const source = sourceOf({ kdsOrigin: server.origin });
    const hints = parsePemCertificates(certificateChain).slice(0, 1);
    await source.chainFor(report, hints);
    expect(server.requests).toEqual(['/vlek/v1/Genoa/cert_chain']);
    expect(await refusal(source.chainFor(report))).toBe(
      'ERR_ENDORSEMENT_UNAVAILABLE vlek-not-supplied',
    );
  });
});

describe('trouble on the way', () => {
  test('waits as long as it is told, with a spread, and goes on', async () => {
    const { report, certificateChain } = await quoteOf();
    const mischief = ['busy', 'silent'] as const;
    const server = await serverOf(certificateChain, { mischief, retryAfter: '10' });
    const source = sourceOf({ kdsOrigin: server.origin });
    await source.chainFor(report);
    expect(source.waits).toEqual([10_007, 4_007]);
  });

  test('waits for a date, and never longer than half a minute', async () => {
    const { report, certificateChain } = await quoteOf();
    const soon = new Date(clock.now() + 3_600_000).toUTCString();
    const server = await serverOf(certificateChain, { mischief: ['busy'], retryAfter: soon });
    const source = sourceOf({ kdsOrigin: server.origin });
    await source.chainFor(report);
    expect(source.waits).toEqual([30_007]);
  });

  test.each([
    ['busy', 'no-answer'],
    ['silent', 'no-answer'],
    ['endless', 'too-long'],
    ['redirect', 'kds-status-302'],
    ['not-found', 'kds-status-404'],
  ] as const)('gives up when the service stays %s', async (trouble, check) => {
    const { report, certificateChain } = await quoteOf();
    const mischief = new Array(20).fill(trouble);
    const server = await serverOf(certificateChain, { mischief });
    const answer = sourceOf({ kdsOrigin: server.origin }).chainFor(report);
    expect(await refusal(answer)).toBe(`ERR_ENDORSEMENT_UNAVAILABLE ${check}`);
    expect(server.requests.length).toBeLessThanOrEqual(4);
  });

  test('garbage is not taken, not kept, and not the end', async () => {
    const { report, certificateChain } = await quoteOf();
    const server = await serverOf(certificateChain, { mischief: ['garbage'] });
    const stores = [createEndorsementCache(folder)];
    const { thimUrl, origin } = server;
    await sourceOf({ thimUrl, kdsOrigin: origin, stores }).chainFor(report);
    expect(server.requests).toHaveLength(3);
    const refused = await serverOf(certificateChain, { mischief: ['garbage'] });
    const again = sourceOf({ kdsOrigin: refused.origin }).chainFor(report);
    expect(await refusal(again)).toMatch(/^ERR_ENDORSEMENT_UNAVAILABLE/);
  });

  test("another chip's certificates are neither handed out nor kept", async () => {
    const { report } = await quoteOf();
    const other = await quoteOf({ tcb: { reported: { snp: 27 } } });
    const server = await serverOf(other.certificateChain);
    const stores = [createEndorsementCache(folder)];
    const answer = sourceOf({ kdsOrigin: server.origin, stores }).chainFor(report);
    expect(await refusal(answer)).toMatch(/^ERR_ENDORSEMENT_UNAVAILABLE/);
    expect(await readdir(folder)).toEqual([]);
  });

  test('a forged report is not answered with "no certificates"', async () => {
    const { report, certificateChain } = await quoteOf();
    const forged = report.slice();
    forged[0x90] = (forged[0x90] ?? 0) ^ 1;
    const answer = sourceOf().chainFor(forged, parsePemCertificates(certificateChain));
    expect(codeOf(await answer.catch((error: unknown) => error))).toBe('ERR_REPORT_SIGNATURE');
  });
});

describe('what is kept', () => {
  test('a second start asks nobody; a damaged file is fetched anew', async () => {
    const { report, certificateChain } = await quoteOf();
    const server = await serverOf(certificateChain);
    const stores = [createEndorsementCache(folder)];
    const source = sourceOf({ kdsOrigin: server.origin, stores });
    await source.chainFor(report);
    await source.chainFor(report);
    expect(server.requests).toHaveLength(2);
    const [name = ''] = await readdir(folder);
    const path = join(folder, name);
    const text = await readFile(path, 'utf8');
    for (const damaged of [text.slice(0, 900), text.replace('MII', 'MIJ'), '', '[]']) {
      await writeFile(path, damaged);
      const before = server.requests.length;
      await source.chainFor(report);
      expect(server.requests).toHaveLength(before + 2);
      expect(await readFile(path, 'utf8')).toBe(text);
    }
  });

  test('nothing is kept for other versions of the same chip', async () => {
    const { report, certificateChain } = await quoteOf();
    const older = await quoteOf({ tcb: { reported: { snp: 27 } } });
    const server = await serverOf(certificateChain);
    const stores = [createEndorsementCache(folder)];
    await sourceOf({ kdsOrigin: server.origin, stores }).chainFor(report);
    const offline = sourceOf({ stores, offline: true });
    expect(await refusal(offline.chainFor(older.report))).toMatch(/^ERR_ENDORSEMENT_UNAVAILABLE/);
  });

  test('a folder that cannot be written costs nothing but the next request', async () => {
    const { report, certificateChain } = await quoteOf();
    const server = await serverOf(certificateChain);
    const blocked = join(folder, 'file');
    await writeFile(blocked, '');
    const stores = [createEndorsementCache(blocked)];
    const source = sourceOf({ kdsOrigin: server.origin, stores });
    await expect(source.chainFor(report)).resolves.toContain('BEGIN CERTIFICATE');
  });

  test("a bundle, or another worker's folder, serves where there is no network", async () => {
    const { report, certificateChain } = await quoteOf();
    const server = await serverOf(certificateChain);
    await sourceOf({
      kdsOrigin: server.origin,
      stores: [createEndorsementCache(folder)],
    }).chainFor(report);
    const [name = ''] = await readdir(folder);
    const file = join(folder, 'bundle.txt');
    await writeFile(file, `{"v":1,"chains":[${await readFile(join(folder, name), 'utf8')}]}`);
    for (const path of [folder, file]) {
      const stores = [await readEndorsementBundle(path)];
      const offline = sourceOf({ stores, offline: true, kdsOrigin: server.origin });
      const found = await offline.chainFor(report);
      expect(parsePemCertificates(found)).toHaveLength(3);
      const other = await quoteOf({ product: 'Milan' });
      expect(await refusal(offline.chainFor(other.report))).toBe(
        'ERR_ENDORSEMENT_UNAVAILABLE nobody-asked',
      );
    }
    expect(server.requests).toHaveLength(2);
  });

  test('a bundle that is none ends the start', async () => {
    const file = join(folder, 'bundle.json');
    await writeFile(file, '{"v":1,"chains":[{}]}');
    await expect(readEndorsementBundle(file).catch(codeOf)).resolves.toBe('ERR_CONFIG_INVALID');
    await expect(readEndorsementBundle(`${file}x`).catch(codeOf)).resolves.toBe(
      'ERR_FILE_UNREADABLE',
    );
  });
});
