import { isDeepStrictEqual } from 'node:util';
import { workerProver } from '@strongroom/attestation/worker-proof';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { SigningKey } from '@strongroom/protocol/public-key';
import type { Question } from './judge-answer.ts';

/** What authorities said when this worker began, which is also when it got its keys. */
export interface Start {
  readonly issuers: readonly string[];
  /** By the clock of the last of them, milliseconds since 1970. */
  readonly at: number;
}

/**
 * The evidence says what runs now; this proof, that the key in it was there at the start. Its
 * tokens have expired since, and only have to have been in force when they were issued.
 * @throws ERR_REPORT_DATA_MISMATCH for the start of another worker, and what `workerProver` throws
 */
export async function verifyStart(
  startupProof: string,
  aggregateKey: SigningKey,
  question: Question,
): Promise<Start> {
  const proof = await workerProver(question)(new TextEncoder().encode(startupProof));
  if (!isDeepStrictEqual(proof.aggregatesKey, aggregateKey)) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'another worker' });
  }
  return { issuers: proof.issuers, at: proof.issuedAt };
}
