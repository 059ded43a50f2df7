import type { Query } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId, StreamId } from '@strongroom/protocol/fields';
import type { BatchSeal } from '@strongroom/protocol/sealed-batch';
import type { SessionWindow } from '@strongroom/protocol/windows';
import { describe, expect, test } from 'vitest';
import { datasetWith, encodeColumns } from '../../test/arrow-tables.ts';
import { readArrowBatch } from './engine/arrow-batch.ts';
import { windowRuleOf } from './engine/window.ts';
import { LateRows, mergeLate } from './late-rows.ts';

const columns = [{ name: 'at', type: 'timestamp-ms', nullable: false }] as const;
const visits = datasetWith(columns, { id: 'visits' as DatasetId, eventTime: 'at' });
const reference = datasetWith(columns, { id: 'places' as DatasetId });
const stream = 'main' as StreamId;

function batchOf(times: readonly number[], sequence = 0) {
  const bytes = encodeColumns([{ contract: columns[0], values: times.map(BigInt) }]);
  const eventTime = { min: Math.min(...times), max: Math.max(...times) };
  const seal = { dataset: visits.id, stream, sequence, eventTime } as BatchSeal;
  return { seal, arrowBatch: readArrowBatch(bytes, visits, times.length) };
}

function openQuery(window: Query['window'], closedUntil: number | null, latenessMs = 0) {
  const query = { id: window.kind as QueryId, window, latenessMs } as Query;
  const rule = windowRuleOf(query) ?? expect.fail('a window in time');
  return { query, rule, closedUntil, leavesLateOut: window.kind === 'session' };
}
const tumbling = { kind: 'tumbling', sizeMs: 1_000 } as const;
const hopping = { kind: 'hopping', sizeMs: 3_000, advanceMs: 1_000 } as const;
const session: SessionWindow = {
  ...{ kind: 'session', key: 'who', sizeMs: 1_000 },
  ...{ gapMs: 100, maximumMs: 1_000 },
};

describe('late rows', () => {
  const times = [-1, 999, 1_000, 2_999, 3_000, 4_500];

  test('are those before the end of the newest closed window, for each query its own', () => {
    const rows = new LateRows();
    const open = [openQuery(tumbling, 1_000), openQuery(hopping, 3_000), openQuery(session, 1_000)];
    const { late, lateBelow } = rows.judge(batchOf(times), true, visits, open);
    expect(late).toEqual([
      { query: 'tumbling', rows: 2, excluded: 2, missed: { start: -1_000, end: 1_000 } },
      // [0, 3000) is closed and [1000, 4000) is open: 1,000 and 2,999 are counted there.
      { query: 'hopping', rows: 4, excluded: 2, missed: { start: -3_000, end: 3_000 } },
      { query: 'session', rows: 2, excluded: 2, missed: { start: 0, end: 1_000 } },
    ]);
    expect(lateBelow).toEqual(new Map([['session', 1_000]]));
    expect(rows.count('hopping' as QueryId, visits.id, stream)).toBe(4);
    expect(rows.count('hopping' as QueryId, visits.id, 'other' as StreamId)).toBe(0);
  });

  test('are none on the boundary, before the first window, or without an event time', () => {
    const rows = new LateRows();
    const next = batchOf([1_000, 1_001]);
    expect(rows.judge(next, true, visits, [openQuery(tumbling, 1_000)]).late).toEqual([]);
    expect(rows.judge(next, true, visits, [openQuery(tumbling, null)]).late).toEqual([]);
    expect(rows.judge(next, true, visits, []).late).toEqual([]);
    expect(rows.judge(next, true, reference, [openQuery(tumbling, 9_000)]).late).toEqual([]);
  });

  test('are told once, and known again when they are read again', () => {
    const rows = new LateRows();
    rows.judge(batchOf([500], 3), true, visits, [openQuery(session, 1_000)]);
    rows.judge(batchOf([700], 5), true, visits, [openQuery(session, 1_000)]);
    rows.judge(batchOf([1_500], 6), true, visits, [openQuery(session, 2_000)]);
    const state = rows.state('session' as QueryId, () => true);
    expect(state).toEqual([
      {
        ...{ dataset: 'visits', stream: 'main', rows: 3 },
        spans: [
          { first: 3, last: 5, below: 1_000 },
          { first: 6, last: 6, below: 2_000 },
        ],
      },
    ]);
    const again = new LateRows();
    again.restore('session' as QueryId, state);
    // By now more is closed, but what counts is what was closed when the batch came first.
    const open = [openQuery(session, 9_000)];
    const belowOf = (sequence: number) => {
      const judged = again.judge(batchOf([500], sequence), false, visits, open);
      expect(judged.late).toEqual([]);
      return judged.lateBelow.get('session' as QueryId);
    };
    expect([2, 3, 4, 5, 6, 7].map(belowOf)).toEqual([
      undefined,
      ...[1_000, 1_000, 1_000],
      2_000,
      undefined,
    ]);
    expect(again.count('session' as QueryId, visits.id, stream)).toBe(3);
  });

  test('of batches that are not read again leave only their number', () => {
    const rows = new LateRows();
    rows.judge(batchOf([500], 3), true, visits, [openQuery(session, 1_000)]);
    rows.judge(batchOf([1_500], 6), true, visits, [openQuery(session, 2_000)]);
    const from = (sequence: number) =>
      rows.state('session' as QueryId, (at) => at.sequence >= sequence)[0];
    expect(from(4)).toMatchObject({ rows: 2, spans: [{ first: 6 }] });
    expect(from(7)).toMatchObject({ rows: 2, spans: [] });
  });

  test('of several batches are told as one, query by query', () => {
    const one = { query: 'a' as QueryId, rows: 2, excluded: 1, missed: { start: 0, end: 5 } };
    const other = { ...one, rows: 3, excluded: 0, missed: { start: -5, end: 1 } };
    const apart = { ...one, query: 'b' as QueryId };
    expect(mergeLate([one, apart, other])).toEqual([
      { query: 'a', rows: 5, excluded: 1, missed: { start: -5, end: 5 } },
      apart,
    ]);
  });
});
