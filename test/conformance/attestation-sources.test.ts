import { parseHclReport, parseHclRuntimeData } from '@strongroom/attestation/azure/hcl-report';
import { parseSecurityContext } from '@strongroom/attestation/azure/security-context';
import { parseTpmQuote } from '@strongroom/attestation/azure/tpm-quote';
import {
  CONFIDENTIAL_ACI_FEED,
  MICROSOFT_UVM_ISSUER,
  verifyUvmEndorsement,
} from '@strongroom/attestation/azure/uvm-endorsement';
import { checkAzureVmEvidence, trimToDer } from '@strongroom/attestation/azure/vm-evidence';
import { reportDataOf } from '@strongroom/attestation/binding';
import { parseVcekUrl, vcekUrl } from '@strongroom/attestation/endorsements/kds-url';
import { parseThimCertificates } from '@strongroom/attestation/endorsements/thim';
import { parseReport } from '@strongroom/attestation/report';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { readEndorsement } from '@strongroom/attestation/snp/endorsement';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { parseCertificate, publicKeyOf } from '@strongroom/attestation/x509/certificate';
import { toPem } from '@strongroom/attestation/x509/pem';
import { StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { bytesOf, hasFixtures, indexedReports, leafOf, textOf } from './attestation-fixtures.ts';
import { azureVms, type RecordedVm, tampered } from './azure-fixtures.ts';

/**
 * What Azure's confidential VMs and containers really produced (the README of the fixtures), and
 * the addresses under which AMD keeps the certificates of every recorded report.
 */

function answer(judge: () => unknown): string {
  try {
    judge();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${error.code} ${error.facts['check'] ?? ''}`.trim();
  }
}

const MARCH_2026 = { now: () => Date.parse('2026-03-01T00:00:00Z') };
const AMD = { roots: AMD_ROOTS, clock: MARCH_2026 };
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const judged = (vm: RecordedVm, change: Partial<RecordedVm> = {}, more: object = {}) =>
  answer(() => checkAzureVmEvidence({ ...vm, ...change }, { nonce: vm.nonce, ...more }));

const vms = azureVms();

describe.runIf(hasFixtures)('Azure confidential VMs', () => {
  test('six recordings', () => {
    expect(vms).toHaveLength(6);
    expect(Buffer.from(vms[0]?.nonce ?? []).toString()).toBe('challenge');
    expect(vms[2]?.nonce).toHaveLength(48);
  });

  test.each(vms)('$name: report, runtime data, quote and PCRs hold together', (vm) => {
    const bound = checkAzureVmEvidence(vm, { nonce: vm.nonce });
    expect(bound.runtime.attestationKey.e).toBe('AQAB');
    expect(reportDataOf(bound.runtimeData)).toEqual(bound.fields.reportData);
    if (vm.certificateChain === undefined) return;
    const evidence = {
      report: base64url(bound.report),
      certificateChain: vm.certificateChain,
      runtimeClaims: base64url(bound.runtimeData),
    };
    expect(verifyEvidence(evidence, AMD).facts.platform).toBe('amd');
  });

  test.each(vms)('$name: every other nonce, signature, PCR and selection is refused', (vm) => {
    const { message, signature } = vm.quote;
    const inQuote = (change: Partial<RecordedVm['quote']>) =>
      judged(vm, { quote: { message, signature, ...change } });
    expect(judged(vm, {}, { nonce: new Uint8Array(32) })).toBe('ERR_VTPM_EVIDENCE nonce');
    const bad = 'ERR_VTPM_EVIDENCE signature';
    expect(inQuote({ signature: tampered(signature, 200) })).toBe(bad);
    expect(inQuote({ message: tampered(message, -1) })).toBe(bad);
    expect(inQuote({ message: message.slice(0, -1) })).toBe('ERR_EVIDENCE_MALFORMED tpm-length');
    const pcrs = vm.pcrs.map((pcr, index) => (index === 4 ? tampered(pcr, 0) : pcr));
    expect(judged(vm, { pcrs })).toBe('ERR_VTPM_EVIDENCE pcrs');
    expect(judged(vm, { pcrs: vm.pcrs.slice(1) })).toBe('ERR_EVIDENCE_MALFORMED tpm-pcrs');
    const selection = [0, 1, 2, 3, 4, 5, 6, 7];
    expect(judged(vm, {}, { selection })).toBe('ERR_VTPM_EVIDENCE selection');
    const userData = new Uint8Array(64).fill(1);
    expect(judged(vm, {}, { userData })).toBe('ERR_VTPM_EVIDENCE user-data');
  });

  test.each([
    ['attestation key', 0x540, 'ERR_REPORT_DATA_MISMATCH hcl-runtime-data'],
    ['runtime JSON', 0x6e0, 'ERR_REPORT_DATA_MISMATCH hcl-runtime-data'],
    ['signature', 0, 'ERR_EVIDENCE_MALFORMED hcl-signature'],
    ['version', 4, 'ERR_EVIDENCE_MALFORMED hcl-version'],
    ['size', 8, 'ERR_EVIDENCE_MALFORMED hcl-size'],
    ['request type', 12, 'ERR_EVIDENCE_MALFORMED hcl-request-type'],
    ['status', 16, 'ERR_EVIDENCE_MALFORMED hcl-status'],
    ['reserved byte', 20, 'ERR_EVIDENCE_MALFORMED hcl-reserved'],
    ['report type', 0x4c8, 'ERR_EVIDENCE_MALFORMED hcl-report-type'],
    ['hash type', 0x4cc, 'ERR_EVIDENCE_MALFORMED hcl-hash-type'],
    ['inner size', 0x4d0, 'ERR_EVIDENCE_MALFORMED hcl-size'],
    ['tail', -1, 'ERR_EVIDENCE_MALFORMED hcl-tail'],
  ])('hcl-report.bin with another %s is refused', (_name, at, expected) => {
    const blob = tampered(bytesOf('trustee/az-snp-vtpm/hcl-report.bin'), at, 0x40);
    expect(answer(() => parseHclReport(blob))).toBe(expected);
  });

  test('hcl-report.bin with another byte in its report parses, and does not verify', () => {
    const blob = tampered(bytesOf('trustee/az-snp-vtpm/hcl-report.bin'), 0x1a6, 1);
    const { report } = parseHclReport(blob);
    const certificateChain = textOf('trustee/az-snp-vtpm/vcek.pem');
    const evidence = { report: base64url(report), certificateChain, runtimeClaims: '' };
    // The byte lies in REPORTED_TCB: the certificate is of other versions.
    expect(answer(() => verifyEvidence(evidence, AMD))).toBe('ERR_CERTIFICATE_CHAIN tcb-of-leaf');
  });

  test("a quote of another VM's key is refused", () => {
    const message = bytesOf('trustee/az-snp-vtpm/tpm-quote.msg');
    const signature = bytesOf('trustee/az-snp-vtpm/tpm-quote.sig');
    const { nonce } = parseTpmQuote(message);
    expect(Buffer.from(nonce).toString()).toBe('challenge');
    const hclReport = bytesOf('trustee/az-snp-vtpm/hcl-report.bin');
    const evidence = { hclReport, quote: { message, signature }, pcrs: vms[4]?.pcrs ?? [] };
    expect(answer(() => checkAzureVmEvidence(evidence, { nonce }))).toBe(
      'ERR_VTPM_EVIDENCE signature',
    );
  });

  test('the report of a TDX guest is no SNP report', () => {
    const blob = bytesOf('azure-cvm-tooling/hcl-report-tdx.bin');
    expect(answer(() => parseHclReport(blob))).toBe('ERR_EVIDENCE_MALFORMED hcl-report-type');
  });

  test('the AIK certificate is cut at its DER length, and is of the key in the report', () => {
    const padded = vms[5]?.aikCertificate ?? new Uint8Array();
    expect(padded).toHaveLength(4_096);
    const certificate = parseCertificate(trimToDer(padded));
    expect(certificate.issuer.at(-1)).toEqual(['CN', 'Global Virtual TPM CA - 03']);
    const [other] = vms;
    expect(other && judged(other, { aikCertificate: padded })).toBe(
      'ERR_VTPM_EVIDENCE aik-certificate',
    );
    const check = 'ERR_CERTIFICATE_CHAIN certificate-padding';
    expect(answer(() => trimToDer(tampered(padded, -1)))).toBe(check);
  });

  test('what the guest wrote stands in the report, and can be demanded', () => {
    const [, , , , , vm] = vms;
    expect(vm && parseHclRuntimeData(parseHclReport(vm.hclReport)).userData).toEqual(vm?.userData);
    expect(vm && judged(vm, {}, { userData: vm.userData })).toBe('accepted');
  });
});

const CACI = 'confidential-sidecar-containers';

describe.runIf(hasFixtures)('Azure confidential containers', () => {
  const report = () => parseReport(bytesOf(`${CACI}/snp_report.bin`));
  const endorsement = () => bytesOf(`${CACI}/body.uvm_reference_info.bin`);
  const thim = () => textOf(`${CACI}/uvm_host_amd_certificate.json`);
  const policy = () => textOf(`${CACI}/uvm_security_policy.base64`).trim();
  const uvm = (bytes: Uint8Array, more: object = {}) =>
    verifyUvmEndorsement(bytes, {
      issuer: MICROSOFT_UVM_ISSUER,
      feed: CONFIDENTIAL_ACI_FEED,
      minimumSvn: 0,
      measurement: report().measurement,
      ...more,
    });

  test('the whole set holds together', () => {
    const context = parseSecurityContext({
      securityPolicy: policy(),
      hostAmdCertificate: Buffer.from(thim()).toString('base64'),
      referenceInfo: Buffer.from(endorsement()).toString('base64'),
    });
    expect(new Uint8Array(context.hostData)).toEqual(report().hostData);
    const runtime = Buffer.from(textOf(`${CACI}/runtime_data.base64`).trim(), 'base64');
    expect(reportDataOf(runtime)).toEqual(report().reportData);
    expect(uvm(context.uvmEndorsement ?? new Uint8Array())).toMatchObject({ svn: 22 });
    const { leaf, authorities, tcb } = parseThimCertificates(thim());
    expect(tcb).toEqual(report().reportedTcb);
    const evidence = {
      report: base64url(bytesOf(`${CACI}/snp_report.bin`)),
      certificateChain: [leaf, ...authorities].map(toPem).join(''),
      runtimeClaims: base64url(runtime),
    };
    expect(verifyEvidence(evidence, AMD).facts.product).toBe('Milan');
  });

  test('one other byte in each part is refused', () => {
    const otherPolicy = Buffer.from(tampered(Buffer.from(policy(), 'base64'), 10));
    const context = parseSecurityContext({ securityPolicy: otherPolicy.toString('base64') });
    expect(new Uint8Array(context.hostData)).not.toEqual(report().hostData);
    const bytes = endorsement();
    // Form, headers, chain, payload, signature; the header that is not signed is not read.
    for (const at of [1, 40, 2_000, 4_000, bytes.length - 450, bytes.length - 1]) {
      expect(answer(() => uvm(tampered(bytes, at)))).toMatch(/^ERR_UVM_ENDORSEMENT /);
    }
    const otherTcb = thim().replace('7308000000000003', '73080000000000g3');
    expect(answer(() => parseThimCertificates(otherTcb))).toBe(
      'ERR_ENDORSEMENT_UNAVAILABLE thim-tcb',
    );
  });

  test('the security context of a sidecar is read; it endorses another machine', () => {
    const folder = `${CACI}/security-context-test`;
    const context = parseSecurityContext({
      securityPolicy: textOf(`${folder}/security-policy-base64`),
      hostAmdCertificate: textOf(`${folder}/host-amd-cert-base64`),
      referenceInfo: textOf(`${folder}/reference-info-base64`),
    });
    expect(context.certificates?.authorities).toHaveLength(2);
    const bytes = context.uvmEndorsement ?? new Uint8Array();
    expect(answer(() => uvm(bytes))).toBe('ERR_UVM_ENDORSEMENT measurement');
    const payload = Buffer.from(bytes).toString('latin1');
    const digits = /launchmeasurement": "([0-9a-f]{96})/.exec(payload)?.[1] ?? '';
    expect(digits).toMatch(/^03fea028/);
    const measurement = new Uint8Array(Buffer.from(digits, 'hex'));
    expect(answer(() => uvm(bytes, { measurement, minimumSvn: 100 }))).toBe('accepted');
    expect(answer(() => uvm(bytes, { measurement, minimumSvn: 101 }))).toBe(
      'ERR_UVM_ENDORSEMENT svn',
    );
  });

  test.each(['caci-encryption', 'caci-signing'])(
    'the endorsement of %s is of its report',
    (name) => {
      const text = textOf(`azure-cleanroom/${name}.attestation.json`);
      const member = (of: string) =>
        Buffer.from(new RegExp(`"${of}": ?"([^"]+)"`).exec(text)?.[1] ?? '', 'base64');
      const { measurement } = parseReport(new Uint8Array(member('attestation')));
      expect(uvm(new Uint8Array(member('uvmEndorsements')), { measurement }).svn).toBe(103);
    },
  );

  test('the new form, where the payload is the measurement itself', () => {
    const bytes = bytesOf('cosesign1go/esrp_transparent_hash_envelop.cose');
    // A signature of 384 bytes behind its head of three ends the message.
    const measurement = bytes.slice(-387 - 48, -387);
    expect(uvm(bytes, { measurement }).svn).toBe(104);
    const refused = (more: object) => answer(() => uvm(bytes, { measurement, ...more }));
    expect(refused({ minimumSvn: 105 })).toBe('ERR_UVM_ENDORSEMENT svn');
    expect(refused({ feed: 'ContainerPlat-AMD-UVM-2' })).toBe('ERR_UVM_ENDORSEMENT feed');
    expect(answer(() => uvm(bytes))).toBe('ERR_UVM_ENDORSEMENT measurement');
  });

  test.each(['esrp.test.cose', 'aci-cc-ttl.ttl.cose'])('%s endorses no utility VM', (file) => {
    const refused = answer(() => uvm(bytesOf(`cosesign1go/${file}`)));
    expect(refused).toMatch(/^ERR_UVM_ENDORSEMENT (issuer|payload)$/);
  });
});

describe.runIf(hasFixtures)('certificates of recorded machines', () => {
  const endorsed = indexedReports().flatMap(({ gen, vlek, signer }) =>
    gen && !vlek ? (signer ?? []).map((path) => ({ path, gen })) : [],
  );

  test.each(endorsed)('the address of $path is written as it was read', ({ path }) => {
    const { product, tcb, hardwareId } = readEndorsement(parseCertificate(leafOf(path)), 'vcek');
    const chipId = new Uint8Array(64);
    chipId.set(hardwareId ?? []);
    const address = { product, chipId, tcb };
    expect(parseVcekUrl(vcekUrl(address))).toEqual(address);
  });

  test('a certificate with PEM texts inside its DER is read from its own bytes', () => {
    const text = textOf('maa-tokens/sharedeus-2023.jwks.json');
    const first = /"x5c":\s*\[\s*"([^"]+)"/.exec(text)?.[1] ?? '';
    const certificate = parseCertificate(new Uint8Array(Buffer.from(first, 'base64')));
    expect(certificate.subject.at(-1)?.[1]).toMatch(/attest\.azure\.net/);
    // Intel's certificate, which hides in an extension, has a key on a curve.
    expect(publicKeyOf(certificate).asymmetricKeyType).toBe('rsa');
  });
});
