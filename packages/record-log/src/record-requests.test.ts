import { describe, expect, it } from 'vitest';
import type { LogRecord } from './log.ts';
import { REQUEST_BYTES_MAX, splitByTopic, splitIntoRequests } from './record-requests.ts';

const record = (bytes: number): LogRecord => ({
  key: 'k',
  value: new Uint8Array(bytes),
  headers: {},
});
const tooLarge = expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' });

describe('splitIntoRequests', () => {
  it('fills requests in order', () => {
    const records = [400_000, 400_000, 400_000, 1, 900_000].map(record);
    const split = splitIntoRequests(records);
    expect(split.map((request) => request.map(({ value }) => value.length))).toEqual([
      [400_000, 400_000],
      [400_000, 1],
      [900_000],
    ]);
    expect(splitIntoRequests([])).toEqual([]);
  });

  it('counts key and headers in bytes', () => {
    const text = 'ü'.repeat(300_000);
    const large = { key: text, value: new Uint8Array(), headers: { note: text } };
    expect(() => splitIntoRequests([large])).toThrow(tooLarge);
  });

  it('carries the largest record of the protocol', () => {
    expect(splitIntoRequests([record(1_000_000)])).toHaveLength(1);
    expect(() => splitIntoRequests([record(REQUEST_BYTES_MAX)])).toThrow(tooLarge);
  });

  it('keeps the topics of a transaction apart, and their order', () => {
    const parts = [
      { topic: 'a', records: [600_000, 600_000, 1].map(record) },
      { topic: 'b', records: [] },
      { topic: 'c', records: [1, 1].map(record) },
    ];
    const split = splitByTopic(parts);
    expect(split.map(({ topic, records }) => [topic, records.length])).toEqual([
      ['a', 1],
      ['a', 2],
      ['c', 2],
    ]);
    const large = { topic: 'd', records: [record(REQUEST_BYTES_MAX)] };
    expect(() => splitByTopic([...parts, large])).toThrow(tooLarge);
  });
});
