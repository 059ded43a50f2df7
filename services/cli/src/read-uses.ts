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
  { namespace, ...authors }: WorkerTrust & { readonly namespace: string },
): Promise<ReadUses> {
  const { contract, contractId } = authors;
  const chain = new UseChain(contract, contractId, owner.id);
  const workers = new KnownWorkers(authors);
  const entries: ReadUse[] = [];
  const refused: { offset: number; code: ErrorCode }[] = [];
  const topic = usesTopic(contractId, owner.id, namespace);
  for await (const records of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const record of records) {
      const type = record.headers['ce_type'];
      if (type === RECORD_TYPES.token) await workers.add(record.value);
      if (type !== RECORD_TYPES.use) continue;
      try {
        const use = await openEntry(record, owner, workers, contractId);
        if (chain.admit(use.seal, use.jws) === 'new') entries.push(use);
      } catch (error) {
        const code = codeOf(error);
        if (code === undefined || code === 'ERR_USES_BROKEN') throw error;
        refused.push({ offset: record.offset, code });
      }
    }
  }
  return { chain, entries, proofs: workers.proofsOf(entries), refused };
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
