import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { VerifiedResult } from '../open-aggregate.ts';
import { type Cell, columnsWithWindow, type ResultColumn } from '../result-columns.ts';

/**
 * Parquet without DuckDB, which no browser has: the same columns in the same types as the command's
 * file. Everything exact goes in as a bigint or as text, never through a double.
 */
export function resultParquet(results: readonly VerifiedResult[]): ArrayBuffer {
  const all = results.map(columnsWithWindow);
  const [first = []] = all;
  const forms = first.map((column) => ({ name: column.name, ...formOf(column) }));
  return parquetWriteBuffer({
    schema: [
      { name: 'root', num_children: forms.length },
      ...forms.map(({ name, element }): SchemaElement => {
        return { name, repetition_type: 'OPTIONAL', ...element };
      }),
    ],
    columnData: forms.map(({ name, value }, index) => ({
      name,
      data: all
        .flatMap((columns) => columns[index]?.cells ?? [])
        .map((cell) => (cell === null ? null : value(cell))),
    })),
  });
}

interface Form {
  readonly element: Omit<SchemaElement, 'name'>;
  readonly value: (cell: Exclude<Cell, null>) => unknown;
}

/** By the column's DuckDB type, so that DuckDB reads the types back that it would have written. */
function formOf({ sqlType }: ResultColumn): Form {
  return FORMS[sqlType] ?? decimalForm(sqlType) ?? TEXT;
}

const TEXT: Form = { element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' }, value: String };

const FORMS: Readonly<Record<string, Form>> = {
  BOOLEAN: { element: { type: 'BOOLEAN' }, value: (cell) => cell === true },
  BIGINT: { element: { type: 'INT64' }, value: BigInt },
  UBIGINT: {
    element: { type: 'INT64', converted_type: 'UINT_64' },
    value: (cell) => BigInt.asIntN(64, BigInt(cell)),
  },
  DOUBLE: { element: { type: 'DOUBLE' }, value: Number },
  DATE: {
    element: { type: 'INT32', converted_type: 'DATE' },
    value: (cell) => new Date(`${cell}T00:00:00Z`),
  },
  TIMESTAMP: timestampForm(false),
  TIMESTAMPTZ: timestampForm(true),
};

function timestampForm(isAdjustedToUTC: boolean): Form {
  return {
    element: {
      type: 'INT64',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC, unit: 'MICROS' },
    },
    value: (cell) => microseconds(String(cell)),
  };
}

/** `2001-01-31T06:30:00.123Z`, with three more digits if needed. */
function microseconds(text: string): bigint {
  const more = /\.\d{3}(\d{3})Z$/.exec(text)?.[1] ?? '0';
  const milliseconds = Date.parse(more === '0' ? text : `${text.slice(0, -4)}Z`);
  return BigInt(milliseconds) * 1_000n + BigInt(more);
}

/** Two's complement in 16 bytes: what 38 digits need. */
function decimalForm(sqlType: string): Form | undefined {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(sqlType) ?? [];
  if (precision === undefined) return undefined;
  return {
    element: {
      type: 'FIXED_LEN_BYTE_ARRAY',
      type_length: 16,
      converted_type: 'DECIMAL',
      precision: Number(precision),
      scale: Number(scale),
    },
    value: (cell) => BigInt(String(cell).replace('.', '')),
  };
}
