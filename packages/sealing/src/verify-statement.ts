import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type EvidenceStatement,
  EvidenceStatementSchema,
  STATEMENT_JWS_TYPE,
} from '@strongroom/protocol/evidence-answer';
import { STATEMENT_BYTES_MAX } from '@strongroom/protocol/limits';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import { type JwsCodes, verifyCompact } from './compact-jws.ts';
import { parsePayload } from './payload.ts';

const MALFORMED = 'ERR_STATEMENT_INVALID';
const CODES: JwsCodes = { malformed: MALFORMED, algorithm: MALFORMED, signature: MALFORMED };

/**
 * Verifies a vault's statement about itself. Whether it answers one's own challenge is the caller's
 * question.
 * @param aggregateKey the key that verified evidence binds
 * @throws ERR_STATEMENT_INVALID, ERR_SEAL_VERSION
 */
export async function verifyStatement(
  jws: string,
  aggregateKey: SigningKey,
): Promise<EvidenceStatement> {
  if (jws.length > STATEMENT_BYTES_MAX) {
    throw new StrongroomError(MALFORMED, { limit: 'STATEMENT_BYTES_MAX' });
  }
  const expected = { typ: STATEMENT_JWS_TYPE, kid: AGGREGATE_KID, key: aggregateKey };
  const payload = await verifyCompact(jws, expected, CODES);
  return parsePayload(payload, EvidenceStatementSchema, MALFORMED);
}
