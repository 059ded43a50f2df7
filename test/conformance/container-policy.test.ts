import { describe, expect, test } from 'vitest';
import { measurePolicy } from '../../services/cli/src/container-policy.ts';
import { bytesOf, hasFixtures, textOf } from './attestation-fixtures.ts';

/** `strongroom measure --policy` beside recorded policies and what real hardware said of them. */

const SIDECAR = 'confidential-sidecar-containers';
/** HOST_DATA in a report of AMD SEV-SNP (56860, table 23), from byte 0xC0 on. */
const hostDataOf = (report: Uint8Array) => Buffer.from(report.subarray(0xc0, 0xe0)).toString('hex');

describe.skipIf(!hasFixtures)('HOST_DATA', () => {
  test('is the one in the signed report of the group that ran under the policy', () => {
    const policy = bytesOf(`${SIDECAR}/uvm_security_policy.base64`);
    const report = bytesOf(`${SIDECAR}/snp_report.bin`);
    expect(measurePolicy(policy).hostData).toBe(hostDataOf(report));
  });

  test('is the one that Azure told of its container', () => {
    const told = textOf('azure-cleanroom/caci-values.txt');
    const [, policy = ''] = /ccepolicy: (\S+)/.exec(told) ?? [];
    const [, hostData] = /hostdata: ([0-9a-f]{64})/.exec(told) ?? [];
    expect(measurePolicy(Buffer.from(policy)).hostData).toBe(hostData);
  });

  test('comes with a warning: both of them allow everything', () => {
    const policy = bytesOf(`${SIDECAR}/uvm_security_policy.base64`);
    expect(measurePolicy(policy).findings).toEqual([
      'it allows every container, or every command in one',
    ]);
  });
});
