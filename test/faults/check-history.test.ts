import { describe, expect, test } from 'vitest';
import { checkHistory } from './check-history.ts';
import { ANOMALIES, type AnomalyKind, type History, type Stored } from './history.ts';

/** The checker finds what it is for: one planted history for each anomaly, and none in a good one. */

const TOPIC = 'results';
const DATA = 'rows';

const stored = (offset: number, value: string, more: Partial<Stored> = {}): Stored => ({
  ...{ topic: TOPIC, offset, value, state: 'committed' },
  ...more,
});

const entries = (...offsets: number[]) =>
  offsets.map((offset) => ({ offset, value: `v${offset}` }));

const poll = (offsets: readonly number[], more: Partial<History['polls'][number]> = {}) => ({
  ...{ session: 'reader-1', topic: TOPIC, from: 0, entries: entries(...offsets), end: 100 },
  ...more,
});

const result = (emission: number, more: Partial<History['results'][number]> = {}) => ({
  ...{ query: 'hourly', reader: 'office', emission, window: emission * 10, offset: emission },
  ...{ value: `v${emission}`, state: 'committed' as const },
  ...more,
});

const counts = (...found: [row: string, times: number][]): History['counts'][number] => ({
  ...{ query: 'hourly', window: 0 },
  expected: new Set(['a', 'b']),
  found: new Map(found),
});

/** Three results: 1 was aborted, and told again as 2. */
const GOOD: History = {
  acknowledged: [
    { writer: 'producer', topic: DATA, values: ['r0', 'r1'] },
    { writer: 'worker-1', topic: TOPIC, values: ['v0'] },
    { writer: 'worker-2', topic: TOPIC, values: ['v2', 'v3'] },
  ],
  stored: [
    { topic: DATA, offset: 0, value: 'r0', state: 'committed', place: { line: 's', number: 0 } },
    { topic: DATA, offset: 1, value: 'r1', state: 'committed', place: { line: 's', number: 1 } },
    // A producer that was killed sends it once more, byte by byte.
    { topic: DATA, offset: 2, value: 'r0', state: 'committed', place: { line: 's', number: 0 } },
    stored(0, 'v0'),
    stored(1, 'v2', { state: 'aborted' }),
    stored(2, 'v2'),
    stored(3, 'v3'),
  ],
  polls: [poll([0, 2]), poll([3]), poll([2, 3], { session: 'reader-2', from: 1 })],
  results: [
    result(0),
    result(1, { offset: 1, value: 'v2', state: 'aborted' }),
    result(1, { offset: 2, value: 'v2' }),
    result(2, { offset: 3, value: 'v3' }),
  ],
  counts: [counts(['a', 1], ['b', 1])],
  windows: { hourly: 3 },
};

const with_ = (change: Partial<History>): History => ({ ...GOOD, ...change });
const moreStored = (...more: Stored[]) => with_({ stored: [...GOOD.stored, ...more] });
const morePolls = (...more: History['polls']) => with_({ polls: [...GOOD.polls, ...more] });
const moreResults = (...more: History['results']) => with_({ results: [...GOOD.results, ...more] });

/** Every one differs from the good history in one thing. */
const PLANTED: readonly [kind: AnomalyKind, what: string, history: History][] = [
  [
    'lost-write',
    'an acknowledged commit is not on the disk',
    with_({
      acknowledged: [...GOOD.acknowledged, { writer: 'worker-2', topic: TOPIC, values: ['v9'] }],
    }),
  ],
  [
    'lost-write',
    'an acknowledged commit was aborted',
    with_({
      stored: [...GOOD.stored, stored(4, 'v4', { state: 'aborted' })],
      acknowledged: [...GOOD.acknowledged, { writer: 'worker-2', topic: TOPIC, values: ['v4'] }],
    }),
  ],
  ['lost-write', 'a row is in no result', with_({ counts: [counts(['a', 1])] })],
  ['duplicate', 'a row counts twice', with_({ counts: [counts(['a', 1], ['b', 2])] })],
  ['duplicate', 'a result was committed twice', moreResults(result(2, { offset: 4, value: 'v3' }))],
  ['phantom-row', 'nobody sent it', with_({ counts: [counts(['a', 1], ['b', 1], ['c', 1])] })],
  [
    'G1a',
    'a reader was shown what was aborted',
    morePolls(poll([1], { from: 1, session: 'x', entries: [{ offset: 1, value: 'v2' }] })),
  ],
  [
    'inconsistent-offsets',
    'a reader was shown another value than the disk holds',
    morePolls(poll([0], { session: 'x', entries: [{ offset: 0, value: 'v7' }] })),
  ],
  [
    'inconsistent-offsets',
    'a reader was shown what is not on the disk',
    morePolls(poll([9], { session: 'x', from: 9 })),
  ],
  [
    'torn-transaction',
    'a result without the entry of its ledger',
    moreStored(
      { ...stored(4, 'v4', { step: '1.7' }), topic: 'uses' },
      { ...stored(5, 'v5', { step: '1.7', state: 'aborted' }), topic: 'other' },
    ),
  ],
  ['poll-skip', 'a reader passed over a record', morePolls(poll([0, 3], { session: 'x' }))],
  ['poll-skip', 'over its first one', morePolls(poll([2], { session: 'x', from: 0 }))],
  ['nonmonotonic-poll', 'a reader went back', morePolls(poll([0, 2, 0], { session: 'x' }))],
  ['nonmonotonic-poll', 'or was shown twice', morePolls(poll([3], { session: 'reader-1' }))],
  [
    'nonmonotonic-send',
    'numbers of one stream fall',
    moreStored({
      ...{ topic: DATA, offset: 3, value: 'r3', state: 'committed' },
      place: { line: 's', number: 0 },
    }),
  ],
  [
    'nonmonotonic-send',
    'acknowledged in another order than stored',
    with_({
      acknowledged: [{ writer: 'worker-2', topic: TOPIC, values: ['v3', 'v2'] }],
    }),
  ],
  ['unseen', 'no reader was shown it', moreStored(stored(4, 'v4'))],
  [
    'precommitted-read',
    'shown behind the committed end',
    morePolls(poll([0], { session: 'x', end: 0 })),
  ],
  [
    'precommitted-read',
    'shown and still open',
    with_({
      stored: [...GOOD.stored, stored(4, 'v4', { state: 'open' })],
      polls: [...GOOD.polls, poll([4], { session: 'x', from: 4 })],
    }),
  ],
  [
    'divergent-result',
    'an aborted copy has other bytes',
    moreResults(result(2, { offset: 4, value: 'other', state: 'aborted' })),
  ],
  [
    'divergent-result',
    'a committed copy has other bytes',
    moreResults(result(2, { offset: 4, value: 'other' })),
  ],
  ['gap', 'a window was left out', moreResults(result(4, { offset: 4 }))],
  ['gap', 'windows go back', moreResults(result(3, { offset: 4, window: 10 }))],
  ['gap', 'the last window is missing', with_({ windows: { hourly: 4 } })],
];

/** Said by the run itself, which sees processes and a clock. */
const OF_THE_RUN: readonly AnomalyKind[] = [
  'no-progress',
  'worker-halted',
  'refused-result',
  'run-failed',
];

describe('the checker of histories', () => {
  test('finds nothing in a good one', () => {
    expect(checkHistory(GOOD)).toEqual([]);
  });

  test.each(PLANTED)('finds %s: %s', (kind, _what, history) => {
    expect(checkHistory(history).map((each) => each.kind)).toContain(kind);
  });

  test('has a planted history for every anomaly that a history can show', () => {
    const planted = new Set([...PLANTED.map(([kind]) => kind), ...OF_THE_RUN]);
    expect([...planted].sort()).toEqual([...ANOMALIES].sort());
  });
});
