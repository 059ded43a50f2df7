import { runtimeClaimsOf, type TokenClaims, verifyToken } from '@strongroom/attestation/token';
import {
  type AttestationProof,
  parseProof,
  parseTarget,
} from '@strongroom/protocol/attestation-proof';
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
 * The evidence says what runs now; these tokens, that the key in it was there at the start. So they
 * have expired by now, and only have to have been in force when they were issued.
 * @throws ERR_TOKEN_INVALID, ERR_REPORT_DATA_MISMATCH, ERR_CONTRACT_MISMATCH
 */
export async function verifyStart(
  startupProof: string,
  aggregateKey: SigningKey,
  question: Question,
): Promise<Start> {
  const { tokens } = proofIn(startupProof);
  const told: TokenClaims[] = [];
  for (const jwt of tokens) {
    const { authorities } = question.contract.enclave;
    const claims = await verifyToken(jwt, {
      authorities,
      clock: question.clock,
      expired: 'accepted',
    });
    checkWorker(claims, aggregateKey, question);
    told.push(claims);
  }
  const at = Math.max(...told.map(({ iat }) => iat)) * 1_000;
  return { issuers: told.map(({ iss }) => iss), at };
}

function proofIn(text: string): AttestationProof {
  return text.startsWith('{') ? parseProof(new TextEncoder().encode(text)) : parseTarget(text);
}

function checkWorker(
  claims: TokenClaims,
  aggregateKey: SigningKey,
  { contractId }: Question,
): void {
  const runtime = runtimeClaimsOf(claims);
  if (runtime.contract !== contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { found: runtime.contract });
  }
  const { x } = runtime.keys[1];
  if (aggregateKey.kty !== 'OKP' || aggregateKey.x !== x) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'another worker' });
  }
}
