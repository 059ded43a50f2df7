import assert from 'node:assert/strict';
import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { SourceRows } from './source-vector.ts';

/**
 * What a query says about a row in its last column: 0 when nothing is wrong with it, else one of
 * these plus the column's place in the contract, counted from 1.
 */
export const FLAGS = { type: 0, missing: 1_000, unknown: 2_000, malformed: 3_000 } as const;

/**
 * Takes the flags off and refuses the first row that has one.
 * @param skipped rows of the source before the first one
 * @param foundType what the columns of this format are before they are read as the contract's type
 * @throws ERR_COLUMN_TYPE, ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN, ERR_SOURCE_MALFORMED
 */
export async function* refuseFlaggedRows(
  source: AsyncIterable<SourceRows>,
  dataset: Dataset,
  skipped: number,
  foundType: string,
): AsyncIterable<SourceRows> {
  let before = skipped;
  for await (const { from, to, vectors } of source) {
    const flags = vectors.at(-1);
    assert(flags !== undefined && flags.kind !== 'text');
    const bad = flags.values.findIndex((flag, row) => flag !== 0 && row >= from && row < to);
    if (bad >= 0) {
      throw flaggedRow(flags.values[bad] ?? 0, dataset, before + bad - from + 1, foundType);
    }
    yield { from, to, vectors: vectors.slice(0, -1) };
    before += to - from;
  }
}

function flaggedRow(flag: number, dataset: Dataset, row: number, foundType: string) {
  if (flag >= FLAGS.malformed) return new StrongroomError('ERR_SOURCE_MALFORMED', { row });
  if (flag >= FLAGS.unknown) {
    return new StrongroomError('ERR_COLUMN_UNKNOWN', { dataset: dataset.id, row });
  }
  const column = dataset.columns[(flag % 1_000) - 1];
  const named = { column: column?.name ?? '', row };
  if (flag >= FLAGS.missing) return new StrongroomError('ERR_COLUMN_MISSING', named);
  const expectedType = column?.type ?? '';
  return new StrongroomError('ERR_COLUMN_TYPE', { ...named, expectedType, foundType });
}
