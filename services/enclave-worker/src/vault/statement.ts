import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { RuntimeClaims } from '@strongroom/protocol/evidence';
import {
  EVIDENCE_PURPOSE,
  EvidenceClaimsSchema,
  EvidenceStatementSchema,
  STATEMENT_JWS_TYPE,
  type StatementStream,
} from '@strongroom/protocol/evidence-answer';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import type { Signer } from '@strongroom/sealing/sign';
import type { EntryOutcome, StatementAnswer } from './door.ts';
import { proofHash } from './seal-aggregate.ts';
import type { DatasetStream } from './stream.ts';

/** What the vault knows of itself when it is asked. */
export interface Situation {
  /** Of the start of this process life. */
  readonly claims: RuntimeClaims;
  readonly signer: Signer;
  readonly epoch: number;
  /** The value of the token record that results name. */
  readonly startupProof: string;
  readonly streams: readonly DatasetStream[];
  readonly refusals: Refusals;
}

/**
 * Claims that fresh evidence is to bind, and the statement signed by the key in them. The nonce is
 * a stranger's choice: claims and signature each say what they are for, so that neither can stand
 * in for those of the start or of a result.
 * @throws ERR_CHALLENGE_MALFORMED
 */
export async function answerChallenge(
  nonce: string,
  { claims, signer, epoch, startupProof, streams, refusals }: Situation,
): Promise<StatementAnswer> {
  const { contract, keys } = claims;
  const asked = { contract, keys: [keys[1]], nonce, purpose: EVIDENCE_PURPOSE };
  const evidenceClaims = EvidenceClaimsSchema.safeParse(asked);
  if (!evidenceClaims.success) {
    throw new StrongroomError('ERR_CHALLENGE_MALFORMED', { part: 'nonce' });
  }
  const statement = EvidenceStatementSchema.parse({
    v: 1,
    contract,
    nonce,
    epoch,
    token: proofHash(startupProof),
    streams: streams.map(streamOf),
    refusals: refusals.byCode(),
  });
  const header = { typ: STATEMENT_JWS_TYPE, kid: AGGREGATE_KID };
  return {
    runtimeClaims: encodeBase64url(canonicalBytes(evidenceClaims.data)),
    statement: await signer.sign(canonicalBytes(statement), header),
    startupProof,
  };
}

/** After a restart, what an earlier run has counted counts, though it is being read again. */
function streamOf(stream: DatasetStream): StatementStream {
  const { dataset } = stream;
  const state = stream.state();
  return {
    dataset: dataset.id,
    stream: state?.stream ?? null,
    sequences: state?.counted.sequence ?? 0,
    rows: state?.counted.rows ?? 0,
    final: state?.final ?? false,
  };
}

/** Records that this vault refused, or of which some row was late, by code. */
export class Refusals {
  readonly #counts = new Map<ErrorCode, number>();

  count(outcomes: readonly EntryOutcome[]): void {
    for (const { code, lateRows, again } of outcomes) {
      if (again) continue;
      if (code !== undefined) this.#add(code, 1);
      if (lateRows > 0) this.#add('ERR_LATE_ROWS', 1);
    }
  }

  byCode(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  #add(code: ErrorCode, count: number): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + count);
  }
}
