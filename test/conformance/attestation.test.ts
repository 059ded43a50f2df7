import { appraiseEvidence } from '@strongroom/attestation/appraise';
import { reportDataOf } from '@strongroom/attestation/binding';
import { reportClaims } from '@strongroom/attestation/claims';
import { parseReport, serializeReport } from '@strongroom/attestation/report';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { readEndorsement } from '@strongroom/attestation/snp/endorsement';
import { verifyToken } from '@strongroom/attestation/token';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { parseCertificate, sameBytes } from '@strongroom/attestation/x509/certificate';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { IssuerKeySchema } from '@strongroom/protocol/public-key';
import { describe, expect, test } from 'vitest';
import {
  authoritiesOf,
  bytesOf,
  firstCertificate,
  hasFixtures,
  indexedReports,
  leafOf,
  pemOf,
  reportOf,
  textOf,
} from './attestation-fixtures.ts';
import { compactOf, payloadOf } from './recorded-tokens.ts';

/** What real hardware and the real Azure service produced; see the README of the fixtures. */

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const MARCH_2026 = Date.parse('2026-03-01T00:00:00Z');
const JUNE_2025 = Date.parse('2025-06-01T00:00:00Z');

function evidenceOf(report: Uint8Array, leaf: Uint8Array, product: string): Evidence {
  const certificateChain = pemOf(leaf) + authoritiesOf(product);
  return { report: base64url(report), certificateChain, runtimeClaims: '' };
}

function verifyAt(evidence: Evidence, now: number) {
  return verifyEvidence(evidence, { roots: AMD_ROOTS, clock: { now: () => now } });
}

function answer(evidence: Evidence, now = MARCH_2026): string {
  try {
    verifyAt(evidence, now);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${error.code} ${error.facts['check'] ?? ''}`.trim();
  }
}

const genuine = indexedReports().filter(({ sig }) => sig === true);
const GOLDEN = 'tee-attestation-verification';

describe.runIf(hasFixtures)('genuine reports', () => {
  test('are as many as the index says', () => {
    expect(genuine.length).toBeGreaterThanOrEqual(23);
  });

  test.each(genuine)('$file verifies, and is written as it was read', (indexed) => {
    const { file } = indexed;
    const gen = indexed.gen ?? '';
    const vlek = indexed.vlek ?? false;
    const report = reportOf(file);
    expect(serializeReport(parseReport(report))).toEqual(report);
    for (const path of indexed.signer ?? []) {
      const evidence = evidenceOf(report, leafOf(path), gen);
      const { facts } = verifyAt(evidence, vlek ? JUNE_2025 : MARCH_2026);
      expect(facts).toMatchObject({ platform: 'amd', product: gen, revocation: 'not-checked' });
      expect(facts.signer).toBe(vlek ? 'vlek' : 'vcek');
    }
  });

  test('of a Turin are read with its own order of versions', () => {
    const report = reportOf(`${GOLDEN}/turin_attestation_report.bin`);
    const leaf = leafOf(`${GOLDEN}/turin_vcek.pem`);
    const { facts } = verifyAt(evidenceOf(report, leaf, 'Turin'), MARCH_2026);
    expect(facts.tcb.reported).toEqual({ fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 });
    expect(facts.report.mitigations?.current).toBe(0x3fn);
  });

  test('verify with a certificate that AMD issued anew', () => {
    const report = reportOf(`${GOLDEN}/milan_attestation_report.bin`);
    const leaf = leafOf(`${GOLDEN}/milan_vcek_reissue.pem`);
    expect(answer(evidenceOf(report, leaf, 'Milan'))).toBe('accepted');
  });

  test('bind runtime data by its SHA-256', () => {
    const report = parseReport(reportOf('confidential-sidecar-containers/snp_report.bin'));
    const data = textOf('confidential-sidecar-containers/runtime_data.base64').trim();
    const bound = reportDataOf(new Uint8Array(Buffer.from(data, 'base64')));
    expect(sameBytes(report.reportData, bound)).toBe(true);
  });
});

describe.runIf(hasFixtures)('appraisal of genuine reports', () => {
  const policy = (measurement: Uint8Array, hostData: Uint8Array) => ({
    platform: 'amd' as const,
    minimumTcb: { Milan: { bootLoader: 0, tee: 0, snp: 0, microcode: 0 } },
    measurements: [Buffer.from(measurement).toString('hex')],
    hostData: Buffer.from(hostData).toString('hex'),
  });

  const claimsOf = (file: string, leaf: string, more: object = {}, now = MARCH_2026) => {
    const verified = verifyAt(evidenceOf(reportOf(file), leafOf(leaf), 'Milan'), now);
    const { measurement, hostData } = verified.facts.report;
    const verdict = appraiseEvidence(verified, { ...policy(measurement, hostData), ...more });
    const found = verdict.accepted ? [] : verdict.mismatches.map(({ claim }) => claim);
    // None of these reports binds claims of ours.
    return found.filter((claim) => claim !== 'reportData');
  };

  test('refuses a guest that can be debugged', () => {
    expect(claimsOf('go-sev-guest/attestation.bin', 'go-sev-guest/vcek.testcer')).toEqual([
      'debug',
    ]);
  });

  test('refuses firmware that is not committed, unless a policy accepts it', () => {
    const [file, leaf] = ['trustee/az-snp-vtpm/hcl-report.bin@32', 'trustee/az-snp-vtpm/vcek.pem'];
    expect(claimsOf(file, leaf)).toEqual(['provisionalFirmware']);
    expect(claimsOf(file, leaf, { provisionalFirmware: 'accepted' })).toEqual([]);
  });

  test('refuses a key of a provider and a lower privilege, unless a policy names them', () => {
    const [file, leaf] = ['trustee/snp/test-vlek-report.bin', 'trustee/snp/test-vlek.der'];
    const all = ['signer', 'vmpl', 'provisionalFirmware'];
    expect(claimsOf(file, leaf, {}, JUNE_2025)).toEqual(all);
    const named = {
      guestPolicy: { vmpl: 1 },
      endorsementKinds: ['vlek'],
      provisionalFirmware: 'accepted',
    };
    expect(claimsOf(file, leaf, named, JUNE_2025)).toEqual([]);
  });
});

describe.runIf(hasFixtures)('known-bad evidence', () => {
  const golden = (product: string) => ({
    report: reportOf(`${GOLDEN}/${product}_attestation_report.bin`),
    leaf: leafOf(`${GOLDEN}/${product}_vcek.pem`),
  });

  test('an expired VLEK', () => {
    const report = reportOf('trustee/snp/test-vlek-report.bin');
    const evidence = evidenceOf(report, leafOf('trustee/snp/test-vlek.der'), 'Milan');
    expect(answer(evidence)).toBe('ERR_CERTIFICATE_CHAIN expired');
  });

  test.each(['legacy', 'new'])('a forged VCEK, its chip id in the %s spelling', (spelling) => {
    const leaf = bytesOf(`trustee/snp/test-vcek-invalid-${spelling}.der`);
    const { hardwareId } = readEndorsement(parseCertificate(leaf), 'vcek');
    expect(hardwareId).toEqual(Uint8Array.from({ length: 64 }, (_, index) => index));
    const evidence = evidenceOf(golden('milan').report, leaf, 'Milan');
    expect(answer(evidence)).toMatch(/^ERR_CERTIFICATE_CHAIN/);
  });

  test('a VCEK of another chip with the same versions', () => {
    const leaf = leafOf('automata/other_chip.vcek.der');
    const evidence = evidenceOf(reportOf('automata/output.report.bin'), leaf, 'Milan');
    expect(answer(evidence)).toBe('ERR_CERTIFICATE_CHAIN chip-id');
  });

  test('authorities of another product', () => {
    const { report, leaf } = golden('genoa');
    expect(answer(evidenceOf(report, leaf, 'Milan'))).toBe('ERR_CERTIFICATE_CHAIN missing');
  });

  test('a chain without its authority, or with the root in its place', () => {
    const { report, leaf } = golden('milan');
    const root = authoritiesOf('Milan').split(/(?<=END CERTIFICATE-----\n)/)[1] ?? '';
    const evidence = evidenceOf(report, leaf, 'Milan');
    const certificateChain = pemOf(leaf) + root;
    expect(answer({ ...evidence, certificateChain })).toBe('ERR_CERTIFICATE_CHAIN missing');
  });

  test.each([
    'lit-sev-snp-utils/guest_report_bad_sig.bin',
    'lit-sev-snp-utils/guest_report_corrupt.bin',
    'lit-sev-snp-utils/snp_report_msg_resp.bin',
  ])('%s, which has another length', (file) => {
    const evidence = evidenceOf(bytesOf(file), golden('milan').leaf, 'Milan');
    expect(answer(evidence)).toBe('ERR_REPORT_MALFORMED length');
  });

  test('a damaged signature', () => {
    const report = reportOf('confidential-sidecar-containers/corrupted_signature.report.bin');
    const leaf = leafOf('confidential-sidecar-containers/uvm_host_amd_certificate.json');
    expect(answer(evidenceOf(report, leaf, 'Milan'))).toMatch(/^ERR_(CERTIFICATE|REPORT)/);
  });

  test("the parser confusion of Node's X509Certificate: PEM text behind forged DER", () => {
    const { report, leaf } = golden('milan');
    const forged = Uint8Array.from([...leaf, ...Buffer.from(pemOf(leaf))]);
    const evidence = evidenceOf(report, forged, 'Milan');
    expect(answer(evidence)).toBe('ERR_CERTIFICATE_CHAIN certificate-form');
  });

  test('a report of version 2 that calls itself 3, and the reverse', () => {
    const at = (file: string, leaf: Uint8Array, version: number) => {
      const report = reportOf(file).slice();
      report[0] = version;
      return answer(evidenceOf(report, leaf, 'Milan'));
    };
    const older = leafOf('automata/output.vcek.der');
    expect(at('automata/output.report.bin', older, 2)).toBe('accepted');
    // Where the processor would stand there are zeros, which is no product.
    const product = 'ERR_CERTIFICATE_CHAIN product-of-report';
    expect(at('automata/output.report.bin', older, 3)).toBe(product);
    const reserved = 'ERR_REPORT_MALFORMED reserved';
    const { leaf } = golden('milan');
    expect(at(`${GOLDEN}/milan_attestation_report.bin`, leaf, 2)).toBe(reserved);
  });

  test('every report without a certificate that fits', () => {
    for (const { file } of indexedReports().filter(({ sig }) => sig === false)) {
      const evidence = evidenceOf(reportOf(file), golden('milan').leaf, 'Milan');
      expect(answer(evidence)).not.toBe('accepted');
    }
  });
});

describe.runIf(hasFixtures)('Azure', () => {
  test('43: says of a report exactly what we say of it', () => {
    const folder = 'azure-samples-maa';
    const report = reportOf(`${folder}/get-sevsnp-jwt.report.bin`);
    const leaf = leafOf(`${folder}/get-sevsnp-jwt.vcek.der`);
    const ours = reportClaims(verifyAt(evidenceOf(report, leaf, 'Milan'), MARCH_2026));
    const theirs = Object.entries(payloadOf(compactOf(`${folder}/sev-snp-jwt.jws.json`)));
    const claims = theirs.filter(([name]) => name.startsWith('x-ms-sevsnpvm-'));
    expect(claims).toHaveLength(17);
    expect(ours).toEqual(Object.fromEntries(claims));
  });

  test('signed a token that verifies with its key, in its time and not now', async () => {
    const jwt = compactOf('maa-tokens/sharedweu-azurevm-sevsnpvm-2023.jws.json');
    const { keys } = JSON.parse(textOf('maa-tokens/sharedweu-2023.jwks.json'));
    const [{ n, e }] = keys;
    const issuer = String(payloadOf(jwt)['iss']);
    const authorities = [{ issuer, keys: [IssuerKeySchema.parse({ kty: 'RSA', n, e })] }];
    const at = (now: number) => verifyToken(jwt, { authorities, clock: { now: () => now } });
    const claims = await at(Number(payloadOf(jwt)['iat']) * 1_000 + 60_000);
    expect(claims['x-ms-attestation-type']).toBe('azurevm');
    await expect(at(MARCH_2026)).rejects.toMatchObject({ facts: { check: 'expired' } });
  });

  test('has signing certificates that hold the certificates of others as text', () => {
    const { keys } = JSON.parse(textOf('maa-tokens/sharedeus-2023.jwks.json'));
    const der = new Uint8Array(Buffer.from(keys[0].x5c[0], 'base64'));
    expect(firstCertificate(der)).not.toEqual(der);
    const issuer = parseCertificate(der).issuer;
    expect(JSON.stringify(issuer)).not.toContain('Intel');
  });
});
