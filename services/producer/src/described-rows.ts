import type { ColumnContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { COLUMNS_MAX } from '@strongroom/protocol/limits';
import type { DuckDbSession } from './duckdb-session.ts';

/** What a column of a contract says of its values. */
export type Shape = Pick<ColumnContract, 'type' | 'precision' | 'scale'>;

/** A column of a file, in the file's order. */
export interface ColumnOfSource {
  readonly name: string;
  readonly nullable: boolean;
  /** Undefined where no contract can have it. */
  readonly type: Shape | undefined;
  readonly problem?: string;
}

export interface DescribedRows {
  readonly rows: number;
  readonly found: readonly ColumnOfSource[];
}

/** A column of texts whose type its values tell. */
export interface TextColumn {
  readonly name: string;
  /** In SQL: NULL where the value is missing. */
  readonly value: string;
  /** In SQL: where a value is there and is none of the shape; undefined where all are. */
  misfit(shape: Shape): string | undefined;
  /** Digits before and behind the point at most, in SQL; absent where decimals are no guess. */
  readonly digits?: readonly [whole: string, fraction: string];
}

/** Rows that rule out most types, before all of them are read. */
const SAMPLE_ROWS = 10_000;

/**
 * The first shape of the ladder that all values of a column have, by the rules by which rows are
 * read to be published: what is described here is not refused there.
 * @param ladder types, the narrow ones first
 */
export async function describeTexts(
  session: DuckDbSession,
  table: string,
  columns: readonly TextColumn[],
  ladder: readonly Shape['type'][],
): Promise<DescribedRows> {
  const rungs = columns.map(() => 0);
  let counted: readonly number[] = [];
  let shapes: readonly (Shape | undefined)[] = [];
  for (const from of [`(SELECT * FROM ${table} LIMIT ${SAMPLE_ROWS})`, table]) {
    for (let isSettled = false; !isSettled; ) {
      const tried = columns.map((column, at) => ({ column, type: ladder[rungs[at] ?? 0] }));
      shapes = await Promise.all(
        tried.map(({ column, type }) => shapeOf(session, from, column, type)),
      );
      counted = await countsOf(session, from, columns, shapes);
      const misfits = counted.slice(1 + columns.length);
      for (const [at, misfit] of misfits.entries())
        if (misfit > 0) rungs[at] = (rungs[at] ?? 0) + 1;
      isSettled = misfits.every((misfit) => misfit === 0);
    }
  }
  const [rows = 0, ...values] = counted;
  const found = columns.map(({ name }, at): ColumnOfSource => {
    const nullable = (values[at] ?? 0) < rows;
    // Of a column without a value anything could be said.
    if (values[at] === 0) return { name, nullable, type: { type: 'utf8' } };
    const type = shapes[at];
    const problem = 'its values are of no one type that a contract has';
    return { name, nullable, type, ...(type === undefined ? { problem } : {}) };
  });
  return { rows, found };
}

/** Undefined at the end of the ladder. */
async function shapeOf(
  session: DuckDbSession,
  from: string,
  { digits }: TextColumn,
  type: Shape['type'] | undefined,
): Promise<Shape | undefined> {
  if (type !== 'decimal128') return type && { type };
  const [whole, fraction] = digits ?? ['0', '0'];
  const [found = []] = await session.texts(
    `SELECT coalesce(max(${whole}), 0), coalesce(max(${fraction}), 0) FROM ${from}`,
  );
  const [before = 0, scale = 0] = found.map(Number);
  return { type, precision: before + scale, scale };
}

/** Rows; of each column its values; of each column those that do not fit. */
async function countsOf(
  session: DuckDbSession,
  from: string,
  columns: readonly TextColumn[],
  shapes: readonly (Shape | undefined)[],
): Promise<number[]> {
  const values = columns.map(({ value }) => `count(${value})`);
  const misfits = columns.map((column, at) => {
    const shape = shapes[at];
    const misfit = shape && column.misfit(shape);
    return misfit === undefined ? '0' : `count(*) FILTER (WHERE ${misfit})`;
  });
  const sql = `SELECT count(*), ${[...values, ...misfits].join(', ')} FROM ${from}`;
  const [counts = []] = await session.texts(sql);
  return counts.map(Number);
}

/** @throws ERR_LIMIT_EXCEEDED */
export function demandRoom(columns: number): void {
  if (columns <= COLUMNS_MAX) return;
  const facts = { limit: 'COLUMNS_MAX', most: COLUMNS_MAX, found: columns };
  throw new StrongroomError('ERR_LIMIT_EXCEEDED', facts);
}
