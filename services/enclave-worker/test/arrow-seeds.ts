import { COLUMN_TYPES, type ColumnType, type Dataset } from '@strongroom/protocol/contract';
import { type ArrowMap, mapArrow } from './arrow-spots.ts';
import {
  type CellValue,
  columnOf,
  datasetWith,
  encodeColumns,
  type TestColumn,
} from './arrow-tables.ts';

/** Good streams that mutants are made of: every type, with and without nulls, small and larger. */
export interface ArrowSeed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly map: ArrowMap;
  readonly dataset: Dataset;
  readonly rows: number;
}

const WHOLE = [0, 1, -1, 7, 100, -128, 127, 42];
const MORE: readonly CellValue[] = [2n ** 62n, -(2n ** 62n), 0n, 1n, 1_700_000_000_000n, -1n];
const TIMES: readonly CellValue[] = [2n ** 47n, -(2n ** 45n), 0n, 1n, 1_700_000_000_000n, -1n];
const POOLS: Readonly<Record<ColumnType, readonly CellValue[]>> = {
  bool: [true, false, false, true, true],
  int8: WHOLE,
  int16: [...WHOLE, 32_767, -32_768],
  int32: [...WHOLE, 2 ** 31 - 1, -(2 ** 31)],
  int64: MORE,
  uint8: [0, 1, 127, 128, 255],
  uint16: [0, 1, 255, 256, 65_535],
  uint32: [0, 1, 65_536, 2 ** 31, 2 ** 32 - 1],
  uint64: [0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n],
  float32: [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY],
  decimal128: [0n, 1n, -1n, 10n ** 20n - 1n, 1n - 10n ** 20n, 123_456n],
  float64: [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 5e-324],
  utf8: ['', 'SFO', 'a rather long label for one airport', 'ÄÖÜ', '飛行場', "O'Hare", 'SFO'],
  date32: WHOLE,
  'timestamp-ms': TIMES,
  'timestamp-us': TIMES,
  'timestamp-us-utc': TIMES,
};

/** How the values of a column lie: the share of nulls is what readers get wrong. */
const FILLS = {
  whole: (pool: readonly CellValue[], row: number) => pool[row % pool.length] ?? null,
  holes: (pool: readonly CellValue[], row: number) =>
    row % 3 === 1 ? null : (pool[row % pool.length] ?? null),
  nulls: () => null,
} as const;
const LENGTHS = [1, 8, 9, 65];

export function arrowSeeds(): ArrowSeed[] {
  const seeds: ArrowSeed[] = [];
  for (const fill of ['whole', 'holes', 'nulls'] as const) {
    for (const rows of LENGTHS) {
      for (const type of COLUMN_TYPES) seeds.push(seedOf([type], fill, rows));
    }
    seeds.push(seedOf(COLUMN_TYPES, fill, 9));
    seeds.push(seedOf(['utf8', 'utf8', 'int32'], fill, 17));
  }
  return seeds;
}

function seedOf(types: readonly ColumnType[], fill: keyof typeof FILLS, rows: number): ArrowSeed {
  const columns = types.map(
    (type, index): TestColumn => ({
      contract: columnOf(`c${index}`, type, fill !== 'whole'),
      values: Array.from({ length: rows }, (_none, row) => FILLS[fill](POOLS[type], row + index)),
    }),
  );
  const bytes = encodeColumns(columns);
  const dataset = datasetWith(columns.map(({ contract }) => contract));
  const name = `${types.length === 1 ? types[0] : `${types.length} columns`}, ${fill}, ${rows}`;
  return { name, bytes, map: mapArrow(bytes), dataset, rows };
}
