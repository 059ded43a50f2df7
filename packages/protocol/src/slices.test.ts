import { describe, expect, test } from 'vitest';
import type { Dataset } from './contract.ts';
import { contributorsAreApart, sliceProblemIn } from './slices.ts';

const streamsIn = (...partitions: number[]) =>
  partitions.map((partition) => ({ id: `gate-${partition}`, partition }));
const GOOD = {
  relation: 'visits',
  columns: [{ name: 'person', type: 'utf8', nullable: false }],
  rules: { columns: { person: { contributor: true } } },
  partitionBy: 'person',
  streams: streamsIn(0, 1, 2, 3),
};
const PLACES = { relation: 'places', rules: undefined, partitionBy: undefined };
const typed = (type: string) => ({ columns: [{ name: 'person', type, nullable: false }] });
const contractOf = (...changes: readonly object[]) => ({
  slices: 2,
  datasets: changes.map((each) => ({ ...GOOD, ...each })) as unknown as Dataset[],
});

describe('rows of a contributor are in one slice', () => {
  test.each([
    [true, 'in one dataset', [{}]],
    [true, 'in two that are shared out alike', [{}, {}]],
    [true, 'in streams that repeat the slices of others', [{}, { streams: streamsIn(0, 1) }]],
    [true, 'in other partitions of the same slices', [{}, { streams: streamsIn(2, 3, 0, 1) }]],
    [true, 'as numbers of two widths', [typed('int32'), typed('int64')]],
    [true, 'beside a table that is about nobody', [{}, { ...PLACES }]],
    [true, 'whatever another relation has', [{}, { relation: 'other', partitionBy: undefined }]],
    [false, 'where rows are not shared out', [{ partitionBy: undefined }]],
    [false, 'by another column', [{ partitionBy: 'place' }]],
    [false, 'by one of two owners', [{}, { partitionBy: undefined }]],
    [
      false,
      'by one owner that alone has rules',
      [{}, { rules: undefined, partitionBy: undefined }],
    ],
    [false, 'in a second table that is not', [{}, { ...PLACES, rules: GOOD.rules }]],
    [false, 'in streams in another order', [{}, { streams: streamsIn(1, 0, 3, 2) }]],
    [false, 'in three streams beside four', [{}, { streams: streamsIn(0, 1, 2) }]],
    [false, 'as a text and as a number', [{}, typed('int32')]],
    [false, 'as times of two types', [typed('timestamp-ms'), typed('timestamp-us')]],
  ])('%s: %s', (expected, _what, changes) => {
    const query = { relations: ['visits', 'places'] };
    expect(contributorsAreApart(contractOf(...changes), query)).toBe(expected);
  });

  test('where noise is added over slices', () => {
    const query = { id: 'each', relations: ['visits'], privacy: {}, window: { kind: 'whole' } };
    const problemOf = (change: object) =>
      sliceProblemIn({ ...contractOf(change), queries: [query] as never });
    expect(problemOf({})).toBeUndefined();
    expect(problemOf({ partitionBy: undefined })).toContain('each has noise');
  });

  test('where sessions are cut', () => {
    const timed = { eventTime: 'at', partitionBy: 'person' };
    const window = { kind: 'session', key: 'person' };
    const query = { id: 'each', relations: ['visits', 'places'], window };
    const problemOf = (...changes: readonly object[]) =>
      sliceProblemIn({ ...contractOf(...changes), queries: [query] as never });
    const other = { ...timed, relation: 'places' };
    expect(problemOf(timed, other)).toBeUndefined();
    expect(problemOf(timed, { ...other, eventTime: undefined, partitionBy: 'x' })).toBeUndefined();
    for (const change of [{ partitionBy: 'place' }, { streams: streamsIn(1, 0) }]) {
      expect(problemOf(timed, { ...other, ...change })).toContain('each has sessions');
    }
  });
});
