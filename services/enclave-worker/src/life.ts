import type { Platform } from '@strongroom/attestation/platforms/platform';
import type { Contract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  aggregatesTopic,
  RECORD_TYPES,
  type RecordType,
  usesTopic,
} from '@strongroom/protocol/record';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import type { RecordLog, TransactionalWriter } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { Logger } from '@strongroom/runtime/logger';
import type { EvidenceDesk } from './evidence-desk.ts';
import type { LeaseErrands } from './leases.ts';
import type { Tally } from './tally.ts';
import type { DoorRecord, Outgoing } from './vault/door.ts';
import type { VaultDoor } from './vault-process.ts';

export interface WorkerOptions {
  /** The signed contract's JSON; the vault verifies it. */
  readonly signedContract: unknown;
  readonly namespace: string;
  readonly platformFor: (contractId: ContractId) => Promise<Platform>;
  /** Attestation services that the contract names; all of them when there is none here. */
  readonly authorities: readonly string[];
  readonly accessTokenFor: (owner: string) => string;
  readonly ca?: string;
  readonly memoryMb: number;
  readonly untilComplete: boolean;
  readonly deadlineMs?: number;
  readonly startVault: () => Promise<VaultDoor>;
  readonly connectLog: () => Promise<RecordLog>;
  readonly tally: Tally;
  /** Where challenges for evidence are handed in. */
  readonly evidence: EvidenceDesk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onReady: (isReady: boolean) => void;
}

/** What one life of the worker holds, closed together when it ends. */
export interface Life {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly vault: VaultDoor;
  readonly log: RecordLog;
  readonly writer: TransactionalWriter;
  readonly leases: LeaseErrands;
  readonly epoch: number;
}

/**
 * What the vault lets leave, in one transaction: all of it becomes visible, or nothing. Where
 * owners keep leases they are asked first.
 */
export async function commit(
  life: Life,
  { answer, records }: { readonly answer: Outgoing; readonly records: readonly DoorRecord[] },
  namespace: string,
  /** What the worker itself has to say. */
  more: readonly DoorRecord[] = [],
): Promise<void> {
  const departing = [...(await life.leases.depart(answer, records)), ...more];
  await write(life, departing, namespace);
}

/** Entries of ledgers of uses go to their owners' topics, and so do the proofs that they name. */
export async function write(
  { writer, contract, contractId }: Life,
  departing: readonly DoorRecord[],
  namespace: string,
): Promise<void> {
  if (departing.length === 0) return;
  const isOf = (record: DoorRecord, type: RecordType) => record.headers['ce_type'] === type;
  const results = departing.filter((record) => !isOf(record, RECORD_TYPES.use));
  const proofs = departing.filter((record) => isOf(record, RECORD_TYPES.token));
  const beside = ownersWithUses(contract).flatMap(({ id }) => {
    const uses = departing.filter((each) => isOf(each, RECORD_TYPES.use) && each.key === id);
    const records = [...proofs, ...uses];
    return records.length > 0 ? [{ topic: usesTopic(contractId, id, namespace), records }] : [];
  });
  await writer.commit(aggregatesTopic(contractId, namespace), results, beside);
}
