import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { parseHclReport, parseHclRuntimeData } from '../azure/hcl-report.ts';
import { ALL_PCRS } from '../azure/tpm-quote.ts';
import { type AzureVmEvidence, checkAzureVmEvidence } from '../azure/vm-evidence.ts';
import { sameBytes } from '../x509/certificate.ts';
import type { EndorsementSource } from './endorsement-source.ts';
import type { Platform, Quote } from './platform.ts';
import { type RunProgram, runProgram } from './run-program.ts';

/**
 * An Azure confidential VM, through the tpm2-tools: our 64 bytes go into an NV index, the paravisor
 * takes a new report over them, and the TPM quotes its PCRs over the same bytes. Both are demanded:
 * the report is signed by the hardware, the quote shows the state of the guest.
 */
export interface AzureCvmOptions {
  readonly endorsements: EndorsementSource;
  readonly run?: RunProgram;
  readonly wait?: (milliseconds: number) => Promise<unknown>;
  /** Where a folder for the tools' files may be made. */
  readonly temporary?: string;
}

/** Written by the paravisor: the HCL report. */
const NV_REPORT = '0x01400001';
/** Written by the guest: 64 bytes for `user-data`. */
const NV_USER_DATA = '0x01400002';
const NV_AIK_CERTIFICATE = '0x01c101d0';
const AK_HANDLE = '0x81000003';
const USER_DATA_BYTES = 64;
const PCR_BYTES = 32;
/** The paravisor takes about three seconds. */
const WAITS_MS = [3_000, 1_000, 2_000, 4_000, 8_000];

export function createAzureCvm(options: AzureCvmOptions): Platform {
  return { name: 'azure-cvm', quote: (reportData) => quote(reportData, options) };
}

async function quote(reportData: Uint8Array, options: AzureCvmOptions): Promise<Quote> {
  const run = options.run ?? runProgram;
  const folder = await mkdtemp(join(options.temporary ?? tmpdir(), 'strongroom-tpm-'));
  try {
    await writeUserData(run, folder, reportData);
    const hclReport = await freshReport(run, reportData, options.wait ?? sleep);
    const aikCertificate = await optionalIndex(run, NV_AIK_CERTIFICATE);
    const azureVm: AzureVmEvidence = {
      hclReport,
      ...(await quotePcrs(run, folder, reportData)),
      ...(aikCertificate ? { aikCertificate } : {}),
    };
    const demand = { nonce: reportData, userData: reportData };
    const { report } = checkAzureVmEvidence(azureVm, demand);
    const certificateChain = await options.endorsements.chainFor(report);
    return { report, certificateChain, azureVm };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The index does not exist before the first guest that writes it. */
async function writeUserData(run: RunProgram, folder: string, bytes: Uint8Array): Promise<void> {
  const input = join(folder, 'user-data');
  await writeFile(input, bytes);
  const write = () => run('tpm2_nvwrite', ['-C', 'o', '-i', input, NV_USER_DATA]);
  try {
    await write();
  } catch {
    await run('tpm2_nvdefine', ['-C', 'o', '-s', `${USER_DATA_BYTES}`, NV_USER_DATA]);
    await write();
  }
}

/** Until the report carries what was written: an older one answers an older request. */
async function freshReport(
  run: RunProgram,
  wanted: Uint8Array,
  wait: (milliseconds: number) => Promise<unknown>,
): Promise<Uint8Array> {
  for (const milliseconds of WAITS_MS) {
    await wait(milliseconds);
    const blob = await run('tpm2_nvread', ['-C', 'o', NV_REPORT]);
    if (carries(blob, wanted)) return blob;
  }
  throw unavailable('report-not-fresh');
}

/** A blob that is being written may not fit its own hash: then it is read again. */
function carries(blob: Uint8Array, wanted: Uint8Array): boolean {
  try {
    const { userData } = parseHclRuntimeData(parseHclReport(blob));
    return sameBytes(userData, wanted);
  } catch (error) {
    if (codeOf(error) === 'ERR_REPORT_DATA_MISMATCH') return false;
    throw error;
  }
}

async function quotePcrs(
  run: RunProgram,
  folder: string,
  nonce: Uint8Array,
): Promise<Pick<AzureVmEvidence, 'quote' | 'pcrs'>> {
  const [message, signature, values] = ['message', 'signature', 'pcrs'].map((name) =>
    join(folder, name),
  );
  if (message === undefined || signature === undefined || values === undefined) {
    throw unavailable('files');
  }
  const indices = ALL_PCRS.join(',');
  const qualification = Buffer.from(nonce).toString('hex');
  const what = ['-c', AK_HANDLE, '-l', `sha256:${indices}`, '-q', qualification, '-g', 'sha256'];
  const output = ['-m', message, '-s', signature, '-f', 'plain', '-o', values, '-F', 'values'];
  await run('tpm2_quote', [...what, ...output]);
  return {
    quote: { message: await bytesOf(message), signature: await bytesOf(signature) },
    pcrs: pcrsOf(await bytesOf(values)),
  };
}

function pcrsOf(values: Uint8Array): Uint8Array[] {
  if (values.length !== ALL_PCRS.length * PCR_BYTES) throw unavailable('pcr-values');
  return ALL_PCRS.map((index) => values.slice(index * PCR_BYTES, (index + 1) * PCR_BYTES));
}

async function bytesOf(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

/** The certificate adds nothing that the report does not bind: its absence is no failure. */
async function optionalIndex(run: RunProgram, index: string): Promise<Uint8Array | undefined> {
  const bytes = await run('tpm2_nvread', ['-C', 'o', index]).catch(() => undefined);
  return bytes && bytes.length > 0 ? bytes : undefined;
}

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check });
}
