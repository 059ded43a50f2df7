import assert from 'node:assert/strict';
import type { DuckDBType } from '@duckdb/node-api';
import type { Dataset } from '@strongroom/protocol/contract';
import { type ColumnMapping, placeColumns } from './column-mapping.ts';
import { DuckDbSession, engineTypeName, engineTypeOf } from './duckdb-session.ts';
import type { RowReader, RowWindow } from './row-reader.ts';
import type { SourceColumn, SourceKind } from './source-vector.ts';
import { quoteFile, quoteIdentifier } from './sql-text.ts';

/**
 * Opens a Parquet file; nothing but its footer is read yet.
 * @throws ERR_SOURCE_MALFORMED, ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN
 */
export async function openParquet(
  path: string,
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  window: RowWindow,
): Promise<RowReader> {
  const session = await DuckDbSession.open('parquet');
  try {
    const file = parquetTable(path);
    const found = await parquetColumns(session, path);
    const { present, places } = placeColumns(
      dataset,
      mapping,
      found.map(({ name }) => name),
    );
    const columns: SourceColumn[] = [];
    const terms: string[] = [];
    for (const [index, place] of places.entries()) {
      const column = found[place];
      const contract = present.columns[index];
      assert(column !== undefined && contract !== undefined);
      const { problem } = column;
      const type = problem ? undefined : engineTypeOf(column.type, contract.type);
      const name = quoteIdentifier(column.name);
      terms.push(type?.cast === undefined ? name : `CAST(${name} AS ${type.cast})`);
      const { kind, scale, instants } = type ?? {};
      columns.push({
        ...{ name: column.name, type: engineTypeName(column.type), kind },
        ...(scale === undefined ? {} : { scale }),
        ...(instants === undefined ? {} : { instants }),
        ...(problem === undefined ? {} : { problem }),
      });
    }
    const sql = `SELECT ${terms.join(', ')} FROM ${file}`;
    return {
      present,
      columns,
      rows: () => session.rows(sql, columns.map(kindOf), window),
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

export const parquetTable = (path: string) =>
  `read_parquet(${quoteFile(path)}, hive_partitioning = false)`;

export interface ParquetColumn {
  readonly name: string;
  readonly type: DuckDBType;
  /** Why its values cannot be read as they are. */
  readonly problem?: string;
}

/** Columns as the engine reads them, and which of them it would read less of than there is. */
export async function parquetColumns(
  session: DuckDbSession,
  path: string,
): Promise<ParquetColumn[]> {
  const found = await session.describe(`SELECT * FROM ${parquetTable(path)}`);
  const isCut = await cutTimes(session, path);
  const problem = 'nanoseconds, of which only microseconds would be read';
  return found.map((column, place) => (isCut[place] ? { ...column, problem } : column));
}

/**
 * Of each column, whether its times have nanoseconds that the engine drops without a word: those
 * with a zone, and those of 96 bits, which it takes for ones without.
 */
async function cutTimes(session: DuckDbSession, path: string): Promise<boolean[]> {
  const [root, ...elements] = await session.texts(
    `SELECT coalesce(num_children, 0), type, logical_type FROM parquet_schema(${quoteFile(path)})`,
  );
  const columns: boolean[] = [];
  let at = 0;
  /** Depth first: what a nested column is made of stands behind it. */
  const pass = (): void => {
    const [children] = elements[at] ?? [];
    at += 1;
    for (let child = 0; child < Number(children ?? 0); child += 1) pass();
  };
  while (columns.length < Number(root?.[0] ?? 0)) {
    const [, type, logical = ''] = elements[at] ?? [];
    const isNanos = /isAdjustedToUTC=1\b.*NANOS=NanoSeconds/.test(logical);
    columns.push(type === 'INT96' || isNanos);
    pass();
  }
  return columns;
}

/** ColumnBuilder has refused a column without a kind before its rows are asked for. */
function kindOf({ kind }: SourceColumn): SourceKind {
  assert(kind !== undefined);
  return kind;
}
