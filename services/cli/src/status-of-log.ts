import { type Contract, streamsOf } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  aggregatesTopic,
  checkpointsTopic,
  datasetTopic,
  quarantineTopic,
  RECORD_TYPES,
} from '@strongroom/protocol/record';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';

/**
 * What a log says of a computation to whoever has no key: how much lies on each topic, and what
 * headers name. None of it is verified; it says where to look.
 */
export interface LogStatus {
  readonly streams: readonly {
    readonly dataset: string;
    readonly stream: string | null;
    readonly partition: number;
    /** Null where the topic is not there yet. */
    readonly records: number | null;
  }[];
  /** Workers that have announced themselves. */
  readonly starts: number;
  /** By query: results for its first reader. */
  readonly results: readonly { readonly query: string; readonly emissions: number }[];
  readonly newest: { readonly epoch: number; readonly checkpoint: number } | null;
  /** A step was prepared behind the newest checkpoint: it is about to leave, or was left behind. */
  readonly isPrepared: boolean;
  /** An owner has ended the contract, as a notice says. */
  readonly isEnded: boolean;
  readonly quarantined: number | null;
}

export async function readLogStatus(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  namespace: string,
): Promise<LogStatus> {
  const streams = [];
  for (const dataset of contract.datasets) {
    const topic = datasetTopic(contractId, dataset.id, namespace);
    for (const { id, partition } of streamsOf(dataset)) {
      const records = await endOf(log, topic, partition);
      streams.push({ dataset: dataset.id, stream: id ?? null, partition, records });
    }
  }
  const told = await readTold(log, aggregatesTopic(contractId, namespace), contract);
  const steps = await readSteps(log, checkpointsTopic(contractId, namespace));
  const quarantined = await readQuarantined(log, contract, contractId, namespace);
  return { streams, ...told, ...steps, quarantined };
}

/** Over all owners' quarantines; null where none is there yet. */
async function readQuarantined(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  namespace: string,
): Promise<number | null> {
  let all: number | null = null;
  for (const { id } of ownersWithUses(contract)) {
    const end = await endOf(log, quarantineTopic(contractId, id, namespace), 0);
    if (end !== null) all = (all ?? 0) + end;
  }
  return all;
}

async function readTold(log: RecordLog, topic: string, contract: Contract) {
  const emissions = new Map<string, number>();
  let starts = 0;
  let isEnded = false;
  for await (const { headers, key } of entriesOn(log, topic)) {
    const type = headers['ce_type'];
    if (type === RECORD_TYPES.token) starts += 1;
    if (type === RECORD_TYPES.notice) isEnded = true;
    if (type !== RECORD_TYPES.aggregate) continue;
    const emission = Number(headers['ce_id']?.split('.').at(-2));
    const name = key ?? '';
    emissions.set(name, Math.max(emissions.get(name) ?? 0, emission + 1));
  }
  const results = contract.queries.map(({ id, readers }) => ({
    query: id,
    emissions: emissions.get(`${id}.${readers[0]}`) ?? 0,
  }));
  return { starts, isEnded, results };
}

async function readSteps(log: RecordLog, topic: string) {
  let newest: LogStatus['newest'] = null;
  let prepared = -1;
  for await (const { headers } of entriesOn(log, topic)) {
    const [epoch = 0, checkpoint = 0] = (headers['ce_id'] ?? '').split('.').map(Number);
    if (headers['ce_type'] === RECORD_TYPES.prepared) prepared = Math.max(prepared, checkpoint);
    if (headers['ce_type'] !== RECORD_TYPES.checkpoint) continue;
    if (checkpoint >= (newest?.checkpoint ?? 0)) newest = { epoch, checkpoint };
  }
  return { newest, isPrepared: prepared > (newest?.checkpoint ?? -1) };
}

/** None where the topic is not there yet. */
async function* entriesOn(log: RecordLog, topic: string): AsyncGenerator<LogEntry> {
  if ((await endOf(log, topic, 0)) === null) return;
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) yield* entries;
}

/** Null where the topic is not there yet. */
export async function endOf(
  log: RecordLog,
  topic: string,
  partition: number,
): Promise<number | null> {
  try {
    return await log.endOffset(topic, partition);
  } catch (error) {
    if (codeOf(error) === 'ERR_LOG_FAILED') return null;
    throw error;
  }
}
