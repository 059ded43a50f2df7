import { isMissingRight, LogError, type LogErrorFacts } from './log-error.ts';

/**
 * kafkajs's errors by their names, types and codes. Their text and stack go no further: a client's
 * message may quote what it was sending.
 */
interface ClientError {
  readonly name?: unknown;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

const UNREACHABLE_NAMES: ReadonlySet<unknown> = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSLockTimeout',
]);

/**
 * 47, 49 and 90. Kafka says 47 also to a writer whose transaction it has aborted for its age, and
 * 49 to one whose id it has forgotten: who cannot know that no other has taken over stops.
 */
const FENCED_TYPES: ReadonlySet<unknown> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
]);
/** kafkajs does not know these; its text for an unknown code ends in the number. */
const UNKNOWN_CODE = /^Unknown error code (\d{1,5})$/;
const TYPES_BY_NUMBER: Readonly<Record<string, string>> = {
  90: 'PRODUCER_FENCED',
  120: 'TRANSACTION_ABORTABLE',
};

/**
 * Who is who: the certificate of the log, our own, our password, a right that we do not have.
 */
const REFUSAL_TYPES = /^(SASL_AUTHENTICATION|[A-Z_]+_AUTHORIZATION)_FAILED$/;
const SASL_NAME = 'KafkaJSSASLAuthenticationError';
/** Verdicts on certificates have OpenSSL's names in Node; all else of TLS begins alike. */
const TLS_CODES = /^(ERR_(SSL|TLS)_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_)/;

function isRefusal({ name, code }: ClientError, type: unknown): boolean {
  if (name === SASL_NAME) return true;
  return REFUSAL_TYPES.test(String(type)) || TLS_CODES.test(String(code));
}

/** Any thrown value as an error of the log. */
export function toLogError(thrown: unknown, facts: LogErrorFacts = {}): LogError {
  if (thrown instanceof LogError) return thrown;
  const origin = originOf(thrown);
  // Thrown by what of ours the client has called.
  if (origin instanceof LogError) return new LogError(origin.code, { ...origin.facts, ...facts });
  if (isRefusal(origin, typeOf(origin))) {
    return new LogError('ERR_LOG_REFUSED', { reason: reasonOf(origin), ...facts });
  }
  const code = UNREACHABLE_NAMES.has(origin.name) ? 'ERR_LOG_UNREACHABLE' : 'ERR_LOG_FAILED';
  return new LogError(code, { reason: reasonOf(origin), ...facts });
}

/** Kafka's operation and what it is done to, where an ACL has to allow it. */
export type Right = { readonly right: 'Create' | 'Describe' | 'Read' | 'Write' } & (
  | { readonly topic: string }
  | { readonly group: string }
  | { readonly transactionalId: string }
);

/** Whether an ACL is missing; what else is refused, no right would mend. */
export function isUnauthorized(thrown: unknown): boolean {
  const { code, facts } = toLogError(thrown);
  return code === 'ERR_LOG_REFUSED' && isMissingRight(facts['reason']);
}

/** Does what needs a right, and where that is refused says which one it is. */
export async function byRight<Value>(right: Right, act: () => Promise<Value>): Promise<Value> {
  try {
    return await act();
  } catch (error) {
    throw namingRight(error, right);
  }
}

/** @returns the error itself, unless a right is what is missing */
export function namingRight(thrown: unknown, right: Right): unknown {
  if (!isUnauthorized(thrown)) return thrown;
  // What was named first is nearer to the request.
  return new LogError('ERR_LOG_REFUSED', { ...right, ...toLogError(thrown).facts });
}

/** They say of a transaction what they say of everything. */
const KEPT_CODES: ReadonlySet<string> = new Set(['ERR_LIMIT_EXCEEDED', 'ERR_LOG_REFUSED']);

/** An error of a transaction: taken over by another writer, or an unknown outcome. */
export function toTransactionError(thrown: unknown, facts: LogErrorFacts = {}): LogError {
  if (thrown instanceof LogError) {
    if (KEPT_CODES.has(thrown.code)) return thrown;
    return new LogError('ERR_LOG_FAILED', { ...thrown.facts, ...facts });
  }
  const origin = originOf(thrown);
  if (isRefusal(origin, typeOf(origin))) return toLogError(thrown, facts);
  const code = FENCED_TYPES.has(typeOf(origin)) ? 'ERR_LOG_FENCED' : 'ERR_LOG_FAILED';
  return new LogError(code, { reason: reasonOf(origin), ...facts });
}

const CAUSES_MAX = 8;

/** Retries and aggregates wrap the first error, which says what happened. */
function originOf(thrown: unknown): ClientError {
  let error = asClientError(thrown);
  for (let depth = 0; depth < CAUSES_MAX && error.type === undefined; depth++) {
    const inner = Array.isArray(error.errors) ? error.errors[0] : error.cause;
    if (typeof inner !== 'object' || inner === null) break;
    error = asClientError(inner);
  }
  return error;
}

function asClientError(thrown: unknown): ClientError {
  return typeof thrown === 'object' && thrown !== null ? thrown : {};
}

/** What decoding throws at bytes that are no answer. */
const DECODING: ReadonlySet<unknown> = new Set(['RangeError', 'TypeError']);

function typeOf({ type, message, name }: ClientError): unknown {
  if (type === undefined && DECODING.has(name)) return 'UNREADABLE_ANSWER';
  const number = typeof message === 'string' ? UNKNOWN_CODE.exec(message)?.[1] : undefined;
  return number === undefined ? type : (TYPES_BY_NUMBER[number] ?? `KAFKA_ERROR_${number}`);
}

const REASON = /^[A-Za-z_][A-Za-z0-9_]{0,79}$/;

/** A constant of Kafka's or a class name; nothing else. */
function reasonOf(origin: ClientError): string {
  const { name } = origin;
  const type = typeOf(origin);
  if (name === SASL_NAME) return 'SASL_AUTHENTICATION_FAILED';
  if (typeof origin.code === 'string' && TLS_CODES.test(origin.code)) return origin.code;
  if (typeof type === 'string' && REASON.test(type)) return type;
  return typeof name === 'string' && REASON.test(name) ? name : 'UNKNOWN';
}
