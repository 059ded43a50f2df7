import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import { codeOf, type ErrorCode } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { RECORD_TYPES, usesTopic } from '@strongroom/protocol/record';
import type { UseFact, UseSeal } from '@strongroom/protocol/use-entry';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { claimedUse, openUse, useSealIn } from '@strongroom/sealing/open-use';
import { UseChain } from '@strongroom/sealing/use-chain';
import { KnownWorkers } from './known-workers.ts';
import type { ReadingOwner, WorkerTrust } from './owner-log.ts';

/** An entry that was verified and opened. */
export interface ReadUse {
  readonly seal: UseSeal;
  readonly jws: string;
  readonly facts: readonly UseFact[];
  readonly worker: WorkerProof;
}

export interface ReadUses {
  readonly chain: UseChain;
  readonly entries: readonly ReadUse[];
  /** Proofs of the workers that wrote the entries. */
  readonly proofs: readonly Uint8Array[];
  /** Records that were set aside: nothing of them was believed. */
  readonly refused: readonly { readonly offset: number; readonly code: ErrorCode }[];
}

/**
 * One owner's ledger of uses, the whole of it: proof -> key -> signature -> open -> chain.
 * @throws ERR_USES_BROKEN with the first sequence number that is wrong, ERR_LOG_*
 */
export async function readUses(
  log: RecordLog,
  owner: ReadingOwner,
  trust: WorkerTrust & { readonly namespace: string },
): Promise<ReadUses> {
  return new UsesReading(owner, trust).catchUp(log);
}

/** A ledger of uses as far as it was read; it goes on from there when it is asked again. */
export class UsesReading {
  readonly #owner: ReadingOwner;
  readonly #contractId: ContractId;
  readonly #topic: string;
  readonly #chain: UseChain;
  readonly #workers: KnownWorkers;
  readonly #entries: ReadUse[] = [];
  readonly #refused: { offset: number; code: ErrorCode }[] = [];
  #next = 0;

  constructor(
    owner: ReadingOwner,
    { namespace, ...authors }: WorkerTrust & { readonly namespace: string },
  ) {
    const { contract, contractId } = authors;
    this.#owner = owner;
    this.#contractId = contractId;
    this.#topic = usesTopic(contractId, owner.id, namespace);
    this.#chain = new UseChain(contract, contractId, owner.id);
    this.#workers = new KnownWorkers(authors);
  }

  /** Calls must not overlap. @throws ERR_USES_BROKEN, ERR_LOG_* */
  async catchUp(log: RecordLog): Promise<ReadUses> {
    const from = [{ topic: this.#topic, offset: this.#next }];
    for await (const records of log.read(from, { untilEnd: true })) {
      for (const record of records) {
        await this.#take(record);
        this.#next = record.offset + 1;
      }
    }
    const entries = this.#entries;
    const proofs = this.#workers.proofsOf(entries);
    return { chain: this.#chain, entries, proofs, refused: this.#refused };
  }

  async #take(record: LogEntry): Promise<void> {
    const type = record.headers['ce_type'];
    if (type === RECORD_TYPES.token) await this.#workers.add(record.value);
    if (type !== RECORD_TYPES.use) return;
    try {
      const use = await openEntry(record, this.#owner, this.#workers, this.#contractId);
      if (this.#chain.admit(use.seal, use.jws) === 'new') this.#entries.push(use);
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || code === 'ERR_USES_BROKEN') throw error;
      this.#refused.push({ offset: record.offset, code });
    }
  }
}

async function openEntry(
  record: LogEntry,
  { id, secretReader }: ReadingOwner,
  workers: KnownWorkers,
  contractId: ContractId,
): Promise<ReadUse> {
  const worker = workers.of(claimedUse(useSealIn(record)).token);
  const { seal, jws, entry } = await openUse(record, {
    contractId,
    owner: id,
    secretReader,
    aggregateKey: worker.aggregatesKey,
    tokenSha256: worker.token,
  });
  return { seal, jws, facts: entry.facts, worker };
}
