import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import {
  type CertificateServer,
  startCertificateServer,
} from '@strongroom/testkit/certificate-server';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUsesScene } from '../test/uses-scene.ts';
import { addOwnerLogOptions, type OwnerLogOptions, trustOf } from './owner-log.ts';

let folder: string;
let list: Uint8Array;
let evidence: Evidence;
let roots: string;
let server: CertificateServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-owner-log-'));
  const { signed } = await createUsesScene();
  await writeFile(join(folder, 'contract.json'), JSON.stringify(signed));
  const shared = await sharedTestPlatform();
  roots = shared.folder;
  const { platform } = shared;
  list = platform.revocationList('Genoa');
  const guest = platform.launch({ image: [new Uint8Array(1)], hostData: new Uint8Array(32) });
  evidence = await evidenceOf(guest, new TextEncoder().encode('{}'));
  const { certificateChain } = evidence;
  const revocationLists = { '/vcek/v1/Genoa/crl': list };
  server = await startCertificateServer({ certificateChain, revocationLists });
}, 60_000);
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** As a person types it. */
function trustBy(...flags: string[]) {
  const files = ['--contract', join(folder, 'contract.json'), '--identity', 'north.identity.json'];
  const command = addOwnerLogOptions(new Command()).exitOverride();
  command.parse([...files, '--simulated-roots', roots, ...flags], { from: 'user' });
  return trustOf(command.opts<OwnerLogOptions>());
}

describe('an owner who reads what vaults have written', () => {
  test('looks at no revocation list unless told to', async () => {
    expect((await trustBy()).revocation).toBeUndefined();
  });

  test('holds their machines to the lists that it asks for', async () => {
    const { revocation } = await trustBy('--crl', 'required', '--kds', server.origin);
    expect(await revocation?.listsFor(evidence)).toMatchObject({
      revocationLists: [list],
      requireRevocationList: true,
    });
  });

  test('is told that a place of lists means nothing by itself', async () => {
    expect(await trustBy('--kds', server.origin).catch(codeOf)).toBe('ERR_USAGE');
  });
});
