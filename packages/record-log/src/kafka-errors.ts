import { LogError, type LogErrorFacts } from './log-error.ts';

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

/** 47 INVALID_PRODUCER_EPOCH, 49 INVALID_PRODUCER_ID_MAPPING, 90 PRODUCER_FENCED. */
const FENCED_TYPES: ReadonlySet<unknown> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
]);
/** kafkajs does not know 90; its text for an unknown code ends in the number. */
const FENCED_BY_NUMBER = /^Unknown error code 90$/;

/** Any thrown value as an error of the log. */
export function toLogError(thrown: unknown, facts: LogErrorFacts = {}): LogError {
  if (thrown instanceof LogError) return thrown;
  const origin = originOf(thrown);
  const code = UNREACHABLE_NAMES.has(origin.name) ? 'ERR_LOG_UNREACHABLE' : 'ERR_LOG_FAILED';
  return new LogError(code, { reason: reasonOf(origin), ...facts });
}

/** An error of a transaction: taken over by another writer, or an unknown outcome. */
export function toTransactionError(thrown: unknown, facts: LogErrorFacts = {}): LogError {
  if (thrown instanceof LogError && thrown.code === 'ERR_LIMIT_EXCEEDED') return thrown;
  const origin = originOf(thrown);
  const { type, message } = origin;
  const fencedByNumber = typeof message === 'string' && FENCED_BY_NUMBER.test(message);
  const fenced = FENCED_TYPES.has(type) || fencedByNumber;
  const code = fenced ? 'ERR_LOG_FENCED' : 'ERR_LOG_FAILED';
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

const REASON = /^[A-Za-z_]{1,60}$/;

/** A constant of Kafka's or a class name; nothing else. */
function reasonOf({ type, name }: ClientError): string {
  if (typeof type === 'string' && REASON.test(type)) return type;
  return typeof name === 'string' && REASON.test(name) ? name : 'UNKNOWN';
}
