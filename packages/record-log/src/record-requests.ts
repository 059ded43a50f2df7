import type { LogRecord, TopicRecords } from './log.ts';
import { LogError } from './log-error.ts';
import { headersWithHint } from './trace-hint.ts';

/**
 * Kafka's default `message.max.bytes` is 1,048,588 for all records of one request to a partition;
 * Event Hubs closes the connection above 1,046,528.
 */
export const REQUEST_BYTES_MAX = 1_040_000;

/** The head of a record batch (magic 2) and of the request around it. */
const REQUEST_OVERHEAD_BYTES = 512;
/** Length, attributes, deltas and the lengths of key and value, as the longest varints. */
const RECORD_OVERHEAD_BYTES = 32;
/** The lengths of a header's name and value. */
const HEADER_OVERHEAD_BYTES = 6;

/**
 * Splits records, in order, into requests that every broker accepts. Throws ERR_LIMIT_EXCEEDED
 * when one record alone is too large, before anything is sent.
 */
export function splitIntoRequests(records: readonly LogRecord[]): LogRecord[][] {
  const requests: LogRecord[][] = [];
  let current: LogRecord[] = [];
  let currentBytes = REQUEST_OVERHEAD_BYTES;
  for (const record of records) {
    const bytes = recordBytes(record);
    assertFits(REQUEST_OVERHEAD_BYTES + bytes);
    if (current.length > 0 && currentBytes + bytes > REQUEST_BYTES_MAX) {
      requests.push(current);
      current = [];
      currentBytes = REQUEST_OVERHEAD_BYTES;
    }
    current.push(record);
    currentBytes += bytes;
  }
  if (current.length > 0) requests.push(current);
  return requests;
}

/** The requests of one transaction, topic after topic. Throws as `splitIntoRequests` does. */
export function splitByTopic(parts: readonly TopicRecords[]): TopicRecords[] {
  return parts.flatMap(({ topic, records }) =>
    splitIntoRequests(records).map((request) => ({ topic, records: request })),
  );
}

function assertFits(bytes: number): void {
  if (bytes > REQUEST_BYTES_MAX) {
    throw new LogError('ERR_LIMIT_EXCEEDED', { limit: REQUEST_BYTES_MAX, bytes });
  }
}

/** No less than the record takes on the wire. */
function recordBytes(record: LogRecord): number {
  const { key, value } = record;
  const ofHeaders = Object.entries(headersWithHint(record)).reduce(
    (sum, [name, text]) =>
      sum + Buffer.byteLength(name) + Buffer.byteLength(text) + HEADER_OVERHEAD_BYTES,
    0,
  );
  return RECORD_OVERHEAD_BYTES + Buffer.byteLength(key ?? '') + value.byteLength + ofHeaders;
}
