import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { createVirtualTpm, type VirtualTpmOptions } from '@strongroom/testkit/virtual-tpm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseHclReport, parseHclRuntimeData } from '../azure/hcl-report.ts';
import { createAzureCvm } from './azure-cvm.ts';
import type { Platform } from './platform.ts';
import { runProgram } from './run-program.ts';

const REPORT_DATA = Uint8Array.from({ length: 64 }, (_, index) => index);
let guest: Platform;
let temporary: string;

beforeAll(async () => {
  const { platform } = await sharedTestPlatform();
  guest = platform.launch({ image: [new Uint8Array(10)], hostData: new Uint8Array(32) });
  temporary = await mkdtemp(join(tmpdir(), 'strongroom-cvm-test-'));
}, 60_000);

afterAll(() => rm(temporary, { recursive: true }));

function cvmOf(options: Partial<VirtualTpmOptions> = {}) {
  const tpm = createVirtualTpm({ guest, ...options });
  const waits: number[] = [];
  const wait = async (milliseconds: number) => waits.push(milliseconds);
  const endorsements = { chainFor: async () => 'a chain' };
  const platform = createAzureCvm({ endorsements, run: tpm.run, wait, temporary });
  return { ...tpm, waits, quote: () => platform.quote(REPORT_DATA) };
}

describe('an Azure confidential VM', () => {
  test('writes our 64 bytes, waits for the new report, quotes over the same bytes', async () => {
    const cvm = cvmOf({ staleReads: 2 });
    const { report, azureVm, certificateChain } = await cvm.quote();
    expect(certificateChain).toBe('a chain');
    expect(cvm.waits).toEqual([3_000, 1_000, 2_000]);
    expect(cvm.calls.slice(0, 3)).toEqual([
      'tpm2_nvwrite 0x01400002',
      'tpm2_nvdefine 0x01400002',
      'tpm2_nvwrite 0x01400002',
    ]);
    const hcl = parseHclReport(azureVm?.hclReport ?? new Uint8Array());
    expect(hcl.report).toEqual(report);
    expect(parseHclRuntimeData(hcl).userData).toEqual(REPORT_DATA);
    expect(azureVm?.pcrs).toHaveLength(24);
    expect(await readdir(temporary)).toEqual([]);
  });

  test.each([
    ['never takes a new report', { deaf: true }, 'ERR_PLATFORM_UNAVAILABLE report-not-fresh'],
    ['quotes with a key of its own', { foreignKey: true }, 'ERR_VTPM_EVIDENCE signature'],
    ['quotes fewer PCRs', { selection: [0, 1, 2] }, 'ERR_VTPM_EVIDENCE selection'],
  ])('is not believed when it %s', async (_name, options, expected) => {
    const error = await cvmOf(options)
      .quote()
      .catch((thrown: unknown) => thrown);
    const check = error instanceof StrongroomError ? error.facts['check'] : undefined;
    expect(`${codeOf(error)} ${check}`).toBe(expected);
    expect(await readdir(temporary)).toEqual([]);
  });
});

test('a tool that is not there, or fails, is named; what it printed is not', async () => {
  const missing = await runProgram('strongroom-no-such-program', []).catch(
    (error: unknown) => error,
  );
  expect(missing).toMatchObject({
    code: 'ERR_PLATFORM_UNAVAILABLE',
    facts: { check: 'program-missing', program: 'strongroom-no-such-program' },
  });
  const failed = await runProgram(process.execPath, ['--eval', 'process.exitCode = 3']).catch(
    (error: unknown) => error,
  );
  expect(failed).toMatchObject({ facts: { check: 'program-failed' } });
  const printed = await runProgram(process.execPath, ['--eval', 'process.stdout.write("ok")']);
  expect(Buffer.from(printed).toString()).toBe('ok');
});
