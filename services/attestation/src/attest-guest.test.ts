import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GuestRequest, writeGuestRequest } from '@strongroom/attestation/azure/guest-request';
import { reportDataOf } from '@strongroom/attestation/binding';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { createAzureCvm } from '@strongroom/attestation/platforms/azure-cvm';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { createVirtualTpm } from '@strongroom/testkit/virtual-tpm';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttestContext } from './attest.ts';
import { attestGuest } from './attest-guest.ts';
import { openPolicyStore, type PolicyStore } from './policy-store.ts';
import { openTokenSigner, type TokenSigner } from './signing-key.ts';

const CLAIMS = new TextEncoder().encode('{"contract":"c","keys":[]}');
let folder: string;
let signer: TokenSigner;
let policies: PolicyStore;
let simulated: RootSet;
let request: GuestRequest;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-guest-'));
  signer = await openTokenSigner(folder, systemClock);
  policies = await openPolicyStore(folder);
  const shared = await sharedTestPlatform();
  simulated = simulatedRoots(shared.folder);
  const options = { image: [new Uint8Array(10)], hostData: new Uint8Array(32) };
  const guest = shared.platform.launch(options);
  const { run } = createVirtualTpm({ guest });
  const { certificateChain } = await guest.quote(new Uint8Array(64));
  const endorsements = { chainFor: async () => certificateChain };
  const cvm = createAzureCvm({ endorsements, run, wait: async () => undefined, temporary: folder });
  const { azureVm } = await cvm.quote(reportDataOf(CLAIMS), CLAIMS);
  if (!azureVm) throw new TypeError('the platform is expected to give its evidence');
  const bound = { runtimeData: CLAIMS, dataType: 'JSON' as const };
  request = { evidence: azureVm, certificateChain, bound, nonce: 'n' };
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const contextOf = (more: Partial<AttestContext> = {}): AttestContext => ({
  roots: simulated,
  signer,
  policies,
  clock: systemClock,
  issuer: () => 'https://attest.example',
  ...more,
});
const refusal = (change: Partial<GuestRequest>, more: Partial<AttestContext> = {}) =>
  attestGuest(writeGuestRequest({ ...request, ...change }), contextOf(more)).catch(codeOf);

describe('an Azure confidential VM', () => {
  test("binds the runtime data through its TPM's quote, and is called simulated", async () => {
    const userData = Buffer.from(reportDataOf(CLAIMS)).toString('hex').toUpperCase();
    const claims = decodeJwt(await attestGuest(writeGuestRequest(request), contextOf()));
    expect(claims).toMatchObject({
      nonce: 'n',
      secureboot: true,
      'x-ms-attestation-type': 'azurevm-simulated',
      'x-strongroom-platform': 'simulated',
      'x-ms-runtime': { contract: 'c', keys: [] },
      'x-ms-isolation-tee': {
        'x-ms-attestation-type': 'sevsnpvm-simulated',
        'x-ms-sevsnpvm-is-debuggable': true,
        'x-ms-runtime': { 'user-data': userData },
      },
    });
    expect(claims).not.toHaveProperty('x-ms-sevsnpvm-launchmeasurement');
  });

  test('gets no token for data or a challenge that the quote does not bind', async () => {
    const runtimeData = new TextEncoder().encode('{"contract":"other"}');
    const nonceRefused = 'ERR_VTPM_EVIDENCE';
    expect(await refusal({ bound: { runtimeData, dataType: 'JSON' } })).toBe(nonceRefused);
    expect(await refusal({ bound: { challenge: new Uint8Array(32) } })).toBe(nonceRefused);
  });

  test('gets no token for data that is nested too deeply to be written into one', async () => {
    const runtimeData = new TextEncoder().encode(`${'['.repeat(4_000)}${']'.repeat(4_000)}`);
    expect(await refusal({ bound: { runtimeData, dataType: 'JSON' } })).toBe(
      'ERR_EVIDENCE_MALFORMED',
    );
  });

  test('gets no token from a service that believes hardware only', async () => {
    expect(await refusal({}, { roots: AMD_ROOTS })).toBe('ERR_ROOT_KIND');
  });

  test("gets no token against the operator's demands", async () => {
    const policy = {
      platform: 'simulated' as const,
      minimumTcb: { Genoa: { bootLoader: 0, tee: 0, snp: 0, microcode: 0 } },
      measurements: ['00'.repeat(48)],
      hostData: '00'.repeat(32),
    };
    // The measurement is the paravisor's: the PCRs of the guest have to be demanded too.
    expect(await refusal({}, { policy })).toBe('ERR_MEASUREMENT_MISMATCH');
  });
});
