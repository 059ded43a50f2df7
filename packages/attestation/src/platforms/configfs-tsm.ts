import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { StrongroomError } from '@strongroom/protocol/errors';
import { parseReport } from '../report.ts';
import { parseCertificateTable } from '../snp/certificate-table.ts';
import { sameBytes } from '../x509/certificate.ts';
import { toPem } from '../x509/pem.ts';
import type { EndorsementSource } from './endorsement-source.ts';
import type { Platform, Quote } from './platform.ts';
import { readWhole, systemTsmFiles, type TsmFiles, writeWhole } from './tsm-files.ts';

/**
 * Linux's interface to a guest's attestation reports (Documentation/ABI/testing/configfs-tsm, from
 * 6.7): a folder is a request, its files are the fields. Needs no native code.
 */
export interface ConfigfsTsmOptions {
  /** Completes and proves the certificates; without it the host has to hand out all three. */
  readonly endorsements?: EndorsementSource;
  /** VMPL to ask for; the kernel's own choice when it is absent. */
  readonly privilegeLevel?: number;
  readonly files?: TsmFiles;
  readonly folder?: string;
  /** Waits so many milliseconds before the next try. */
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

const FOLDER = '/sys/kernel/config/tsm/report';
const BLOB_BYTES_MAX = 65_536;
const TEXT_BYTES_MAX = 256;
/** The host lets one request through in about two seconds; together these waits cover several. */
const WAITS_MS = [250, 500, 1_000, 2_000, 4_000];

export function createConfigfsTsm(options: ConfigfsTsmOptions = {}): Platform {
  return { name: 'configfs-tsm', quote: (reportData) => quote(reportData, options) };
}

/** A request that another process disturbed, or that the host refused for now, is made anew. */
async function quote(reportData: Uint8Array, options: ConfigfsTsmOptions): Promise<Quote> {
  const wait = options.wait ?? sleep;
  for (const milliseconds of WAITS_MS) {
    const blobs = await tryRequest(reportData, options);
    if (blobs) return completed(blobs, reportData, options.endorsements);
    await wait(milliseconds);
  }
  throw unavailable('busy');
}

interface Blobs {
  readonly report: Uint8Array;
  /** A certificate table, or nothing. */
  readonly table: Uint8Array;
}

/** @returns undefined when it should be tried again */
async function tryRequest(
  reportData: Uint8Array,
  options: ConfigfsTsmOptions,
): Promise<Blobs | undefined> {
  const files = options.files ?? systemTsmFiles;
  const request = `${options.folder ?? FOLDER}/strongroom-${randomUUID()}`;
  try {
    await files.makeFolder(request);
  } catch (error) {
    if (isTransient(error)) return undefined;
    throw unavailable('no-configfs-tsm');
  }
  try {
    return await ask(files, request, reportData, options.privilegeLevel);
  } catch (error) {
    if (isTransient(error)) return undefined;
    throw error instanceof StrongroomError ? error : unavailable('request-failed');
  } finally {
    // What a failed removal leaves behind is one empty request; the report is none the worse.
    await files.removeFolder(request).catch(() => undefined);
  }
}

async function ask(
  files: TsmFiles,
  request: string,
  reportData: Uint8Array,
  privilegeLevel: number | undefined,
): Promise<Blobs | undefined> {
  const text = async (name: string) =>
    new TextDecoder().decode(await readWhole(files, `${request}/${name}`, TEXT_BYTES_MAX)).trim();
  const blob = (name: string) => readWhole(files, `${request}/${name}`, BLOB_BYTES_MAX);
  if ((await text('provider')) !== 'sev_guest') throw unavailable('other-provider');
  let generation = Number(await text('generation'));
  if (privilegeLevel !== undefined) {
    if (privilegeLevel < Number(await text('privlevel_floor')))
      throw unavailable('privilege-floor');
    await writeWhole(files, `${request}/privlevel`, new TextEncoder().encode(`${privilegeLevel}`));
    generation += 1;
  }
  await writeWhole(files, `${request}/inblob`, reportData);
  generation += 1;
  const report = await blob('outblob');
  const table = await blob('auxblob');
  // Each write counts one up: more than ours means that somebody else wrote in between.
  if ((await text('generation')) !== `${generation}`) return undefined;
  return { report, table };
}

/** The request cannot be read back, so the report itself must show that it answers ours. */
async function completed(
  { report, table }: Blobs,
  reportData: Uint8Array,
  endorsements: EndorsementSource | undefined,
): Promise<Quote> {
  const fields = parseReport(report);
  if (!sameBytes(fields.reportData, reportData)) throw unavailable('other-report');
  const certificates = certificatesOf(table);
  if (endorsements) {
    return { report, certificateChain: await endorsements.chainFor(report, certificates) };
  }
  if (certificates.length < 3) throw unavailable('no-certificates');
  return { report, certificateChain: certificates.map(toPem).join('') };
}

function certificatesOf(table: Uint8Array): Uint8Array[] {
  if (table.length === 0) return [];
  const { vcek, vlek, ask: authority, ark } = parseCertificateTable(table);
  return [vcek ?? vlek, authority, ark].filter((each) => each !== undefined);
}

/** The host throttles, or the kernel saw the request change under it (EWOULDBLOCK is EAGAIN). */
function isTransient(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return TRANSIENT.some((each) => each === code);
}

const TRANSIENT = ['EBUSY', 'EAGAIN', 'EWOULDBLOCK', 'EINTR', 'ETIMEDOUT', 'EEXIST'];

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check });
}
