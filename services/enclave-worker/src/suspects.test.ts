import { StrongroomError } from '@strongroom/protocol/errors';
import type { LogEntry } from '@strongroom/record-log/log';
import { expect, test } from 'vitest';
import { type Part, Suspects } from './suspects.ts';

const entry = (offset: number, partition = 0): LogEntry => ({
  ...{ topic: 't', partition, offset, key: null, headers: {}, value: new Uint8Array(1) },
});
const entries = [0, 1, 2, 3].map((offset) => entry(offset));
const lost = new StrongroomError('ERR_VAULT_LOST', { served: true });
const shapeOf = (parts: readonly Part[]) =>
  parts.map((part) => [part.entries.map(({ offset }) => offset), part.deaths]);

test('nobody is suspected before a vault is lost', () => {
  expect(shapeOf(new Suspects().partsOf('d', entries))).toEqual([[[0, 1, 2, 3], undefined]]);
});

test('what was lost together is tried one by one, and the one that kills is counted', () => {
  const suspects = new Suspects();
  suspects.failed('d', { entries: entries.slice(1, 3) }, lost);
  const parts = suspects.partsOf('d', entries);
  expect(shapeOf(parts)).toEqual([
    [[0], undefined],
    [[1], 0],
    [[2], 0],
    [[3], undefined],
  ]);
  const [, innocent = parts[0], guilty = parts[0]] = parts;
  if (!innocent || !guilty) throw new Error('there are four');
  suspects.taken('d', innocent, false);
  suspects.failed('d', guilty, lost);
  expect(shapeOf(suspects.partsOf('d', entries))).toEqual([
    [[0, 1], undefined],
    [[2], 1],
    [[3], undefined],
  ]);
  for (const deaths of [1, 2]) suspects.failed('d', { entries: [entry(2)], deaths }, lost);
  expect(shapeOf(suspects.partsOf('d', [entry(2)]))).toEqual([[[2], 3]]);
  // Refused for good: the next life must not try it again.
  suspects.taken('d', { entries: [entry(2)], deaths: 3 }, true);
  expect(shapeOf(suspects.partsOf('d', [entry(2)]))).toEqual([[[2], 3]]);
  // Another record at the same offset, elsewhere.
  expect(shapeOf(suspects.partsOf('other', [entry(2)]))).toEqual([[[2], undefined]]);
  expect(shapeOf(suspects.partsOf('d', [entry(2, 1)]))).toEqual([[[2], undefined]]);
});

test.each([
  ['the vault was lost while it served another request', { served: false }],
  ['the vault was lost before', {}],
])('%s: nobody is suspected', (_name, facts) => {
  const suspects = new Suspects();
  suspects.failed('d', { entries }, new StrongroomError('ERR_VAULT_LOST', facts));
  suspects.failed('d', { entries }, new StrongroomError('ERR_VAULT_MEMORY', { served: true }));
  suspects.failed('d', { entries }, new Error('a fault of the log'));
  expect(shapeOf(suspects.partsOf('d', entries))).toEqual([[[0, 1, 2, 3], undefined]]);
});

test('only the newest loss is remembered of those that were together', () => {
  const suspects = new Suspects();
  for (let offset = 0; offset < 1_000; offset += 2) {
    suspects.failed('d', { entries: [entry(offset), entry(offset + 1)] }, lost);
  }
  const all = Array.from({ length: 1_000 }, (_none, offset) => entry(offset));
  expect(shapeOf(suspects.partsOf('d', all)).slice(1)).toEqual([
    [[998], 0],
    [[999], 0],
  ]);
});
