import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SimulatedPlatform, simulatedRoots } from '@strongroom/attestation/insecure';
import { codeOf } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import {
  type CertificateServer,
  startCertificateServer,
} from '@strongroom/testkit/certificate-server';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { verifyEvidence } from '../verify.ts';
import { openRevocation, type RevocationSettings, readRevocationSettings } from './revocation.ts';

let folder: string;
let platform: SimulatedPlatform;
let evidence: Evidence;
let roots: ReturnType<typeof simulatedRoots>;
let server: CertificateServer | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-crl-'));
  const shared = await sharedTestPlatform();
  ({ platform } = shared);
  roots = simulatedRoots(shared.folder);
  const guest = platform.launch({ image: [new Uint8Array(1)], hostData: new Uint8Array(32) });
  evidence = await evidenceOf(guest, new TextEncoder().encode('{}'));
}, 60_000);
afterEach(async () => {
  await server?.close();
  server = undefined;
});
afterAll(() => rm(folder, { recursive: true }));

/** What verification answers with these settings and what AMD's stand-in serves. */
async function answer(settings: RevocationSettings, list?: Uint8Array): Promise<unknown> {
  const { certificateChain } = evidence;
  const revocationLists = list ? { '/vcek/v1/Genoa/crl': list } : {};
  server ??= await startCertificateServer({ certificateChain, revocationLists });
  const kds = settings.crl === undefined ? {} : { kds: server.origin };
  const base = { roots, clock: systemClock };
  const { revocation } = await openRevocation({ ...settings, ...kds }, base);
  const lists = await revocation?.listsFor(evidence);
  try {
    return verifyEvidence(evidence, { ...base, ...lists }).facts.revocation;
  } catch (error) {
    return codeOf(error);
  }
}

describe('whoever verifies', () => {
  test('asks for no list unless it is told to', async () => {
    expect(await answer({}, platform.revocationList('Genoa'))).toBe('not-checked');
    expect(server?.requests).toEqual([]);
  });

  test('goes on without a list when it is optional, and refuses when it is required', async () => {
    expect(await answer({ crl: 'optional' })).toBe('not-checked');
    expect(await answer({ crl: 'required' })).toBe('ERR_CERTIFICATE_CHAIN');
  });

  test.each(['optional', 'required'] as const)('judges by a list that is %s', async (crl) => {
    expect(await answer({ crl }, platform.revocationList('Genoa'))).toBe('checked');
  });

  test('refuses what was revoked, also from its cache and without AMD', async () => {
    const cache = join(folder, 'cache');
    const list = platform.revocationList('Genoa', { revoked: ['ask'] });
    const revoked = 'ERR_CERTIFICATE_CHAIN';
    expect(await answer({ crl: 'optional', endorsementsCache: cache }, list)).toBe(revoked);
    await server?.close();
    server = undefined;
    expect(await answer({ crl: 'optional', endorsementsOffline: cache })).toBe(revoked);
    expect(server).toMatchObject({ requests: [] });
  });

  test.each([
    [{ crl: 'always' }, 'crl'],
    [{ crl: 'optional', kds: 'ftp://kds.example' }, 'kds'],
    [{ kds: 'https://kds.example' }, '--crl'],
    [{ endorsementsCache: 'cache' }, '--crl'],
    [{ endorsementsOffline: 'bundle' }, '--crl'],
  ])('is told which option is wrong: %j', (options, named) => {
    expect(() => readRevocationSettings(options)).toThrow(
      expect.objectContaining({
        code: 'ERR_USAGE',
        facts: { problem: expect.stringContaining(named) },
      }),
    );
  });
});
