import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  type ColumnContract,
  type ColumnType,
  type Dataset,
  DatasetSchema,
} from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { type Table, tableFromIPC } from 'apache-arrow';
import type { ArrowBatch } from '../src/arrow-batch.ts';
import { openSource, type SourceOptions } from '../src/batch-source.ts';
import type { SourceFormat } from '../src/row-reader.ts';
import { identifySource } from '../src/source-format.ts';
import { openInput, type SourceInput } from '../src/source-input.ts';

/** A column as `name type` or `name type?` when it may be null. */
export function datasetOf(columns: readonly string[], eventTime?: string): Dataset {
  return DatasetSchema.parse({
    id: 'measured',
    owner: 'owner-a',
    relation: 'measured',
    columns: columns.map(columnOf),
    ...(eventTime === undefined ? {} : { eventTime }),
    keyId: 'measured-kek',
    wrappingKey: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
  });
}

function columnOf(text: string): ColumnContract {
  const [name = '', type = ''] = text.split(' ');
  const nullable = type.endsWith('?');
  const bare = (nullable ? type.slice(0, -1) : type) as ColumnType;
  const digits = bare === 'decimal128' ? { precision: 20, scale: 3 } : {};
  return { name, type: bare, nullable, ...digits };
}

/** A folder that goes with the test file that asked for it. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function fileWith(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A Parquet file with the rows of a query. */
export async function parquetWith(folder: string, name: string, sql: string): Promise<string> {
  const path = join(folder, name);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'`);
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return path;
}

export async function readAll(
  dataset: Dataset,
  path: string,
  options: Partial<SourceOptions> & { input?: SourceInput; format?: SourceFormat } = {},
): Promise<ArrowBatch[]> {
  const { input = await openInput(path), format = 'auto', ...rest } = options;
  const source = await openSource({
    ...rest,
    dataset,
    source: await identifySource(input, format),
  });
  try {
    const arrowBatches: ArrowBatch[] = [];
    for await (const arrowBatch of source) arrowBatches.push(arrowBatch);
    return arrowBatches;
  } finally {
    await source.close();
  }
}

/** The code with which reading fails, and all that the error says. */
export async function failureOf(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  try {
    await work;
  } catch (error) {
    const facts = error instanceof Error && 'facts' in error ? JSON.stringify(error.facts) : '';
    return { code: codeOf(error) ?? `${error}`, text: `${error} ${facts}` };
  }
  return { code: 'no error', text: '' };
}

export const tablesOf = (arrowBatches: readonly ArrowBatch[]): Table[] =>
  arrowBatches.map(({ bytes }) => tableFromIPC(bytes));

/** Rows as arrays of plain values: 64-bit integers and times as the raw whole numbers. */
export function rowsOf(arrowBatches: readonly ArrowBatch[]): unknown[][] {
  return tablesOf(arrowBatches).flatMap((table) =>
    Array.from({ length: table.numRows }, (_, row) =>
      table.schema.fields.map((field, column) => {
        const vector = table.getChildAt(column);
        if (vector === null || vector.get(row) === null) return null;
        const raw = /^(Timestamp|Date|Int64|Uint64)/.test(`${field.type}`);
        if (/^Decimal/.test(`${field.type}`)) return decimalOf(vector.get(row));
        return raw ? vector.data[0]?.values[row] : vector.get(row);
      }),
    ),
  );
}

/** 128-bit two's complement in four words, the low one first, without its point. */
function decimalOf(words: Uint32Array): bigint {
  const unsigned = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return BigInt.asIntN(128, unsigned);
}
