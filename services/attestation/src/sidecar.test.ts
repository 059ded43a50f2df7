import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reportDataOf } from '@strongroom/attestation/binding';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { createSidecarPlatform } from '@strongroom/attestation/platforms/azure-cc-sidecar';
import { createEndorsementSource } from '@strongroom/attestation/platforms/endorsement-source';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import { createSidecarClient } from '@strongroom/attestation/platforms/sidecar-client';
import type { RootSet } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { decodeJwt } from 'jose';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createAdmin } from './admin.ts';
import { createAttestationServer } from './http.ts';
import { openPolicyStore } from './policy-store.ts';
import { createSidecarServer } from './sidecar.ts';
import { readSidecarSettings } from './sidecar-settings.ts';
import { requestMaaToken } from './sidecar-token.ts';
import { openTokenSigner } from './signing-key.ts';

const DATA = new TextEncoder().encode('{"keys":[]}');
const RELEASE = {
  maa_endpoint: 'a.example',
  akv_endpoint: 'v.example',
  kid: 'k',
  access_token: 't',
};
const logger = createLogger('sidecar', { level: 'error' });
const cleanups: (() => Promise<unknown>)[] = [];
let roots: RootSet;
let guest: Platform;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  roots = simulatedRoots(shared.folder);
  guest = shared.platform.launch({ image: [DATA], hostData: new Uint8Array(32) });
}, 60_000);

afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

async function sidecar(more: { ready?: () => boolean } = {}): Promise<string> {
  const app = createSidecarServer({
    platform: guest,
    logger,
    metrics: createMetrics('sidecar'),
    ready: () => true,
    requestToken: requestMaaToken,
    releaseKey: () => Promise.reject(new Error('nothing is released here')),
    warning: 'SIMULATED',
    ...more,
  });
  cleanups.push(() => app.close());
  return (await listen(app, '127.0.0.1', 0)).url;
}

async function attestationService(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-sidecar-'));
  const app = createAttestationServer({
    roots,
    signer: await openTokenSigner(folder, systemClock),
    policies: await openPolicyStore(folder),
    admin: createAdmin([]),
    clock: systemClock,
    logger,
    metrics: createMetrics('attestation'),
    issuer: () => 'http://127.0.0.1',
  });
  cleanups.push(
    () => app.close(),
    () => rm(folder, { recursive: true }),
  );
  return new URL((await listen(app, '127.0.0.1', 0)).url).host;
}

const postRaw = async (url: string, path: string, body: unknown) => {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const text: unknown = await answer.json();
  return { status: answer.status, body: text };
};

describe("the key release sidecar's routes on a simulated platform", () => {
  test('a worker gets evidence through them that verifies', async () => {
    const client = createSidecarClient(await sidecar());
    const endorsements = createEndorsementSource({ roots, clock: systemClock, offline: true });
    const platform = createSidecarPlatform({ client, endorsements, securityContext: null });
    const quote = await platform.quote(reportDataOf(DATA), DATA);
    expect(quote.report.subarray(0x50, 0x90)).toEqual(reportDataOf(DATA));
    expect(quote.certificateChain).toContain('BEGIN CERTIFICATE');
    await expect(client.raw(DATA)).resolves.toHaveLength(1_184);
  });

  test('not ready is status 200 with other words, and no report', async () => {
    let ready = false;
    const url = await sidecar({ ready: () => ready });
    const answer = await fetch(`${url}/status`);
    expect([answer.status, await answer.json()]).toEqual([200, { message: 'Status NOT OK' }]);
    const client = createSidecarClient(url);
    expect(await client.isReady()).toBe(false);
    expect(codeOf(await client.raw(DATA).catch((error: unknown) => error))).toBe(
      'ERR_PLATFORM_UNAVAILABLE',
    );
    ready = true;
    expect(await client.isReady()).toBe(true);
  });

  test('asks an attestation service by its host, and hands on its token', async () => {
    const client = createSidecarClient(await sidecar());
    const token = await client.maa(await attestationService(), DATA);
    expect(decodeJwt(token)).toMatchObject({ 'x-ms-attestation-type': 'sevsnpvm-simulated' });
    await expect(client.maa('127.0.0.1:9', DATA).catch(codeOf)).resolves.toBe(
      'ERR_PLATFORM_UNAVAILABLE',
    );
  });

  test.each([
    ['/attest/raw', {}, 400],
    ['/attest/raw', { runtime_data: 'no base64' }, 400],
    ['/attest/raw', { runtime_data: 'AA' }, 400],
    ['/attest/raw', { runtime_data: Buffer.alloc(20_000).toString('base64') }, 400],
    ['/attest/combined', [], 400],
    ['/attest/maa', { runtime_data: 'AAAA', maa_endpoint: 'https://x.example' }, 400],
    ['/key/release', {}, 400],
    ['/key/release', { ...RELEASE, akv_endpoint: 'https://v.example' }, 400],
    ['/key/release', { ...RELEASE, kid: '../admin' }, 400],
    ['/key/release', { ...RELEASE, access_token: undefined }, 400],
  ])('%s refuses %j with one body', async (path, body, status) => {
    const answer = await postRaw(await sidecar(), path, body);
    expect(answer).toEqual({ status, body: { error: expect.any(String) } });
  });
});

describe('its command line', () => {
  test('reads a folder and a port', () => {
    const args = ['start', '--platform-dir', 'p', '--port', '0', '--host-data', 'ab'.repeat(32)];
    expect(readSidecarSettings(args)).toMatchObject({ platformDir: 'p', port: 0 });
  });

  test.each([[['start']], [['start', '--platform-dir', 'p', '--host-data', 'ab']], [[]]])(
    'refuses %j',
    (args) => {
      expect(() => readSidecarSettings(args)).toThrow(/other arguments/);
    },
  );
});
