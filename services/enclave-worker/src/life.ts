import type { Platform } from '@strongroom/attestation/platforms/platform';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  aggregatesTopic,
  checkpointsTopic,
  partialsTopic,
  quarantineTopic,
  RECORD_TYPES,
  type RecordType,
  usesTopic,
} from '@strongroom/protocol/record';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import type { RecordLog, TransactionalWriter } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { Logger } from '@strongroom/runtime/logger';
import type { Span, Tracing } from '@strongroom/runtime/tracing';
import { inPieces } from './checkpoints.ts';
import type { CredentialFor } from './credentials.ts';
import type { EvidenceDesk } from './evidence-desk.ts';
import type { LeaseErrands } from './leases.ts';
import type { Monitor } from './monitor.ts';
import type { Tally } from './tally.ts';
import type { Traces } from './traces.ts';
import type { DoorRecord, Outgoing } from './vault/door.ts';
import type { VaultDoor } from './vault-process.ts';

export interface WorkerOptions {
  /** The signed contract's JSON; the vault verifies it. */
  readonly signedContract: unknown;
  /** Versions after it, as far as this worker was shown any: the vault verifies them. */
  readonly amendments?: readonly unknown[];
  readonly namespace: string;
  /** In a contract with slices: which this worker counts. Absent: it tells the results. */
  readonly slice?: number;
  readonly platformFor: (contractId: ContractId) => Promise<Platform>;
  /** Attestation services that the contract names; all of them when there is none here. */
  readonly authorities: readonly string[];
  readonly credentialFor: CredentialFor;
  readonly ca?: string;
  readonly memoryMb: number;
  readonly untilComplete: boolean;
  readonly deadlineMs?: number;
  /** A life in which records wait for so long, and none is handled, ends. */
  readonly stallMs?: number;
  readonly startVault: () => Promise<VaultDoor>;
  readonly connectLog: () => Promise<RecordLog>;
  readonly tally: Tally;
  /** Where challenges for evidence are handed in. */
  readonly evidence: EvidenceDesk;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onReady: (isReady: boolean) => void;
}

/** What one life of the worker holds, closed together when it ends. */
export interface Life {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly slice: number | undefined;
  readonly vault: VaultDoor;
  readonly log: RecordLog;
  readonly writer: TransactionalWriter;
  readonly leases: LeaseErrands;
  readonly epoch: number;
  readonly monitor: Monitor;
  readonly traces: Traces;
}

/**
 * What the vault lets leave, in one transaction: all of it becomes visible, or nothing. (Without
 * transactions: in an order in which nothing is without what it needs.) Before that its bytes are
 * written down, sealed, so that whoever goes on after a crash says the same; and where owners keep
 * leases they are asked.
 * @returns what left
 */
export async function commit(
  life: Life,
  departing: Departing,
  namespace: string,
  /** What the worker itself has to say. */
  more: readonly DoorRecord[] = [],
): Promise<readonly DoorRecord[]> {
  const span = beginSpan(life, departing, namespace);
  try {
    const left = await depart(life, departing, namespace, more, span?.traceparent);
    // What leaves without a result, such as a checkpoint, has no reader who would go on.
    if (left.some(isTraced)) span?.end();
    return left;
  } catch (error) {
    span?.end(codeOf(error) ?? 'ERR_INTERNAL');
    throw error;
  }
}

interface Departing {
  readonly answer: Outgoing;
  readonly records: readonly DoorRecord[];
}

/** Where owners keep leases, what was prepared is opened only when they have confirmed it. */
function beginSpan(life: Life, { records }: Departing, namespace: string): Span | undefined {
  const { contractId, slice, epoch, traces } = life;
  if (records.length === 0) return undefined;
  const topic =
    slice === undefined
      ? aggregatesTopic(contractId, namespace)
      : partialsTopic(contractId, slice, namespace);
  return traces.beginStep(topic, epoch);
}

async function depart(
  life: Life,
  { answer, records }: Departing,
  namespace: string,
  more: readonly DoorRecord[],
  trace: string | undefined,
): Promise<readonly DoorRecord[]> {
  const isPrepared = ({ headers }: DoorRecord) => headers['ce_type'] === RECORD_TYPES.prepared;
  const { monitor } = life;
  for (const step of records.filter(isPrepared)) {
    await monitor.timed('prepare', () => asHolder(life, () => prepare(life, step, namespace)));
  }
  const step = records.filter((record) => !isPrepared(record));
  const departing = await monitor.timed('lease', () => life.leases.depart(answer, step));
  const all = [...departing, ...more];
  if (all.length === 0) return departing;
  await monitor.timed('commit', () => asHolder(life, () => write(life, all, namespace, trace)));
  monitor.stepLeft();
  return departing;
}

/**
 * Who may write is decided by the owners where they keep leases: a writer that was fenced slept
 * past its lease, and may stand by for another one. With slices it has ended: where each part
 * runs, its host knows. Elsewhere two workers would fence each other for ever.
 */
async function asHolder<Result>(
  { leases, contract }: Life,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const isFenced = codeOf(error) === 'ERR_LOG_FENCED';
    if (isFenced && contract.slices !== undefined) throw new StrongroomError('ERR_SLICE_TAKEN');
    if (!isFenced || !leases.areKept) throw error;
    throw new StrongroomError('ERR_LEASE_LOST', { reason: 'fenced on the log' });
  }
}

/**
 * In transactions of its own: a worker that was fenced cannot prepare another step any more.
 * Without them it can, and no owner will confirm it.
 */
async function prepare({ writer, contractId, slice }: Life, step: DoorRecord, namespace: string) {
  const topic = checkpointsTopic(contractId, namespace, slice);
  for (const piece of inPieces(step, contractId)) await writer.commit(topic, [piece]);
}

/**
 * One transaction over the topics where each record belongs: entries of ledgers of uses to their
 * owners', with the proofs that they name, what was refused to their quarantines, what a slice has
 * counted to its partials, checkpoints to their own, and the rest to the results. A result comes
 * behind the entries that tell of it, and the checkpoint that covers all of it is the last.
 */
export async function write(
  { writer, contract, contractId, slice }: Life,
  departing: readonly DoorRecord[],
  namespace: string,
  /** Of the step's span: lies beside what others read on from, and is the same for all of it. */
  trace?: string,
): Promise<void> {
  const { use, checkpoint, quarantine, partial } = RECORD_TYPES;
  const isElsewhere = (record: DoorRecord) =>
    [use, checkpoint, quarantine, partial].some((type) => isOf(record, type));
  // No result names the proof of a slice.
  const results = departing.filter((record) => slice === undefined && !isElsewhere(record));
  const partials = departing.filter((record) => isOf(record, partial));
  const checkpoints = departing.filter((record) => isOf(record, RECORD_TYPES.checkpoint));
  const proofs = departing.filter((record) => isOf(record, RECORD_TYPES.token));
  const uses = ownersWithUses(contract).map(({ id }) => {
    const entries = departing.filter((each) => isOf(each, RECORD_TYPES.use) && each.key === id);
    return { topic: usesTopic(contractId, id, namespace), records: [...proofs, ...entries] };
  });
  const quarantines = ownersWithUses(contract).map(({ id }) => ({
    topic: quarantineTopic(contractId, id, namespace),
    records: departing.filter((each) => isOf(each, RECORD_TYPES.quarantine) && each.key === id),
  }));
  const parts = [
    ...uses,
    ...quarantines,
    { topic: partialsTopic(contractId, slice ?? 0, namespace), records: partials },
    { topic: aggregatesTopic(contractId, namespace), records: results },
    { topic: checkpointsTopic(contractId, namespace, slice), records: checkpoints },
  ];
  const [first, ...beside] = parts
    .filter(({ records }) => records.length > 0)
    .map(({ topic, records }) => ({
      topic,
      records: records.map((each) =>
        trace !== undefined && isTraced(each) ? { ...each, trace } : each,
      ),
    }));
  if (first) await writer.commit(first.topic, first.records, beside);
}

const isOf = (record: DoorRecord, type: RecordType) => record.headers['ce_type'] === type;
const isTraced = (record: DoorRecord) =>
  isOf(record, RECORD_TYPES.aggregate) || isOf(record, RECORD_TYPES.partial);
