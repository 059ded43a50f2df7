import { LogError } from './log-error.ts';

/**
 * The promise, or ERR_LOG_UNREACHABLE when it has not settled in time. The client under us waits
 * for as long as a broker tells it to: a throttle of 24 days is obeyed.
 */
export async function within<Value>(milliseconds: number, promise: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new LogError('ERR_LOG_UNREACHABLE', { reason: 'DEADLINE', milliseconds }));
  }, milliseconds);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
    // It may fail later, when nobody waits for it any more.
    promise.catch(() => undefined);
  }
}
