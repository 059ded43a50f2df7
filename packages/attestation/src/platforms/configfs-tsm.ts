import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { StrongroomError } from '@strongroom/protocol/errors';
import { parseReport } from '../report.ts';
import { parseCertificateTable } from '../snp/certificate-table.ts';
import { sameBytes } from '../x509/certificate.ts';
import { toPem } from '../x509/pem.ts';
import type { Platform, Quote } from './platform.ts';
import { systemTsmFiles, type TsmFiles } from './tsm-files.ts';

/**
 * Linux's interface to a guest's attestation reports (Documentation/ABI/testing/configfs-tsm, from
 * 6.7): a folder is a request, its files are the fields. Needs no native code.
 */
export interface ConfigfsTsmOptions {
  /** PEM of leaf, authority and root, where the host hands out none with the report. */
  readonly certificateChain?: string;
  readonly files?: TsmFiles;
  readonly folder?: string;
  /** Waits so many milliseconds before the next try. */
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

const FOLDER = '/sys/kernel/config/tsm/report';
const BLOB_BYTES_MAX = 65_536;
/** The host lets one request through in about two seconds; together these waits cover several. */
const WAITS_MS = [250, 500, 1_000, 2_000, 4_000];

export function createConfigfsTsm(options: ConfigfsTsmOptions = {}): Platform {
  return { name: 'configfs-tsm', quote: (reportData) => quote(reportData, options) };
}

/** A request that another process disturbed, or that the host refused for now, is made anew. */
async function quote(reportData: Uint8Array, options: ConfigfsTsmOptions): Promise<Quote> {
  const wait = options.wait ?? sleep;
  for (const milliseconds of WAITS_MS) {
    const answer = await tryQuote(reportData, options);
    if (answer) return answer;
    await wait(milliseconds);
  }
  throw unavailable('busy');
}

/** @returns undefined when it should be tried again */
async function tryQuote(
  reportData: Uint8Array,
  options: ConfigfsTsmOptions,
): Promise<Quote | undefined> {
  const files = options.files ?? systemTsmFiles;
  const request = `${options.folder ?? FOLDER}/strongroom-${randomUUID()}`;
  try {
    await files.makeFolder(request);
  } catch (error) {
    if (isTransient(error)) return undefined;
    throw unavailable('no-configfs-tsm');
  }
  try {
    return await ask(files, request, reportData, options.certificateChain);
  } catch (error) {
    if (isTransient(error)) return undefined;
    throw error instanceof StrongroomError ? error : unavailable('request-failed');
  } finally {
    await files.removeFolder(request).catch(() => undefined);
  }
}

async function ask(
  files: TsmFiles,
  request: string,
  reportData: Uint8Array,
  givenChain: string | undefined,
): Promise<Quote | undefined> {
  await files.write(`${request}/inblob`, reportData);
  const provider = await readText(files, `${request}/provider`);
  if (provider !== 'sev_guest') throw unavailable('other-provider');
  const report = await files.read(`${request}/outblob`, BLOB_BYTES_MAX);
  const table = await files.read(`${request}/auxblob`, BLOB_BYTES_MAX);
  // Each write counts one up: more than ours means that somebody else wrote in between.
  if ((await readText(files, `${request}/generation`)) !== '1') return undefined;
  // The request cannot be read back, so the report itself must show that it answers ours.
  if (!sameBytes(parseReport(report).reportData, reportData)) throw unavailable('other-report');
  return { report, certificateChain: chainOf(table, givenChain) };
}

function chainOf(table: Uint8Array, givenChain: string | undefined): string {
  if (givenChain !== undefined) return givenChain;
  const { vcek, vlek, ask: authority, ark } = parseCertificateTable(table);
  const leaf = vcek ?? vlek;
  if (!leaf || !authority || !ark) throw unavailable('no-certificates');
  return [leaf, authority, ark].map(toPem).join('');
}

async function readText(files: TsmFiles, path: string): Promise<string> {
  return new TextDecoder().decode(await files.read(path, 256)).trim();
}

/** The host throttles, or the kernel saw the request change under it. */
function isTransient(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EBUSY' || code === 'EAGAIN' || code === 'EINTR' || code === 'ETIMEDOUT';
}

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check });
}
