import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import {
  type CountedRefusals,
  type QuarantineEntry,
  type QuarantineEntryOfRecord,
  type QuarantineSeal,
  quarantineId,
} from '@strongroom/protocol/quarantine-entry';
import { quarantineTopic, RECORD_TYPES, usesTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { claimedQuarantine, openQuarantine } from '@strongroom/sealing/open-quarantine';
import { KnownWorkers } from './known-workers.ts';
import type { ReadingOwner, WorkerTrust } from './owner-log.ts';

/** Where one owner's quarantine lies. */
export interface QuarantinePlace extends WorkerTrust {
  readonly namespace: string;
}

/** An entry that was verified and opened. */
interface OpenedEntry {
  readonly seal: QuarantineSeal;
  readonly entry: QuarantineEntry;
  readonly worker: WorkerProof;
}

/** Something on the topic of which nothing was believed. */
export interface RefusedEntry {
  readonly offset: number;
  readonly code: ErrorCode;
}

/** All that lies in a quarantine, one after the other: proof -> key -> signature -> open. */
async function* quarantineEntries(
  log: RecordLog,
  owner: ReadingOwner,
  place: QuarantinePlace,
): AsyncGenerator<OpenedEntry | RefusedEntry> {
  const { contractId, namespace } = place;
  const workers = await workersOf(log, owner, place);
  const topic = quarantineTopic(contractId, owner.id, namespace);
  for await (const records of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const record of records) {
      try {
        const worker = workers.of(claimedQuarantine(record).token);
        const opened = await openQuarantine(record, {
          ...{ contractId, owner: owner.id, secretReader: owner.secretReader },
          ...{ aggregateKey: worker.aggregatesKey, tokenSha256: worker.token },
        });
        yield { ...opened, worker };
      } catch (error) {
        const code = codeOf(error);
        if (code === undefined) throw error;
        yield { offset: record.offset, code };
      }
    }
  }
}

/** Every start of a worker is on the owner's ledger of uses, with its proof. */
async function workersOf(
  log: RecordLog,
  { id }: ReadingOwner,
  place: QuarantinePlace,
): Promise<KnownWorkers> {
  const workers = new KnownWorkers(place);
  const topic = usesTopic(place.contractId, id, place.namespace);
  for await (const records of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const { headers, value } of records) {
      if (headers['ce_type'] === RECORD_TYPES.token) await workers.add(value);
    }
  }
  return workers;
}

/** One refused record, however often it was told of: the newest word, without its bytes. */
export interface ListedRecord extends Omit<QuarantineEntryOfRecord, 'v' | 'kind' | 'record'> {
  readonly id: string;
  /** Of its value. */
  readonly bytes: number;
  /** It was set aside itself; else it lies at its origin only. */
  readonly whole: boolean;
  readonly times: number;
  readonly epoch: number;
  readonly measurement: string;
}

export interface ListedQuarantine {
  readonly records: readonly ListedRecord[];
  /** What was above the limit of a minute. */
  readonly counted: readonly (CountedRefusals & { readonly at: number })[];
  /** Entries that the log has lost or let go of, as their numbers tell. */
  readonly missing: number;
  readonly refused: readonly RefusedEntry[];
}

/** @throws ERR_LOG_* */
export async function listQuarantine(
  log: RecordLog,
  owner: ReadingOwner,
  place: QuarantinePlace,
): Promise<ListedQuarantine> {
  const records = new Map<string, ListedRecord>();
  const counted: (CountedRefusals & { readonly at: number })[] = [];
  const refused: RefusedEntry[] = [];
  const numbers = new Map<string, Set<number>>();
  for await (const each of quarantineEntries(log, owner, place)) {
    if ('code' in each) {
      refused.push(each);
      continue;
    }
    const { seal, entry } = each;
    const seen = numbers.get(seal.token) ?? new Set();
    // The log may show an entry again, and whoever runs it may copy one: it was told once.
    if (seen.has(seal.sequence)) continue;
    numbers.set(seal.token, seen.add(seal.sequence));
    if (entry.kind === 'count') {
      counted.push(...entry.counted.map((every) => ({ at: entry.at, ...every })));
      continue;
    }
    const listed = listedOf(entry, each);
    const times = (records.get(listed.id)?.times ?? 0) + 1;
    records.set(listed.id, { ...listed, times });
  }
  return { records: [...records.values()], counted, missing: missingIn(numbers), refused };
}

/** The numbers of one life begin with 0; what is missing at the end cannot be told. */
function missingIn(numbers: ReadonlyMap<string, ReadonlySet<number>>): number {
  return [...numbers.values()].reduce((sum, seen) => sum + Math.max(...seen) + 1 - seen.size, 0);
}

function listedOf(
  { at, code, facts, origin, record }: QuarantineEntryOfRecord,
  { seal, worker }: OpenedEntry,
): ListedRecord {
  const whole = record.kind === 'whole';
  return {
    id: quarantineId(origin),
    ...{ at, code, facts, origin, whole, times: 1 },
    bytes: whole ? Buffer.from(record.value, 'base64url').length : record.bytes,
    epoch: seal.epoch,
    measurement: worker.measurementName,
  };
}

export type FoundEntry = OpenedEntry & { readonly entry: QuarantineEntryOfRecord };

/** The entries with these ids, each once, as they come. */
export async function* entriesNamed(
  ids: ReadonlySet<string>,
  log: RecordLog,
  owner: ReadingOwner,
  place: QuarantinePlace,
): AsyncGenerator<FoundEntry> {
  const open = new Set(ids);
  for await (const each of quarantineEntries(log, owner, place)) {
    if ('code' in each || each.entry.kind !== 'record') continue;
    const { entry } = each;
    if (open.delete(quarantineId(entry.origin))) yield { ...each, entry };
  }
  const [id] = open;
  if (id !== undefined) throw new StrongroomError('ERR_QUARANTINE_UNKNOWN', { id });
}
