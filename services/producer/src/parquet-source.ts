import assert from 'node:assert/strict';
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
    const file = `read_parquet(${quoteFile(path)}, hive_partitioning = false)`;
    const found = await session.describe(`SELECT * FROM ${file}`);
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
      const type = engineTypeOf(column.type, contract.type);
      const name = quoteIdentifier(column.name);
      terms.push(type?.cast === undefined ? name : `CAST(${name} AS ${type.cast})`);
      const { name: sourceName } = column;
      const its = { kind: type?.kind, ...(type?.scale === undefined ? {} : { scale: type.scale }) };
      columns.push({ name: sourceName, type: engineTypeName(column.type), ...its });
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

/** ColumnBuilder has refused a column without a kind before its rows are asked for. */
function kindOf({ kind }: SourceColumn): SourceKind {
  assert(kind !== undefined);
  return kind;
}
