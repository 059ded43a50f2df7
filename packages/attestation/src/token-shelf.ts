import { createHash } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PROOF_BYTES_MAX, TOKENS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import { type ProofOptions, type WorkerProof, workerProver } from './worker-proof.ts';

/** The proofs that have been seen on the log, by the hash that seals name them with. */
export interface TokenShelf {
  /** Checks a proof; what is wrong with it is told by whoever asks for it. */
  add(proof: Uint8Array): Promise<void>;
  /** @throws ERR_AGGREGATE_PROOF when it was not seen, else what `proveWorker` threw */
  proofOf(tokenSha256: string): WorkerProof;
}

export function createTokenShelf(options: ProofOptions): TokenShelf {
  const prove = workerProver(options);
  const proofs = new Map<string, WorkerProof | StrongroomError>();
  return {
    async add(proof) {
      if (proof.length > PROOF_BYTES_MAX) return;
      const hash = createHash('sha256').update(proof).digest('hex');
      if (proofs.has(hash)) return;
      proofs.set(hash, await proofOrError(proof, prove));
      // A log that floods its readers with proofs costs itself its readers, not their memory.
      const [oldest] = proofs.keys();
      if (proofs.size > TOKENS_REMEMBERED_MAX && oldest !== undefined) proofs.delete(oldest);
    },
    proofOf(tokenSha256) {
      const proof = proofs.get(tokenSha256);
      if (proof === undefined) {
        throw new StrongroomError('ERR_AGGREGATE_PROOF', { token: tokenSha256 });
      }
      if (proof instanceof StrongroomError) throw proof;
      return proof;
    },
  };
}

async function proofOrError(
  proof: Uint8Array,
  prove: (proof: Uint8Array) => Promise<WorkerProof>,
): Promise<WorkerProof | StrongroomError> {
  try {
    return await prove(proof);
  } catch (error) {
    if (error instanceof StrongroomError) return error;
    throw error;
  }
}
