import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Logger } from '@strongroom/runtime/logger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DATABASE_FILE, storageRefusal } from './storage/database.ts';

/**
 * Refusals in Azure's shape. `error.code` is Azure's word for the status; `innererror.code` is our
 * stable code, which Azure's client hands through to its caller.
 */
interface Answer {
  readonly status: number;
  readonly code: string;
}

const FORBIDDEN: Answer = { status: 403, code: 'Forbidden' };
const BAD: Answer = { status: 400, code: 'BadParameter' };
const CONFLICT: Answer = { status: 409, code: 'Conflict' };
const UNAVAILABLE: Answer = { status: 503, code: 'ServiceUnavailable' };
const ANSWERS: Partial<Record<ErrorCode, Answer>> = {
  ERR_UNAUTHENTICATED: { status: 401, code: 'Unauthorized' },
  ERR_RIGHT_MISSING: FORBIDDEN,
  ERR_KEY_NOT_FOUND: { status: 404, code: 'KeyNotFound' },
  ERR_KEY_DISABLED: FORBIDDEN,
  ERR_TOKEN_INVALID: FORBIDDEN,
  ERR_EVIDENCE_MALFORMED: FORBIDDEN,
  ERR_REPORT_MALFORMED: FORBIDDEN,
  ERR_REPORT_SIGNATURE: FORBIDDEN,
  ERR_CERTIFICATE_CHAIN: FORBIDDEN,
  ERR_VTPM_EVIDENCE: FORBIDDEN,
  ERR_UVM_ENDORSEMENT: FORBIDDEN,
  ERR_APPRAISAL_REFUSED: FORBIDDEN,
  ERR_AGREEMENT_MISSING: FORBIDDEN,
  ERR_LIMIT_EXCEEDED: BAD,
  ERR_CONTRACT_UNKNOWN: { status: 404, code: 'ContractNotFound' },
  ERR_CONTRACT_MALFORMED: BAD,
  ERR_CONTRACT_UNSIGNED: BAD,
  ERR_CONTRACT_SIGNATURE_INVALID: BAD,
  ERR_CONTRACT_MISMATCH: BAD,
  ERR_AMENDMENT_REFUSED: BAD,
  ERR_CONTRACT_PREDECESSOR: CONFLICT,
  ERR_CONTRACT_FORKED: CONFLICT,
  ERR_CONTRACT_SUPERSEDED: FORBIDDEN,
  ERR_PARTY_UNKNOWN: BAD,
  ERR_JSON_MALFORMED: BAD,
  ERR_JSON_NOT_CANONICAL: BAD,
  ERR_ROOT_KIND: FORBIDDEN,
  ERR_REPORT_DATA_MISMATCH: FORBIDDEN,
  ERR_POLICY_DENIED: FORBIDDEN,
  ERR_MEASUREMENT_MISMATCH: FORBIDDEN,
  ERR_OPERATION_NOT_OFFERED: FORBIDDEN,
  ERR_RATE_LIMITED: { status: 429, code: 'Throttled' },
  ERR_CONTRACT_REVOKED: FORBIDDEN,
  ERR_NONCE_SPENT: FORBIDDEN,
  ERR_SLICE_UNKNOWN: BAD,
  ERR_LEASE_INVALID: FORBIDDEN,
  ERR_LEASE_HELD: CONFLICT,
  ERR_LEASE_LOST: CONFLICT,
  ERR_LEASE_FORKED: CONFLICT,
  ERR_POLICY_IMMUTABLE: CONFLICT,
  ERR_KEY_DELETED: CONFLICT,
  ERR_KEY_EXISTS: CONFLICT,
  ERR_BACKUP_OUTDATED: CONFLICT,
  ERR_BACKUP_INVALID: BAD,
  ERR_POLICY_MALFORMED: BAD,
  ERR_REQUEST_INVALID: BAD,
  ERR_BUDGET_UNSET: CONFLICT,
  ERR_BUDGET_EXHAUSTED: CONFLICT,
  ERR_DEBIT_CHANGED: CONFLICT,
  ERR_DEBIT_INVALID: FORBIDDEN,
  ERR_DISK_FULL: UNAVAILABLE,
  ERR_FILE_UNWRITABLE: UNAVAILABLE,
  ERR_STATE_CORRUPT: UNAVAILABLE,
  ERR_AUDIT_BROKEN: UNAVAILABLE,
  ERR_SERVICE_UNREACHABLE: UNAVAILABLE,
};

export interface ErrorAnswerOptions {
  readonly challenge: () => string;
  readonly logger: Logger;
  /** Called before a refusal is answered. */
  readonly record: (refusal: StrongroomError | undefined, request: FastifyRequest) => void;
}

export function addErrorAnswers(scope: FastifyInstance, options: ErrorAnswerOptions): void {
  const { challenge, logger, record } = options;
  scope.setErrorHandler((error, request, reply) => {
    const refusal = recorded(refusalOf(error), request, record);
    const answer = refusal && ANSWERS[refusal.code];
    if (!refusal || !answer) {
      logger.error('request-failed', { code: codeOf(error) ?? 'ERR_INTERNAL' });
      const inner = { code: codeOf(error) ?? 'ERR_INTERNAL' };
      return send(reply, { status: 500, code: 'InternalServerError' }, UNEXPECTED, inner);
    }
    // Every client begins without a token, to be challenged: that is no event.
    const expected = request.headers.authorization === undefined;
    const route = request.routeOptions.url;
    logger[expected ? 'debug' : 'warn']('request-refused', { code: refusal.code, route });
    // RFC 9110 §11.6.1: a 401 always says how to authenticate.
    if (answer.status === 401) reply.header('www-authenticate', challenge());
    const seconds = refusal.facts['retryAfterSeconds'];
    if (typeof seconds === 'number') reply.header('retry-after', seconds);
    return send(reply, answer, refusal.message, { code: refusal.code, ...refusal.facts });
  });
}

/** A refusal that cannot be written down is answered as that. */
function recorded(
  refusal: StrongroomError | undefined,
  request: FastifyRequest,
  record: ErrorAnswerOptions['record'],
): StrongroomError | undefined {
  try {
    record(refusal, request);
    return refusal;
  } catch (error) {
    return refusalOf(error);
  }
}

const UNEXPECTED = 'the request could not be answered';

/** Ours, SQLite's in our words, or fastify's own: no JSON, too long, of another type. */
function refusalOf(thrown: unknown): StrongroomError | undefined {
  const error = storageRefusal(thrown, DATABASE_FILE);
  if (error instanceof StrongroomError) return error;
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status !== 'number' || status >= 500) return undefined;
  return new StrongroomError('ERR_REQUEST_INVALID', { member: '(body)', status });
}

function send(reply: FastifyReply, answer: Answer, message: string, innererror: object) {
  return reply.code(answer.status).send({ error: { code: answer.code, message, innererror } });
}
