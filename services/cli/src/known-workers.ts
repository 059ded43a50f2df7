import { createHash } from 'node:crypto';
import { type WorkerProof, workerProver } from '@strongroom/attestation/worker-proof';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PROOF_BYTES_MAX, TOKENS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import type { WorkerTrust } from './owner-log.ts';

/** Proofs that have been seen, by the hash that seals name them with. */
export class KnownWorkers {
  readonly #prove: (proof: Uint8Array) => Promise<WorkerProof>;
  readonly #known = new Map<string, { proof: Uint8Array; worker: WorkerProof | StrongroomError }>();

  constructor(authors: WorkerTrust) {
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

  proofsOf(entries: readonly { readonly seal: { readonly token: string } }[]): Uint8Array[] {
    const tokens = new Set(entries.map(({ seal }) => seal.token));
    return [...tokens].flatMap((token) => this.#known.get(token)?.proof ?? []);
  }
}
