import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeGuestRequest } from '@strongroom/attestation/azure/guest-request';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { parseCertificate, publicKeyOf } from '@strongroom/attestation/x509/certificate';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createAdmin } from '../../services/attestation/src/admin.ts';
import { createAttestationServer } from '../../services/attestation/src/http.ts';
import { applyPolicy } from '../../services/attestation/src/policy/apply.ts';
import { parsePolicy } from '../../services/attestation/src/policy/parse.ts';
import { openPolicyStore } from '../../services/attestation/src/policy-store.ts';
import { keyIdOf, openTokenSigner } from '../../services/attestation/src/signing-key.ts';
import {
  authoritiesOf,
  hasFixtures,
  indexedReports,
  leafOf,
  pemOf,
  textOf,
} from './attestation-fixtures.ts';
import { PUBLISHED } from './attestation-policies.ts';
import { azureVms, type RecordedVm, tampered } from './azure-fixtures.ts';

/** Requests and tokens of the real Microsoft Azure Attestation, against our service. */

const MARCH_2026 = { now: () => Date.parse('2026-03-01T00:00:00Z'), monotonic: () => 0 };

let folder: string;
let app: ReturnType<typeof createAttestationServer>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-conformance-'));
  app = createAttestationServer({
    roots: AMD_ROOTS,
    signer: await openTokenSigner(folder, MARCH_2026),
    policies: await openPolicyStore(folder),
    admin: createAdmin([]),
    clock: MARCH_2026,
    issuer: () => 'https://attest.example',
    logger: createLogger('test', { level: 'silent' }),
    metrics: createMetrics('test'),
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function post(type: string, payload: object | string) {
  const headers = { 'content-type': 'application/json' };
  const url = `/attest/${type}?api-version=2022-08-01`;
  const answer = await app.inject({ method: 'POST', url, headers, payload });
  const { token, error } = answer.json();
  return error === undefined ? decodeJwt(token) : `${error.code} ${error.innererror?.code}`;
}

const ClaimsSchema = z.looseObject({ 'x-ms-isolation-tee': z.record(z.string(), z.unknown()) });
const realClaims = (path: string) =>
  JSON.parse(
    Buffer.from(
      z.looseObject({ payload: z.string() }).parse(JSON.parse(textOf(path))).payload,
      'base64url',
    ).toString(),
  );

/** The chain that a recording lacks is that of the report inside of it. */
function chainOf(vm: RecordedVm): string {
  if (vm.certificateChain !== undefined) return vm.certificateChain;
  const indexed = indexedReports().find(({ file }) => file.startsWith(vm.name));
  const leaf = leafOf(indexed?.signer?.[0] ?? '');
  return pemOf(leaf) + authoritiesOf(indexed?.gen ?? '');
}

function requestOf(vm: RecordedVm, change: Partial<RecordedVm> = {}) {
  const evidence = { ...vm, ...change };
  return writeGuestRequest({
    evidence,
    certificateChain: chainOf(vm),
    bound: { challenge: evidence.nonce },
  });
}

const vms = azureVms();

describe.runIf(hasFixtures)('POST /attest/AzureGuest', () => {
  test.each(vms)('$name gets a token in the form of a real one', async (vm) => {
    const claims = await post('AzureGuest', requestOf(vm));
    const real = realClaims('maa-tokens/sharedweu-azurevm-sevsnpvm-2023.jws.json');
    expect(claims).toMatchObject({
      'x-ms-attestation-type': 'azurevm',
      'x-ms-ver': '1.0',
      secureboot: expect.any(Boolean),
      'x-ms-azurevm-vmid': expect.stringMatching(/^[0-9A-F-]{36}$/i),
      'x-ms-runtime': {
        'client-payload': { nonce: Buffer.from(vm.nonce).toString('base64') },
      },
      'x-strongroom-platform': 'amd',
    });
    // Microsoft's word for its own utility VM is not ours to give.
    const { 'x-ms-compliance-status': _, ...expected } =
      ClaimsSchema.parse(real)['x-ms-isolation-tee'];
    const isolation = ClaimsSchema.parse(claims)['x-ms-isolation-tee'];
    expect(Object.keys(isolation).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected)) {
      expect([name, typeof isolation[name]]).toEqual([name, typeof value]);
    }
    expect(isolation).toMatchObject({
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-runtime': { keys: [{ kid: 'HCLAkPub' }, { kid: 'HCLEkPub' }] },
      'x-ms-sevsnpvm-is-debuggable': false,
      'x-ms-sevsnpvm-vmpl': 0,
    });
  });

  test.each(vms)('$name with one byte changed gets none', async (vm) => {
    const { message, signature } = vm.quote;
    const report = tampered(vm.hclReport, 0x20 + 0x90);
    const pcrs = vm.pcrs.map((pcr, index) => (index === 7 ? tampered(pcr, 0) : pcr));
    const quote = { message, signature: tampered(signature, -1) };
    expect(await post('AzureGuest', requestOf(vm, { hclReport: report }))).toBe(
      'ERR_REPORT_SIGNATURE signature',
    );
    expect(await post('AzureGuest', requestOf(vm, { pcrs }))).toBe('ERR_VTPM_EVIDENCE pcrs');
    expect(await post('AzureGuest', requestOf(vm, { quote }))).toBe('ERR_VTPM_EVIDENCE signature');
    const nonce = new Uint8Array(32);
    expect(await post('AzureGuest', requestOf(vm, { nonce }))).toBe('ERR_VTPM_EVIDENCE nonce');
  });

  test('runtime data that the guest did not write gets no token', async () => {
    const [vm] = vms;
    const runtimeData = new TextEncoder().encode('{"keys":[]}');
    const bound = { runtimeData, dataType: 'JSON' as const };
    const request = vm && { evidence: vm, certificateChain: chainOf(vm), bound };
    expect(request && (await post('AzureGuest', writeGuestRequest(request)))).toBe(
      'ERR_VTPM_EVIDENCE user-data',
    );
  });
});

describe.runIf(hasFixtures)('POST /attest/SevSnpVm', () => {
  test("a real client's request, byte for byte, gets its token", async () => {
    const text = textOf('azure-cleanroom/caci-encryption.maa-request.json');
    const claims = await post('SevSnpVM', text);
    expect(claims).toMatchObject({
      nonce: '13202930541250959283',
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-runtime': { keys: [{ kid: '96478d5f', key_ops: ['encrypt'] }] },
      'x-ms-sevsnpvm-hostdata': '73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20',
    });
  });
});

const KeySetSchema = z.looseObject({
  keys: z.array(z.looseObject({ kid: z.string(), x5c: z.array(z.string()) })),
});

describe.runIf(hasFixtures)("Azure Attestation's own answers", () => {
  test('its self-signed keys have the names that our rule gives', () => {
    const sets = ['maa-tokens/sharedeus-2023.jwks', 'azure-samples-maa/get.certs.response.body'];
    const keys = sets.flatMap(
      (name) => KeySetSchema.parse(JSON.parse(textOf(`${name}.json`))).keys,
    );
    const selfSigned = keys.filter(({ x5c }) => x5c.length === 1);
    expect(selfSigned.length).toBeGreaterThanOrEqual(3);
    for (const { kid, x5c } of selfSigned) {
      const der = new Uint8Array(Buffer.from(x5c[0] ?? '', 'base64'));
      expect(keyIdOf(publicKeyOf(parseCertificate(der)))).toBe(kid);
    }
  });

  test('its default policy for SGX makes of a real token its policy claims', () => {
    const real = realClaims('maa-tokens/sharedeus-sgx-2023.jws.json');
    const own = Object.fromEntries(
      Object.entries(real).filter(([name]) => /^x-ms-(sgx|attestation-type)/.test(name)),
    );
    const text = PUBLISHED.find(({ name }) => name === 'SGX, default')?.text ?? '';
    const { claims } = applyPolicy(parsePolicy(text), own);
    const { 'x-ms-policy': issued, ...named } = claims;
    expect(issued).toEqual(real['x-ms-policy']);
    expect(real).toMatchObject(named);
  });
});
