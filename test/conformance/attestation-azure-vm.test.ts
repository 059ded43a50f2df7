import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AppraisalPolicy, appraiseEvidence } from '@strongroom/attestation/appraise';
import { ALL_PCRS } from '@strongroom/attestation/azure/tpm-quote';
import { reportDataOf } from '@strongroom/attestation/binding';
import { compileReleasePolicy } from '@strongroom/attestation/release-policy/compile';
import { evaluatePolicy } from '@strongroom/attestation/release-policy/evaluate';
import { releasePolicyFor } from '@strongroom/attestation/release-policy/from-contract';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { EnclaveSchema } from '@strongroom/protocol/contract';
import type { Evidence, VtpmEvidence } from '@strongroom/protocol/evidence';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { azureVmOf, evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { createVirtualTpm, type VirtualTpm } from '@strongroom/testkit/virtual-tpm';
import { beforeAll, describe, expect, test } from 'vitest';
import { bytesOf, hasFixtures, textOf } from './attestation-fixtures.ts';
import {
  CLAIMS,
  HOST_DATA,
  IMAGE,
  POLICY,
  type Product,
  type Simulated,
  simulated,
  verdictOf,
} from './attestation-simulated.ts';
import { azureVms, evidenceOfVm, tampered } from './azure-fixtures.ts';
import { compactOf, payloadOf } from './recorded-tokens.ts';

/** Evidence of Azure's confidential VMs and containers as it travels, and as a contract sees it. */

const AMD = { roots: AMD_ROOTS, clock: { now: () => Date.parse('2026-03-01T00:00:00Z') } };
const vms = azureVms().map((vm) => ({ name: vm.name, vm, evidence: evidenceOfVm(vm) }));

function withVtpm(evidence: Evidence, change: Partial<VtpmEvidence>): Evidence {
  return evidence.vtpm ? { ...evidence, vtpm: { ...evidence.vtpm, ...change } } : evidence;
}

const other = (text: string | undefined, at: number) =>
  Buffer.from(tampered(Buffer.from(text ?? '', 'base64url'), at)).toString('base64url');

describe.runIf(hasFixtures)('a recorded Azure confidential VM', () => {
  test.each(vms)('$name verifies with its virtual TPM', ({ vm, evidence }) => {
    const { facts } = verifyEvidence(evidence, AMD);
    expect(facts.vtpm?.nonce).toEqual(vm.nonce);
    expect(facts.vtpm?.pcrs).toHaveLength(24);
    expect(facts.platform).toBe('amd');
  });

  test.each(vms)('$name is refused when any part is another', ({ evidence }) => {
    const { vtpm } = evidence;
    const pcrs = (vtpm?.pcrs ?? []).map((pcr, index) => (index === 4 ? 'ab'.repeat(32) : pcr));
    const of = (change: Partial<VtpmEvidence>) => verdictOf(withVtpm(evidence, change), AMD);
    const unbound = 'ERR_REPORT_DATA_MISMATCH hcl-runtime-data';
    expect(of({ runtimeData: other(vtpm?.runtimeData, 60) })).toBe(unbound);
    expect(of({ quote: other(vtpm?.quote, -1) })).toBe('ERR_VTPM_EVIDENCE signature');
    expect(of({ signature: other(vtpm?.signature, 9) })).toBe('ERR_VTPM_EVIDENCE signature');
    expect(of({ pcrs })).toBe('ERR_VTPM_EVIDENCE pcrs');
    expect(of({ pcrs: pcrs.slice(1) })).toBe('ERR_EVIDENCE_MALFORMED vtpm');
    expect(of({ quote: '' })).toBe('ERR_EVIDENCE_MALFORMED vtpm');
    const [next] = vms.filter((each) => each.evidence.vtpm?.runtimeData !== vtpm?.runtimeData);
    expect(of({ ...next?.evidence.vtpm })).toBe(unbound);
    expect(verdictOf({ ...evidence, report: other(evidence.report, 0x1a6) }, AMD)).toMatch(/^ERR_/);
  });
});

describe('a contract with the PCRs of a confidential VM', () => {
  let sim: Simulated;
  let evidence: Evidence;

  beforeAll(async () => {
    sim = await simulated();
    evidence = await vmEvidence('Genoa');
  }, 60_000);

  async function vmEvidence(product: Product, claims = CLAIMS): Promise<Evidence> {
    const { platform } = await sharedTestPlatform();
    const guest = platform.launch({ image: IMAGE, hostData: HOST_DATA, product });
    return evidenceOf(azureVmOf(guest), claims);
  }

  const sha384 = String(POLICY.measurements[0]);
  const demanding = (pcrs: Record<string, string>): AppraisalPolicy => ({
    ...POLICY,
    measurements: [{ sha384, pcrs }],
  });
  const good = () => evidence.vtpm?.pcrs ?? [];
  const verdict = (policy: AppraisalPolicy, shown = evidence) =>
    verdictOf(shown, { roots: sim.roots }, policy);

  test('is met by these PCRs, on each product line', async () => {
    const pcrs = { 4: good()[4] ?? '', 11: good()[11] ?? '' };
    expect(verdict(demanding(pcrs))).toBe('ok');
    for (const product of ['Milan', 'Turin'] as const) {
      expect(verdict(demanding(pcrs), await vmEvidence(product))).toBe('ok');
    }
  });

  test('is not met by others, and says which', () => {
    const pcrs = { 4: 'aa'.repeat(32), 7: good()[7] ?? '', 11: 'bb'.repeat(32) };
    expect(verdict(demanding(pcrs))).toBe('no: pcrs.4 pcrs.11');
    const judged = appraiseEvidence(
      verifyEvidence(evidence, { ...AMD, roots: sim.roots, clock: { now: Date.now } }),
      demanding(pcrs),
    );
    expect(judged.accepted ? [] : judged.mismatches[0]).toEqual({
      code: 'ERR_MEASUREMENT_MISMATCH',
      claim: 'pcrs.4',
      expected: 'aa'.repeat(32),
      found: good()[4],
    });
  });

  test('is met by one of several versions of the guest behind one paravisor', () => {
    const wrong = { sha384, pcrs: { 4: 'aa'.repeat(32), 7: 'aa'.repeat(32) } };
    const right = { sha384, pcrs: { 4: good()[4] ?? '' } };
    expect(verdict({ ...POLICY, measurements: [wrong, right] })).toBe('ok');
    expect(verdict({ ...POLICY, measurements: [wrong, sha384] })).toBe('no: vtpm');
  });

  test('is never met without a TPM, nor one without PCRs by a TPM', async () => {
    expect(verdict(demanding({ 4: good()[4] ?? '' }), await sim.evidenceFor())).toBe('no: vtpm');
    expect(verdict(POLICY)).toBe('no: vtpm');
    const { vtpm: _vtpm, ...bare } = evidence;
    // The report binds the paravisor's data, so as bare evidence it binds nothing of ours.
    expect(verdict(POLICY, bare)).toBe('no: reportData');
  });

  test('is not met by a quote that answers other claims', () => {
    const policy = demanding({ 4: good()[4] ?? '' });
    const relayed = { ...evidence, runtimeClaims: Buffer.from('{"a":1}').toString('base64url') };
    expect(verdict(policy, relayed)).toBe('no: reportData');
  });

  test('is not met by a fresh quote beside a report that was made for other claims', async () => {
    const { platform } = await sharedTestPlatform();
    const guest = platform.launch({ image: IMAGE, hostData: HOST_DATA });
    const tpm = createVirtualTpm({ guest });
    const older = await evidenceOf(azureVmOf(guest, tpm), CLAIMS);
    const claims = new TextEncoder().encode('{"purpose":"later"}');
    const quoted = await quoteBy(tpm, reportDataOf(claims));
    const runtimeClaims = Buffer.from(claims).toString('base64url');
    const mixed = { ...withVtpm(older, quoted), runtimeClaims };
    expect(verdict(demanding({ 4: older.vtpm?.pcrs[4] ?? '' }), mixed)).toBe('no: reportData');
  });

  async function quoteBy(tpm: VirtualTpm, nonce: Uint8Array): Promise<Partial<VtpmEvidence>> {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-quote-'));
    const [message, signature, values] = ['m', 's', 'v'].map((name) => join(folder, name));
    if (!message || !signature || !values) throw new TypeError('three files');
    const what = ['-l', `sha256:${ALL_PCRS.join(',')}`, '-q', Buffer.from(nonce).toString('hex')];
    await tpm.run('tpm2_quote', [...what, '-m', message, '-s', signature, '-o', values]);
    const read = async (path: string) => (await readFile(path)).toString('base64url');
    const quoted = { quote: await read(message), signature: await read(signature) };
    await rm(folder, { recursive: true });
    return quoted;
  }
});

const CACI = 'confidential-sidecar-containers';

describe.runIf(hasFixtures)('an endorsed utility VM', () => {
  const runtime = () => Buffer.from(textOf(`${CACI}/runtime_data.base64`).trim(), 'base64');
  const evidence = (): Evidence => ({
    report: Buffer.from(bytesOf(`${CACI}/snp_report.bin`)).toString('base64url'),
    certificateChain: textOf(`${CACI}/uvm_host_amd_certificate.pem`),
    runtimeClaims: runtime().toString('base64url'),
    uvmEndorsement: Buffer.from(bytesOf(`${CACI}/body.uvm_reference_info.bin`)).toString(
      'base64url',
    ),
  });
  const policy = (uvm: AppraisalPolicy['uvm']): AppraisalPolicy => {
    const { report } = verifyEvidence(evidence(), AMD).facts;
    return {
      platform: 'amd',
      products: ['Milan'],
      minimumTcb: {},
      measurements: [Buffer.from(report.measurement).toString('hex')],
      hostData: Buffer.from(report.hostData).toString('hex'),
      ...(uvm ? { uvm } : {}),
    };
  };

  test.each([
    ['the version that it has', { minimumSvn: 22 }, 'ok'],
    ['an older one', { minimumSvn: 0 }, 'ok'],
    ['a newer one', { minimumSvn: 23 }, 'no: uvm.svn'],
    ['another feed', { minimumSvn: 0, feed: 'ConfAKS-AMD-UVM' }, 'no: uvm.feed'],
  ])('against %s', (_name, uvm, expected) => {
    expect(verdictOf(evidence(), AMD, policy(uvm))).toBe(expected);
  });

  test('is demanded, and nothing came along', () => {
    const { uvmEndorsement: _endorsement, ...bare } = evidence();
    expect(verdictOf(bare, AMD, policy({ minimumSvn: 0 }))).toBe('no: uvm.feed');
    expect(verdictOf(bare, AMD, policy(undefined))).toBe('ok');
  });

  test('with another byte is refused, demanded or not', () => {
    const changed = { ...evidence(), uvmEndorsement: other(evidence().uvmEndorsement, 4_000) };
    expect(verdictOf(changed, AMD, policy(undefined))).toMatch(/^ERR_UVM_ENDORSEMENT /);
  });
});

describe.runIf(hasFixtures)("Azure's own token of a container group", () => {
  const CONTRACT = ContractIdSchema.parse('c0'.repeat(32));

  /** A real token's claims, around the runtime claims that a worker of ours would have bound. */
  function granted(demands: object): boolean {
    const recorded = payloadOf(compactOf('azure-samples-maa/sev-snp-jwt.jws.json'));
    const runtime = { contract: CONTRACT, purpose: 'strongroom/worker/v1' };
    const claims = { ...recorded, 'x-ms-runtime': runtime };
    const enclave = EnclaveSchema.parse({
      platform: 'amd',
      minimumTcb: {},
      measurements: [{ name: 'uvm', sha384: recorded['x-ms-sevsnpvm-launchmeasurement'] }],
      authorities: [
        { issuer: recorded['iss'], keys: [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }] },
      ],
      ...demands,
    });
    const policy = JSON.stringify(releasePolicyFor({ enclave }, CONTRACT));
    return evaluatePolicy(compileReleasePolicy(policy), claims).granted;
  }

  test('meets a contract that names the hash of its container policy, and no other', () => {
    const recorded = payloadOf(compactOf('azure-samples-maa/sev-snp-jwt.jws.json'));
    const hostData = String(recorded['x-ms-sevsnpvm-hostdata']);
    expect(granted({ hostData: [hostData] })).toBe(true);
    expect(granted({ hostData: ['00'.repeat(32), hostData] })).toBe(true);
    expect(granted({ hostData: ['00'.repeat(32)] })).toBe(false);
    expect(granted({ hostData: [hostData], uvm: { minimumSvn: 0 } })).toBe(
      recorded['x-ms-compliance-status'] === 'azure-compliant-uvm',
    );
  });
});
