import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { measureImage, simulatedRoots } from '@strongroom/attestation/insecure';
import { createSidecarClient } from '@strongroom/attestation/platforms/sidecar-client';
import { releasePolicyFor } from '@strongroom/attestation/release-policy';
import { EnclaveSchema } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { systemClock } from '@strongroom/runtime/clock';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAdmin } from '../../services/attestation/src/admin.ts';
import { createAttestationServer } from '../../services/attestation/src/http.ts';
import { openPolicyStore } from '../../services/attestation/src/policy-store.ts';
import { createSidecarServer } from '../../services/attestation/src/sidecar.ts';
import { releaseKey } from '../../services/attestation/src/sidecar-release.ts';
import { requestMaaToken } from '../../services/attestation/src/sidecar-token.ts';
import { openTokenSigner } from '../../services/attestation/src/signing-key.ts';
import { encoded } from '../../services/key-release/test/token.ts';
import { startVault, type Vault } from '../../services/key-release/test/vault.ts';

/** `/key/release` of our sidecar between an attestation service and a vault of ours, over HTTP. */

const IMAGE = [new TextEncoder().encode('a container that wants a key')];
const ISSUER = 'https://sidecar-attest.example';
const CONTRACT = ContractIdSchema.parse(createHash('sha256').update('contract').digest('hex'));
const SHARE = randomBytes(32);
const closers: (() => Promise<unknown>)[] = [];
let logged = '';
let vault: Vault;
let authority: string;
let privateMember: string;

const logger = createLogger('sidecar', {
  level: 'debug',
  destination: new Writable({
    write: (chunk, _encoding, done) => {
      logged += String(chunk);
      done();
    },
  }),
});

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  const roots = simulatedRoots(shared.folder);
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-sidecar-release-'));
  const signer = await openTokenSigner(folder, systemClock);
  const attestation = createAttestationServer({
    roots,
    signer,
    policies: await openPolicyStore(folder),
    admin: createAdmin([]),
    clock: systemClock,
    issuer: () => ISSUER,
    logger,
    metrics: createMetrics('attestation'),
  });
  authority = new URL((await listen(attestation, '127.0.0.1', 0)).url).host;
  const { kty, n, e } = signer.publicJwk;
  const authorities = [{ issuer: ISSUER, keys: [{ kty, n, e }] }];
  vault = await startVault({ platform: 'simulated', roots, authorities: () => authorities });
  closers.push(
    () => attestation.close(),
    () => vault.stop(),
    () => rm(folder, { recursive: true }),
  );
  const enclave = EnclaveSchema.parse({
    platform: 'simulated',
    minimumTcb: {},
    measurements: [{ name: 'container', sha384: measureImage(IMAGE) }],
    authorities,
  });
  const releasePolicy = encoded(releasePolicyFor({ enclave }, CONTRACT));
  const administrator = vault.client('administer');
  const kept = { exportable: true, releasePolicy };
  await administrator.importKey('share', { kty: 'oct', k: SHARE }, kept);
  await administrator.createRsaKey('pair', { keySize: 3072, ...kept });
}, 60_000);

afterAll(async () => {
  for (const close of closers) await close();
});

interface Launch {
  readonly hostData?: string;
  readonly image?: readonly Uint8Array[];
}

async function sidecar({ hostData = CONTRACT, image = IMAGE }: Launch = {}) {
  const { platform } = await sharedTestPlatform();
  const app = createSidecarServer({
    platform: platform.launch({ image, hostData: Buffer.from(hostData, 'hex') }),
    logger,
    metrics: createMetrics('sidecar'),
    ready: () => true,
    requestToken: requestMaaToken,
    releaseKey: (demand, attest) =>
      releaseKey(demand, attest, { contract: hostData, ca: vault.ca }),
    warning: 'SIMULATED',
  });
  closers.unshift(() => app.close());
  return createSidecarClient((await listen(app, '127.0.0.1', 0)).url);
}

const demandFor = (keyId: string, more: object = {}) => ({
  authority,
  vault: new URL(vault.url).host,
  keyId,
  accessToken: vault.tokens.release,
  ...more,
});

async function outcome(launch: Launch, keyId: string, more: object = {}): Promise<unknown> {
  const client = await sidecar(launch);
  return client.release(demandFor(keyId, more)).catch(codeOf);
}

describe('the sidecar', () => {
  test('hands out a symmetric key that the vault released to it', async () => {
    expect(await outcome({}, 'share')).toEqual({ kty: 'oct', k: SHARE.toString('base64url') });
  });

  test('hands out a private RSA key', async () => {
    const jwk = await outcome({}, 'pair');
    expect(jwk).toMatchObject({ kty: 'RSA', e: 'AQAB', d: expect.any(String) });
    privateMember = String(Reflect.get(Object(jwk), 'd'));
  });

  test.each([
    ['other code', { image: [new TextEncoder().encode('other')] }, {}],
    ['another contract', { hostData: 'ab'.repeat(32) }, {}],
    ['a token of access that is wrong', {}, { accessToken: 'x'.repeat(43) }],
    ['no token of access', {}, { accessToken: undefined }],
    ['a key that is not there', {}, { keyId: 'nothing' }],
    ['an authority that is not there', {}, { authority: '127.0.0.1:9' }],
    ['a vault that is not there', {}, { vault: '127.0.0.1:9' }],
  ])('gets none for %s', async (_name, launch, more) => {
    expect(await outcome(launch, 'share', more)).toBe('ERR_KEY_NOT_RELEASED');
  });

  test('logs no key, whatever happens', () => {
    expect(privateMember.length).toBeGreaterThan(300);
    for (const secret of [SHARE.toString('base64url'), SHARE.toString('hex'), privateMember]) {
      expect(logged + vault.log()).not.toContain(secret);
    }
    expect(logged).toContain('request-refused');
  });
});
