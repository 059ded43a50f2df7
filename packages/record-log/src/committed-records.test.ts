import { describe, expect, it } from 'vitest';
import {
  committedRecords,
  type FetchedRecord,
  headersOf,
  positionAfter,
} from './committed-records.ts';

const data = (offset: number, producerId: string, key?: string): FetchedRecord => ({
  offset: String(offset),
  key: key === undefined ? null : Buffer.from(key),
  value: null,
  isControlRecord: false,
  batchContext: { producerId, inTransaction: producerId !== '-1' },
});
/** A mark's key: version and type, 16 bits each; type 0 aborts, 1 commits. */
const mark = (offset: number, producerId: string, type: 0 | 1): FetchedRecord => ({
  ...data(offset, producerId, `\0\0\0${String.fromCharCode(type)}`),
  isControlRecord: true,
});
const aborted = (producerId: string, firstOffset: number) => ({
  producerId,
  firstOffset: String(firstOffset),
});
const offsets = (records: readonly FetchedRecord[]) => records.map(({ offset }) => Number(offset));

describe('committedRecords', () => {
  it('shows commit, hides abort, shows commit of one producer in one fetch', () => {
    const records = [
      data(0, 'a'),
      mark(1, 'a', 1),
      data(2, 'a'),
      mark(3, 'a', 0),
      data(4, 'a'),
      mark(5, 'a', 1),
    ];
    expect(offsets(committedRecords(records, [aborted('a', 2)], 0))).toEqual([0, 4]);
  });

  it('hides two aborts of one producer in one fetch', () => {
    const records = [data(0, 'a'), mark(1, 'a', 0), data(2, 'a'), mark(3, 'a', 0), data(4, 'a')];
    const list = [aborted('a', 0), aborted('a', 2)];
    expect(offsets(committedRecords(records, list, 0))).toEqual([4]);
  });

  it('does not take data with an abort mark’s key for a mark', () => {
    const records = [data(0, 'a', '\0\0\0\0'), data(1, 'a'), data(2, 'a'), mark(3, 'a', 0)];
    expect(committedRecords(records, [aborted('a', 0)], 0)).toEqual([]);
  });

  it('hides two transactions that were open where the fetch begins', () => {
    const records = [data(7, 'a'), data(8, 'b'), mark(9, 'a', 0), mark(10, 'b', 0)];
    const list = [aborted('a', 2), aborted('b', 5)];
    expect(committedRecords(records, list, 7)).toEqual([]);
  });

  it('does not trust the order of the list, which is that of completion', () => {
    const records = [data(0, 'a'), data(1, 'b'), mark(2, 'b', 0), data(3, 'a'), mark(4, 'a', 0)];
    const list = [aborted('b', 1), aborted('a', 0)];
    expect(committedRecords(records, list, 0)).toEqual([]);
  });

  it('hides an abort whose mark is in a later fetch', () => {
    const records = [data(0, 'a'), data(1, '-1'), data(2, 'a')];
    expect(offsets(committedRecords(records, [aborted('a', 0)], 0))).toEqual([1]);
  });

  it('shows records outside of transactions from the same producer id', () => {
    const outside = { ...data(1, 'a'), batchContext: { producerId: 'a', inTransaction: false } };
    expect(offsets(committedRecords([data(0, 'a'), outside], [aborted('a', 0)], 0))).toEqual([1]);
  });

  it('leaves out what lies before the position in the same record batch', () => {
    const records = [data(3, '-1'), data(4, '-1'), data(5, '-1')];
    expect(offsets(committedRecords(records, [], 4))).toEqual([4, 5]);
  });
});

describe('positionAfter', () => {
  it('moves behind marks and aborted records, and never back', () => {
    expect(positionAfter([data(0, 'a'), mark(1, 'a', 0)], 0)).toBe(2);
    expect(positionAfter([], 7)).toBe(7);
    expect(positionAfter([data(3, 'a')], 7)).toBe(7);
  });
});

describe('headersOf', () => {
  const headers = (all: FetchedRecord['headers']) =>
    headersOf({ ...data(0, 'a'), ...(all === undefined ? {} : { headers: all }) });

  it('is text; nothing equals a header that occurs twice or is no UTF-8', () => {
    expect(headers(undefined)).toEqual({});
    expect(headers({ a: Buffer.from('ü'), b: null })).toEqual({ a: 'ü', b: '' });
    expect(headers({ seal: [Buffer.from('x.y.z'), Buffer.from('x.y.z')] })).toEqual({
      seal: 'x.y.z\nx.y.z',
    });
    expect(headers({ seal: Buffer.from([0xff, 0x41]) })).toEqual({ seal: '\ufffdA' });
  });

  it('keeps a header with the name of a prototype as a header', () => {
    const hostile = JSON.parse('{"__proto__": "x", "constructor": "y"}');
    expect(Object.entries(headers(hostile))).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });
});
