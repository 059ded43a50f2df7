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
import { openRevocation, verifyWithLists } from './revocation.ts';
import { readSettings } from './settings.ts';

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

/** What verification answers for this command line and what AMD's stand-in serves. */
async function answer(args: readonly string[], list?: Uint8Array): Promise<unknown> {
  const { certificateChain } = evidence;
  const revocationLists = list ? { '/vcek/v1/Genoa/crl': list } : {};
  server ??= await startCertificateServer({ certificateChain, revocationLists });
  const line = ['start', '--data', folder, ...args];
  if (args.length > 0) line.push('--kds', server.origin);
  const settings = readSettings(line, false);
  const context = {
    roots,
    clock: systemClock,
    ...(settings && (await openRevocation(settings, roots))),
  };
  return verifyWithLists(evidence, context).then(({ facts }) => facts.revocation, codeOf);
}

describe('the attestation service', () => {
  test('asks for no list unless it is told to', async () => {
    expect(await answer([], platform.revocationList('Genoa'))).toBe('not-checked');
    expect(server?.requests).toEqual([]);
  });

  test('goes on without a list when it is optional, and refuses when it is required', async () => {
    expect(await answer(['--crl', 'optional'])).toBe('not-checked');
    expect(await answer(['--crl', 'required'])).toBe('ERR_CERTIFICATE_CHAIN');
  });

  test.each(['optional', 'required'])('judges by a list that is %s', async (when) => {
    expect(await answer(['--crl', when], platform.revocationList('Genoa'))).toBe('checked');
  });

  test('refuses what was revoked, also from its cache and without AMD', async () => {
    const cache = join(folder, 'cache');
    const list = platform.revocationList('Genoa', { revoked: ['ask'] });
    const revoked = 'ERR_CERTIFICATE_CHAIN';
    expect(await answer(['--crl', 'optional', '--endorsements-cache', cache], list)).toBe(revoked);
    await server?.close();
    server = undefined;
    expect(await answer(['--crl', 'optional', '--endorsements-offline', cache])).toBe(revoked);
    expect(server).toMatchObject({ requests: [] });
  });
});
