import { describe, expect, test } from 'vitest';
import type { Contract, Dataset, Query } from './contract.ts';
import type { PartyId } from './fields.ts';
import {
  chargesOf,
  contributorOf,
  debitSpanOf,
  isDebitSpanOf,
  type Privacy,
  PrivacySchema,
  privacyProblemIn,
  protectedText,
} from './privacy.ts';

const privacy: Privacy = {
  mechanism: 'laplace',
  loss: { epsilon: '0.5', delta: '0' },
  groupsPerContributor: 1,
  rowsPerGroup: 4,
  confidence: '0.95',
};
const HOUR = 3_600_000;

function queryWith(change: Partial<Privacy> = {}, more: object = {}): Query {
  return {
    id: 'hourly',
    relations: ['visits'],
    window: { kind: 'tumbling', sizeMs: HOUR },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
    privacy: { ...privacy, ...change },
    ...more,
  } as unknown as Query;
}

function dataset(id: string, owner: string, rules?: object): Dataset {
  return { id, owner, relation: 'visits', ...(rules ? { rules } : {}) } as unknown as Dataset;
}
const people = { columns: { person: { contributor: true }, place: { dimension: {} } } };
const visits = dataset('visits-west', 'west', people);

describe('the member', () => {
  test.each<[string, object]>([
    ['a loss as a number', { loss: { rho: 0.5 } }],
    ['two measures', { loss: { rho: '1', epsilon: '1', delta: '0' } }],
    ['another mechanism', { mechanism: 'staircase' }],
    ['no group', { groupsPerContributor: 0 }],
    ['half a row', { rowsPerGroup: 0.5 }],
    ['one edge', { bins: { delay: ['1'] } }],
    ['an edge with two spellings', { bins: { delay: ['0', '1.0'] } }],
    ['certainty', { confidence: '1' }],
    ['no confidence', { confidence: '0.00' }],
    ['ten digits', { fractionDigits: { delay: 10 } }],
    ['an unknown member', { seed: 1 }],
  ])('%s is refused', (_name, change) => {
    expect(PrivacySchema.safeParse(privacy).success).toBe(true);
    expect(PrivacySchema.safeParse({ ...privacy, ...change }).success).toBe(false);
  });
});

describe('what a query promises', () => {
  const whole = { window: { kind: 'whole' } };
  test.each<[string, Query, Dataset[], RegExp]>([
    ['no rules', queryWith(), [dataset('a', 'west')], /rules/],
    ['no contributor', queryWith(), [dataset('a', 'west', { columns: {} })], /contributor/],
    ['nothing', queryWith({ loss: { rho: '0' } }), [visits], /above 0/],
    ['no delta', queryWith({ loss: { rho: '1', delta: '0' } }), [visits], /delta beside rho/],
    ['delta alone', queryWith({ loss: { epsilon: '0', delta: '0.1' } }), [visits], /above 0/],
    ['certain failure', queryWith({ loss: { epsilon: '1', delta: '1' } }), [visits], /below 1/],
    [
      'an exact minimum',
      queryWith({}, { disclosure: { minimumGroupRows: 2, groupRowsColumn: 'n' } }),
      [visits],
      /minimumGroupRows/,
    ],
    ['sessions', queryWith({}, { window: { kind: 'session' } }), [visits], /sessions/],
    ['totals of a whole', queryWith({ continual: { windows: 4 } }, whole), [visits], /tumbling/],
    ['a period of three', queryWith({ continual: { windows: 3 } }), [visits], /power of two/],
    ['falling edges', queryWith({ bins: { x: ['1', '-1'] } }), [visits], /rise/],
    ['equal edges', queryWith({ bins: { x: ['1', '1'] } }), [visits], /rise/],
  ])('%s is refused', (_name, query, inputs, problem) => {
    expect(privacyProblemIn(query, inputs)).toMatch(problem);
  });

  test('and what holds is not', () => {
    const reference = dataset('places', 'east', { columns: {} });
    expect(privacyProblemIn(queryWith(), [visits, reference])).toBeUndefined();
    expect(privacyProblemIn({ ...queryWith({}, whole) }, [visits])).toBeUndefined();
    expect(privacyProblemIn(queryWith({ continual: { windows: 8 } }), [visits])).toBeUndefined();
  });
});

describe('what a result uses up', () => {
  const datasets = [
    dataset('z', 'west', people),
    dataset('a', 'west', people),
    dataset('reference', 'west', { columns: {} }),
    dataset('east', 'east', people),
    { ...dataset('unread', 'west', people), relation: 'other' },
  ];
  const contract = { datasets } as unknown as Contract;

  test('every dataset of the owner that holds contributors, in order', () => {
    const loss = privacy.loss;
    const charges = chargesOf(contract, queryWith(), 'west' as PartyId);
    expect(charges).toEqual([
      { dataset: 'a', loss },
      { dataset: 'z', loss },
    ]);
    expect(chargesOf(contract, queryWith(), 'north' as PartyId)).toEqual([]);
    const { privacy: _none, ...exact } = queryWith();
    expect(chargesOf(contract, exact, 'west' as PartyId)).toEqual([]);
    expect(datasets.map(contributorOf)).toEqual([
      'person',
      'person',
      undefined,
      'person',
      'person',
    ]);
  });

  test('a window is debited, of running totals the whole period', () => {
    const hour = (at: number) => ({ start: at * HOUR, end: (at + 1) * HOUR });
    const period = { start: -4 * HOUR, end: 0 };
    expect(debitSpanOf(queryWith(), hour(-1))).toEqual(hour(-1));
    expect(debitSpanOf(queryWith({}, { window: { kind: 'whole' } }), null)).toBeNull();
    const totals = queryWith({ continual: { windows: 4 } });
    for (const at of [-4, -1]) expect(debitSpanOf(totals, hour(at))).toEqual(period);
    expect(debitSpanOf(totals, hour(0))).toEqual({ start: 0, end: 4 * HOUR });
    expect(isDebitSpanOf(totals, period)).toBe(true);
    expect(isDebitSpanOf(totals, hour(0))).toBe(false);
    expect(isDebitSpanOf(totals, { start: HOUR, end: 5 * HOUR })).toBe(false);
    expect(isDebitSpanOf(totals, null)).toBe(false);
    expect(isDebitSpanOf(queryWith(), hour(3))).toBe(true);
    expect(isDebitSpanOf(queryWith(), { start: 1, end: HOUR + 1 })).toBe(false);
  });
});

test('what is hidden is said as it is: of one window, or of a whole period', () => {
  const continual = { windows: 8 };
  expect(protectedText(privacy)).toBe('all rows of a contributor in one window');
  expect(protectedText({ ...privacy, continual })).toContain('one window, not in all');
  const period = { ...continual, protects: 'period' } as const;
  expect(protectedText({ ...privacy, continual: period })).toContain('in a period of 8 windows');
});
