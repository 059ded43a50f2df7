import { describe, expect, it } from 'vitest';
import { toLogError, toTransactionError } from './kafka-errors.ts';
import { LogError } from './log-error.ts';

/** Errors as kafkajs makes them. */
function clientError(name: string, more: object = {}): Error {
  return Object.assign(new Error('failed for {"value":"canary"}'), { name, ...more });
}
const exceeded = (cause: unknown) => clientError('KafkaJSNumberOfRetriesExceeded', { cause });

describe('toLogError', () => {
  it('names what is under retries and aggregates', () => {
    const refused = clientError('KafkaJSConnectionError', { code: 'ECONNREFUSED' });
    expect(toLogError(exceeded(refused))).toMatchObject({
      code: 'ERR_LOG_UNREACHABLE',
      facts: { reason: 'KafkaJSConnectionError' },
    });
    const unknown = clientError('KafkaJSProtocolError', { type: 'UNKNOWN_TOPIC_OR_PARTITION' });
    expect(toLogError(exceeded(exceeded(unknown)), { topic: 't' })).toMatchObject({
      code: 'ERR_LOG_FAILED',
      facts: { reason: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 't' },
    });
    const several = clientError('KafkaJSAggregateError', { errors: [unknown, refused] });
    expect(toLogError(several).facts).toEqual({ reason: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });

  it('lets no text of the client through', () => {
    const hostile = clientError('canary name', { type: 'canary type' });
    for (const thrown of [clientError('TypeError'), hostile, 'canary', null, exceeded('canary')]) {
      const error = toLogError(thrown);
      expect(`${JSON.stringify(error)} ${error.stack} ${String(error.cause)}`).not.toContain(
        'canary',
      );
    }
  });

  it('ends at a cause that is its own', () => {
    const circular = clientError('KafkaJSError');
    expect(toLogError(Object.assign(circular, { cause: circular })).code).toBe('ERR_LOG_FAILED');
  });
});

describe('toTransactionError', () => {
  it.each([
    [{ type: 'INVALID_PRODUCER_EPOCH' }, 'ERR_LOG_FENCED'],
    [{ type: 'PRODUCER_FENCED' }, 'ERR_LOG_FENCED'],
    [{ type: 'KAFKAJS_UNKNOWN_ERROR_CODE', message: 'Unknown error code 90' }, 'ERR_LOG_FENCED'],
    [{ type: 'KAFKAJS_UNKNOWN_ERROR_CODE', message: 'Unknown error code 120' }, 'ERR_LOG_FAILED'],
    [{ type: 'INVALID_TXN_STATE' }, 'ERR_LOG_FAILED'],
    [{ name: 'KafkaJSConnectionClosedError' }, 'ERR_LOG_FAILED'],
  ])('%o is %s', (error, code) => {
    expect(toTransactionError(exceeded(clientError('KafkaJSError', error))).code).toBe(code);
  });

  it('passes the limit on, and makes everything else an unknown outcome', () => {
    expect(toTransactionError(new LogError('ERR_LIMIT_EXCEEDED')).code).toBe('ERR_LIMIT_EXCEEDED');
    expect(toTransactionError(new LogError('ERR_LOG_UNREACHABLE')).code).toBe('ERR_LOG_FAILED');
  });
});
