import { createHash } from 'node:crypto';
import type { RootSet } from '@strongroom/attestation/roots';
import { type WorkerProof, workerProver } from '@strongroom/attestation/worker-proof';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { PROOF_BYTES_MAX, TOKENS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import { RECORD_TYPES, usesTopic } from '@strongroom/protocol/record';
import type { UseFact, UseSeal } from '@strongroom/protocol/use-entry';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import { claimedUse, openUse, type SecretReader, useSealIn } from '@strongroom/sealing/open-use';
import { UseChain } from '@strongroom/sealing/use-chain';

/** By whom entries of ledgers have to be written. */
export interface UseAuthors {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** Whose platform raw evidence has to be of, where the contract wants readers to look at it. */
  readonly roots: RootSet;
  readonly clock: Clock;
}

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
  owner: { readonly id: PartyId; readonly secretReader: SecretReader },
  { namespace, ...authors }: UseAuthors & { readonly namespace: string },
): Promise<ReadUses> {
  const { contract, contractId } = authors;
  const chain = new UseChain(contract, contractId, owner.id);
  const workers = new Workers(authors);
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
  { id, secretReader }: { readonly id: PartyId; readonly secretReader: SecretReader },
  workers: Workers,
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

/** Proofs that have been seen, by the hash that seals name them with. */
export class Workers {
  readonly #prove: (proof: Uint8Array) => Promise<WorkerProof>;
  readonly #known = new Map<string, { proof: Uint8Array; worker: WorkerProof | StrongroomError }>();

  constructor(authors: UseAuthors) {
    this.#prove = workerProver(authors);
  }

  /** What is wrong with a proof is told by whoever asks for it. */
  async add(proof: Uint8Array): Promise<void> {
    const hash = createHash('sha256').update(proof).digest('hex');
    if (proof.length > PROOF_BYTES_MAX || this.#known.has(hash)) return;
    const worker = await this.#prove(proof).catch((error: unknown) => {
      if (error instanceof StrongroomError) return error;
      throw error;
    });
    this.#known.set(hash, { proof, worker });
    const [oldest] = this.#known.keys();
    if (this.#known.size > TOKENS_REMEMBERED_MAX && oldest) this.#known.delete(oldest);
  }

  /** @throws ERR_AGGREGATE_PROOF when it was not seen, else what is wrong with it */
  of(token: string): WorkerProof {
    const worker = this.#known.get(token)?.worker;
    if (worker === undefined) throw new StrongroomError('ERR_AGGREGATE_PROOF', { token });
    if (worker instanceof StrongroomError) throw worker;
    return worker;
  }

  proofsOf(entries: readonly ReadUse[]): Uint8Array[] {
    const tokens = new Set(entries.map(({ seal }) => seal.token));
    return [...tokens].flatMap((token) => this.#known.get(token)?.proof ?? []);
  }
}
