import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { runtimeClaimsOf, type TokenClaims, verifyToken } from '@strongroom/attestation/token';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import { type Evidence, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { IssuerKeySchema } from '@strongroom/protocol/public-key';
import { systemClock } from '@strongroom/runtime/clock';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { azureVmOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAdmin } from '../../services/attestation/src/admin.ts';
import { createAttestationServer } from '../../services/attestation/src/http.ts';
import { openPolicyStore } from '../../services/attestation/src/policy-store.ts';
import { openTokenSigner } from '../../services/attestation/src/signing-key.ts';
import { collectEvidence, requestToken } from '../../services/enclave-worker/src/quote.ts';

/** A worker in a simulated Azure confidential VM, and an authority of ours, over HTTP. */

const ISSUER = 'https://attest.example';
const RUNTIME = RuntimeClaimsSchema.parse({
  contract: 'c0'.repeat(32),
  keys: [
    { ...transportKey(), kid: 'transport', key_ops: ['encrypt'] },
    { kty: 'OKP', crv: 'Ed25519', x: random(), kid: 'aggregates', key_ops: ['verify'] },
  ],
  nonce: random(),
  purpose: 'strongroom/worker/v1',
});

function transportKey() {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  return { kty, n, e };
}

function random(): string {
  return randomBytes(32).toString('base64url');
}

let folder: string;
let app: ReturnType<typeof createAttestationServer>;
let url: string;
let evidence: Evidence;
let claims: TokenClaims;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-azure-vm-'));
  const signer = await openTokenSigner(folder, systemClock);
  const shared = await sharedTestPlatform();
  app = createAttestationServer({
    roots: simulatedRoots(shared.folder),
    signer,
    policies: await openPolicyStore(folder),
    admin: createAdmin([]),
    clock: systemClock,
    issuer: () => ISSUER,
    logger: createLogger('test', { level: 'silent' }),
    metrics: createMetrics('test'),
  });
  ({ url } = await listen(app, '127.0.0.1', 0));
  const guest = shared.platform.launch({
    image: [new Uint8Array(9)],
    hostData: new Uint8Array(32),
  });
  const runtimeClaims = Buffer.from(canonicalBytes(RUNTIME)).toString('base64url');
  evidence = await collectEvidence(azureVmOf(guest), runtimeClaims);
  const { kty, n, e } = signer.publicJwk;
  const keys = [IssuerKeySchema.parse({ kty, n, e })];
  const authorities = [{ issuer: ISSUER, keys }];
  const token = await requestToken(url, evidence, {});
  claims = await verifyToken(token, { authorities, clock: systemClock });
}, 60_000);

afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

describe('a worker in an Azure confidential VM', () => {
  test('gets a token that names its claims, bound through the TPM', () => {
    expect(claims['x-ms-attestation-type']).toBe('azurevm-simulated');
    expect(runtimeClaimsOf(claims)).toEqual(RUNTIME);
  });

  test('gets none for claims that its TPM did not quote', async () => {
    const other = { ...RUNTIME, nonce: random() };
    const runtimeClaims = Buffer.from(canonicalBytes(other)).toString('base64url');
    const refused = requestToken(url, { ...evidence, runtimeClaims }, {});
    expect(await refused.catch(codeOf)).toBe('ERR_VTPM_EVIDENCE');
  });

  test('gets none when its evidence leaves the TPM out', async () => {
    const { vtpm: _vtpm, ...bare } = evidence;
    expect(await requestToken(url, bare, {}).catch(codeOf)).toBe('ERR_REPORT_DATA_MISMATCH');
  });

  test.each([
    ['other user data', { 'user-data': 'AB'.repeat(64) }],
    ['none', { 'user-data': undefined }],
    ['user data in lower case', (known: string) => ({ 'user-data': known.toLowerCase() })],
  ])('is not believed by a token with %s', (_name, change) => {
    const tee = Object(claims['x-ms-isolation-tee']);
    const hcl = tee['x-ms-runtime'];
    const changed = typeof change === 'function' ? change(hcl['user-data']) : change;
    const changedTee = { ...tee, 'x-ms-runtime': { ...hcl, ...changed } };
    expect(() => runtimeClaimsOf({ ...claims, 'x-ms-isolation-tee': changedTee })).toThrow(
      expect.objectContaining({ code: 'ERR_REPORT_DATA_MISMATCH' }),
    );
  });
});
