import type { LogRecord } from './log.ts';

/**
 * Which trace a record belongs to, as its writer says (W3C Trace Context, `traceparent`). It lies
 * in a header of its own, which nobody signs: on the way out it is put beside the record's headers,
 * on the way in it is taken off, so that whoever judges a record sees exactly what was sealed,
 * traced or not. It is a hint of a stranger and good for nothing but a drawing of times.
 */
const TRACE_HEADER = 'traceparent';

/** Version 00 (§3.2): lower case, neither number all zero, 55 characters and not one more. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The headers that go onto the log. */
export function headersWithHint({ headers, trace }: Pick<LogRecord, 'headers' | 'trace'>) {
  return trace === undefined ? { ...headers } : { ...headers, [TRACE_HEADER]: trace };
}

/** The headers of the record itself, and its hint, where it is one: an odd one is nobody's. */
export function takeHint(
  read: Readonly<Record<string, string>>,
): Pick<LogRecord, 'headers' | 'trace'> {
  if (!Object.hasOwn(read, TRACE_HEADER)) return { headers: read };
  const { [TRACE_HEADER]: trace = '', ...headers } = read;
  return TRACEPARENT.test(trace) ? { headers, trace } : { headers };
}
