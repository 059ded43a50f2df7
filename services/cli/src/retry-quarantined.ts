import { createHash } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { type Contract, datasetOf, streamsOf } from '@strongroom/protocol/contract';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import {
  type QuarantineEntryOfRecord,
  type QuarantineOrigin,
  quarantineId,
} from '@strongroom/protocol/quarantine-entry';
import { datasetTopic, SEAL_HEADER } from '@strongroom/protocol/record';
import type { LogRecord, RecordLog } from '@strongroom/record-log/log';
import type { QuarantinePlace } from './read-quarantine.ts';

/**
 * Where the same bytes can be good another time, and why. Whatever was tampered with, forged or
 * counted already is refused again, however often it comes.
 */
const WORTH_A_RETRY: Partial<Record<ErrorCode, string>> = {
  ERR_STREAM_PARTITION: 'it goes to the partition that the contract names',
  ERR_SEAL_VERSION: 'once a worker runs that knows this version',
  ERR_LIMIT_EXCEEDED: 'once a worker runs whose limit is higher',
  ERR_BATCH_CONTENT: 'once a worker runs that reads these Arrow columns',
};

/** @returns why it makes sense to publish it again; undefined where it makes none */
export function worthARetry(code: string): string | undefined {
  return Object.entries(WORTH_A_RETRY).find(([known]) => known === code)?.[1];
}

export const RETRY_HELP = [
  'A retry publishes the same bytes once more; the vault judges them anew. It makes sense for',
  ...Object.entries(WORTH_A_RETRY).map(([code, why]) => `  ${code.padEnd(22)}${why}`),
  'and --all takes those only. Everything else is refused again: have it published anew.',
].join('\n');

/**
 * Publishes a refused record to its dataset's topic once more.
 * @throws ERR_QUARANTINE_RECORD_LOST
 */
export async function retryRecord(
  entry: QuarantineEntryOfRecord,
  log: RecordLog,
  place: QuarantinePlace,
): Promise<{ id: string; partition: number }> {
  const { contract, contractId, namespace } = place;
  const { dataset, partition } = entry.origin;
  const topic = datasetTopic(contractId, dataset, namespace);
  const record = await recordOf(entry, log, topic);
  const to = partitionFor(record, entry, contract) ?? partition;
  await log.append(topic, [record], to);
  return { id: quarantineId(entry.origin), partition: to };
}

async function recordOf(
  { record, origin }: QuarantineEntryOfRecord,
  log: RecordLog,
  topic: string,
): Promise<LogRecord> {
  if (record.kind === 'whole') {
    const value = decodeBase64url(record.value) ?? new Uint8Array(0);
    return { key: record.key, headers: record.headers, value };
  }
  const lying = await recordAt(origin, log, topic);
  const found = lying && createHash('sha256').update(lying.value).digest('hex');
  if (lying && found === record.valueSha256) return lying;
  throw new StrongroomError('ERR_QUARANTINE_RECORD_LOST', { id: quarantineId(origin) });
}

async function recordAt(
  { partition, offset }: QuarantineOrigin,
  log: RecordLog,
  topic: string,
): Promise<LogRecord | undefined> {
  if ((await log.endOffset(topic, partition)) <= offset) return undefined;
  for await (const entries of log.read([{ topic, partition, offset }], { untilEnd: true })) {
    const found = entries.find((each) => each.offset === offset);
    return found && { key: found.key, headers: found.headers, value: found.value };
  }
  return undefined;
}

/** Where the contract wants the stream that the record claims to be of. */
function partitionFor(
  { headers }: LogRecord,
  { code, origin }: QuarantineEntryOfRecord,
  contract: Contract,
): number | undefined {
  if (code !== 'ERR_STREAM_PARTITION') return undefined;
  const stream = sealMembers(headers)?.['stream'];
  const streams = streamsOf(datasetOf(contract, origin.dataset));
  return streams.find(({ id }) => id !== undefined && id === stream)?.partition;
}

/** What a refused record's seal says, unverified; undefined for what is no seal. */
export function sealMembers(
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> | undefined {
  const payload = decodeBase64url(headers[SEAL_HEADER]?.split('.')[1] ?? '');
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
