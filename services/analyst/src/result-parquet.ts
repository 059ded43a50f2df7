import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBAppender, type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { readBinaryFile, writeError } from '@strongroom/runtime/files';
import { openNew, partOf, stdoutSink } from './byte-sink.ts';
import {
  type Cell,
  checkSameColumns,
  columnsWithWindow,
  type ResultColumn,
} from './result-columns.ts';
import type { FormatWriter } from './result-writer.ts';

/**
 * Collects the windows of one query in DuckDB's memory and writes them when it is closed.
 * @param path absent for stdout
 */
export function parquetWriter(path: string | undefined, onGone: () => void): FormatWriter {
  let table: ParquetTable | undefined;
  return {
    async write(result) {
      const columns = columnsWithWindow(result);
      table ??= await createTable(columns);
      checkSameColumns(table.columns, columns, result.seal.query);
      await appendRows(table.connection, columns, result.content.rows);
    },
    async close() {
      if (!table) return;
      await (path === undefined ? copyToStdout(table, onGone) : copyToFile(table, path));
      table.close();
    },
    discard() {
      table?.close();
      return Promise.resolve();
    },
  };
}

interface ParquetTable {
  readonly connection: DuckDBConnection;
  readonly columns: readonly ResultColumn[];
  close(): void;
}

async function createTable(columns: readonly ResultColumn[]): Promise<ParquetTable> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const definitions = columns.map((column) => `${quoted(column.name)} ${stagedType(column)}`);
  await connection.run(`CREATE TABLE result (${definitions.join(', ')})`);
  return {
    connection,
    columns,
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** Times and decimals arrive as text and are cast when the file is written: the cast is exact. */
function stagedType(column: ResultColumn): string {
  const castLater = ['date', 'timestamp', 'decimal'].includes(column.kind);
  return castLater ? 'VARCHAR' : column.sqlType;
}

async function appendRows(
  connection: DuckDBConnection,
  columns: readonly ResultColumn[],
  rows: number,
): Promise<void> {
  const appender = await connection.createAppender('result');
  for (let row = 0; row < rows; row += 1) {
    for (const column of columns) appendCell(appender, column, column.cells[row] ?? null);
    appender.endRow();
  }
  appender.closeSync();
}

function appendCell(appender: DuckDBAppender, column: ResultColumn, cell: Cell): void {
  if (cell === null) appender.appendNull();
  else if (typeof cell === 'boolean') appender.appendBoolean(cell);
  else if (typeof cell === 'string') appender.appendVarchar(cell);
  else if (column.kind === 'float') appender.appendDouble(Number(cell));
  else if (column.sqlType === 'UBIGINT') appender.appendUBigInt(BigInt(cell));
  else appender.appendBigInt(BigInt(cell));
}

async function copyToFile(table: ParquetTable, path: string): Promise<void> {
  const unfinished = partOf(path);
  try {
    // The engine would make one that everybody may read; it writes into one that is there.
    await (await openNew(unfinished)).close();
    await table.connection.run(copyStatement(table, unfinished));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw writeError(error, path);
  }
}

/** Parquet is written from its end: a pipe gets it from a private folder that is then removed. */
async function copyToStdout(table: ParquetTable, onGone: () => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-'));
  const path = join(folder, 'result.parquet');
  try {
    await copyToFile(table, path);
    await stdoutSink(onGone).write(await readBinaryFile(path));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function copyStatement({ columns }: ParquetTable, path: string): string {
  const selected = columns.map(
    ({ name, sqlType }) => `CAST(${quoted(name)} AS ${sqlType}) AS ${quoted(name)}`,
  );
  const target = path.replaceAll("'", "''");
  const options = 'FORMAT parquet, USE_TMP_FILE false';
  return `COPY (SELECT ${selected.join(', ')} FROM result) TO '${target}' (${options})`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
