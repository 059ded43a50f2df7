import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import {
  type CertificateServer,
  type CertificateServerOptions,
  startCertificateServer,
} from '@strongroom/testkit/certificate-server';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LaunchOptions, type SimulatedPlatform, simulatedRoots } from '../insecure.ts';
import { AMD_ROOTS, type RootSet } from '../roots.ts';
import { verifyEvidence } from '../verify.ts';
import {
  createListCache,
  createRevocationSource,
  type RevocationSourceOptions,
  readListBundle,
} from './revocation-source.ts';

const now = systemClock.now();
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const GENOA = '/vcek/v1/Genoa/crl';
/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9';

let platform: SimulatedPlatform;
let roots: RootSet;
let evidence: Evidence;
let folder: string;
let server: CertificateServer | undefined;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  platform = shared.platform;
  roots = simulatedRoots(shared.folder);
  evidence = await evidenceFor();
}, 60_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-lists-'));
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

function evidenceFor(more: Partial<LaunchOptions> = {}): Promise<Evidence> {
  const launched = { image: [new Uint8Array(1)], hostData: new Uint8Array(32), ...more };
  return evidenceOf(platform.launch(launched), new TextEncoder().encode('{}'));
}

async function serve(
  revocationLists: Record<string, Uint8Array>,
  more: Partial<CertificateServerOptions> = {},
): Promise<string> {
  const { certificateChain } = evidence;
  server = await startCertificateServer({ certificateChain, revocationLists, ...more });
  return server.origin;
}

function sourceOf(more: Partial<RevocationSourceOptions> & { at?: () => number } = {}) {
  const { at = () => now, ...options } = more;
  const network = { wait: async () => undefined, spread: () => 0 };
  return createRevocationSource({ roots, clock: { now: at }, network, ...options });
}

const list = (options: Parameters<SimulatedPlatform['revocationList']>[1] = {}) =>
  platform.revocationList('Genoa', options);
const dated = (thisUpdate: number, nextUpdate: number, more: object = {}) =>
  list({ thisUpdate, nextUpdate, ...more });

/** What verification says with the lists that the source gives. */
async function verdict(source = sourceOf(), at = now): Promise<string> {
  const revocationLists = await source.listsFor(evidence);
  try {
    const options = { roots, clock: { now: () => at }, revocationLists };
    return verifyEvidence(evidence, options).facts.revocation;
  } catch (error) {
    return String(Reflect.get(Object(error), 'facts')?.check);
  }
}

describe('revocation lists from AMD', () => {
  test('are asked for by product and kind, once a day, and kept', async () => {
    const kdsOrigin = await serve({ [GENOA]: list() });
    let at = now;
    const stores = [createListCache(folder)];
    const source = sourceOf({ kdsOrigin, stores, at: () => at });
    expect(await Promise.all([verdict(source), verdict(source)])).toEqual(['checked', 'checked']);
    at += DAY_MS - MINUTE_MS;
    expect(await verdict(source)).toBe('checked');
    expect(server?.requests).toEqual([GENOA]);
    at += MINUTE_MS;
    await source.listsFor(evidence);
    expect(server?.requests).toEqual([GENOA, GENOA]);
    expect(await readdir(folder)).toEqual(['vcek-Genoa.crl']);
  });

  test.each([
    ['Turin', 'vcek', '/vcek/v1/Turin/crl'],
    ['Milan', 'vlek', '/vlek/v1/Milan/crl'],
  ] as const)('of a %s with its %s', async (product, signer, path) => {
    const kdsOrigin = await serve({ [path]: platform.revocationList(product) });
    const found = await sourceOf({ kdsOrigin }).listsFor(await evidenceFor({ product, signer }));
    expect(found).toEqual([platform.revocationList(product)].map(() => expect.any(Uint8Array)));
    expect(server?.requests).toEqual([path]);
  });

  test('revoke', async () => {
    const kdsOrigin = await serve({ [GENOA]: list({ revoked: ['ask'] }) });
    expect(await verdict(sourceOf({ kdsOrigin }))).toBe('revoked');
  });

  test.each([
    ['of another root', () => platform.revocationList('Milan')],
    ['that the ASK signed', () => list({ signedByAsk: true })],
    ['that has ended', () => dated(now - DAY_MS, now - MINUTE_MS)],
    ['that has not begun', () => dated(now + MINUTE_MS, now + DAY_MS)],
    ['that is none', () => new Uint8Array(100).fill(48)],
    ['without end', () => new Uint8Array(70_000)],
    ['that is empty', () => new Uint8Array()],
  ])('%s are no answer, and are not kept', async (_name, made) => {
    const kdsOrigin = await serve({ [GENOA]: made() });
    const source = sourceOf({ kdsOrigin, stores: [createListCache(folder)] });
    expect(await source.listsFor(evidence)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });

  test('that do not come are asked for twice, and again in ten minutes', async () => {
    const mischief = ['busy', 'silent'] as const;
    const kdsOrigin = await serve({ [GENOA]: list() }, { mischief });
    let at = now;
    const source = sourceOf({ kdsOrigin, at: () => at });
    expect(await verdict(source)).toBe('not-checked');
    expect(await verdict(source)).toBe('not-checked');
    expect(server?.requests).toHaveLength(2);
    at += 10 * MINUTE_MS;
    expect(await verdict(source)).toBe('checked');
  });

  test('go on for as long as they are good when nobody answers any more', async () => {
    let at = now;
    const nextUpdate = now + 2 * DAY_MS;
    await createListCache(folder).keep('vcek-Genoa', dated(now - MINUTE_MS / 2, nextUpdate));
    const stores = [createListCache(folder)];
    const source = sourceOf({ kdsOrigin: NOBODY, stores, at: () => at });
    expect(await verdict(source)).toBe('checked');
    at = nextUpdate - MINUTE_MS;
    expect(await verdict(source, at)).toBe('checked');
    at = nextUpdate + MINUTE_MS;
    expect(await verdict(source, at)).toBe('not-checked');
  });

  test('do not go back to the one before a revocation', async () => {
    const older = dated(now - MINUTE_MS / 2, now + DAY_MS);
    const newer = dated(now - MINUTE_MS / 4, now + DAY_MS, { revoked: ['ask'] });
    await createListCache(folder).keep('vcek-Genoa', newer);
    const kdsOrigin = await serve({ [GENOA]: older });
    const source = sourceOf({ kdsOrigin, stores: [createListCache(folder)] });
    expect(await verdict(source)).toBe('revoked');
    expect(await verdict(sourceOf({ stores: [createListCache(folder)], offline: true }))).toBe(
      'revoked',
    );
  });

  test('are not asked for by evidence of a root that nobody pinned', async () => {
    const kdsOrigin = await serve({ [GENOA]: list() });
    expect(await sourceOf({ kdsOrigin, roots: AMD_ROOTS }).listsFor(evidence)).toEqual([]);
    const broken = { ...evidence, certificateChain: 'no chain' };
    expect(await sourceOf({ kdsOrigin }).listsFor(broken)).toEqual([]);
    expect(server?.requests).toEqual([]);
  });
});

describe('an offline bundle', () => {
  test('holds lists too, as a file and as a folder, and asks nobody', async () => {
    const path = join(folder, 'bundle.json');
    const revocationLists = [platform.revocationList('Turin'), list()].map((each) =>
      Buffer.from(each).toString('base64'),
    );
    await writeFile(path, JSON.stringify({ v: 1, chains: [], revocationLists }));
    const offline = { offline: true, kdsOrigin: NOBODY };
    expect(await verdict(sourceOf({ ...offline, stores: [await readListBundle(path)] }))).toBe(
      'checked',
    );
    await rm(path);
    await createListCache(folder).keep('vcek-Genoa', list());
    expect(await verdict(sourceOf({ ...offline, stores: [await readListBundle(folder)] }))).toBe(
      'checked',
    );
  });

  test('that is no bundle is refused', async () => {
    const path = join(folder, 'bundle.json');
    await writeFile(path, JSON.stringify({ v: 1, chains: [], revocationLists: ['?'] }));
    await expect(readListBundle(path)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});
