import { StrongroomError } from '@strongroom/protocol/errors';
import type { AggregateContent, AggregateSeal } from '@strongroom/protocol/sealed-aggregate';
import { DataType, type Table, TimeUnit } from 'apache-arrow';

/**
 * An opened result, column by column, as values that every output can write. Times and decimals
 * are text, because it is the one form in which JSON, CSV and a terminal keep them exact.
 */
export type Cell = null | boolean | number | bigint | string;

export type ColumnKind = 'bool' | 'integer' | 'float' | 'text' | 'date' | 'timestamp' | 'decimal';

/** Written flush right, and drawn. */
export function isNumber(kind: ColumnKind): boolean {
  return kind === 'integer' || kind === 'float' || kind === 'decimal';
}

export interface ResultColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  /** A DuckDB type that holds the column's values exactly. */
  readonly sqlType: string;
  readonly cells: readonly Cell[];
}

/** @throws ERR_AGGREGATE_MALFORMED for an Arrow type or value that no result may hold */
export function columnsOf(table: Table): ResultColumn[] {
  return table.schema.fields.map((field, index) => {
    const { kind, sqlType, cell } = cellReaderOf(field.type);
    const cells: Cell[] = [];
    for (const value of table.getChildAt(index) ?? []) {
      cells.push(value === null ? null : cell(value));
    }
    return { name: field.name, kind, sqlType, cells };
  });
}

interface CellReader {
  readonly kind: ColumnKind;
  readonly sqlType: string;
  readonly cell: (value: unknown) => Cell;
}

function cellReaderOf(type: DataType): CellReader {
  if (DataType.isDictionary(type)) return cellReaderOf(type.dictionary);
  if (DataType.isNull(type)) return { kind: 'text', sqlType: 'VARCHAR', cell: () => null };
  if (DataType.isBool(type)) return { kind: 'bool', sqlType: 'BOOLEAN', cell: booleanCell };
  if (DataType.isInt(type)) {
    const sqlType = type.bitWidth === 64 && !type.isSigned ? 'UBIGINT' : 'BIGINT';
    return { kind: 'integer', sqlType, cell: numberCell };
  }
  if (DataType.isFloat(type)) return { kind: 'float', sqlType: 'DOUBLE', cell: numberCell };
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) {
    return { kind: 'text', sqlType: 'VARCHAR', cell: textCell };
  }
  if (DataType.isDate(type)) return { kind: 'date', sqlType: 'DATE', cell: dateCell };
  if (DataType.isTimestamp(type) && type.unit !== TimeUnit.NANOSECOND) {
    // Arrow's zone is a matter of display: what is counted are instants.
    const sqlType = type.timezone ? 'TIMESTAMPTZ' : 'TIMESTAMP';
    return { kind: 'timestamp', sqlType, cell: timestampCell };
  }
  if (DataType.isDecimal(type)) return decimalReader(type.precision, type.scale);
  throw unknownContent(`a result column of Arrow type ${type.typeId} is not known`);
}

function booleanCell(value: unknown): Cell {
  if (typeof value !== 'boolean') throw unknownContent('a bool column holds another value');
  return value;
}

function numberCell(value: unknown): Cell {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw unknownContent('a number column holds another value');
  }
  return value;
}

function textCell(value: unknown): Cell {
  if (typeof value !== 'string') throw unknownContent('a text column holds another value');
  return value;
}

/** Arrow hands dates out as milliseconds: `2001-01-31`. */
function dateCell(value: unknown): Cell {
  return isoText(Number(value)).slice(0, -'T00:00:00.000Z'.length);
}

/**
 * Arrow hands timestamps out as milliseconds with a fraction, which a double keeps exact to the
 * microsecond until the year 2255: `2001-01-31T06:30:00.000Z`, with three more digits if needed.
 */
function timestampCell(value: unknown): Cell {
  const microseconds = Math.round(Number(value) * 1_000);
  const milliseconds = Math.floor(microseconds / 1_000);
  const rest = microseconds - milliseconds * 1_000;
  const text = isoText(milliseconds);
  return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

function isoText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function decimalReader(precision: number, scale: number): CellReader {
  return {
    kind: 'decimal',
    sqlType: `DECIMAL(${precision},${scale})`,
    cell: (value) => decimalText(unscaled(value), scale),
  };
}

/** Little-endian 32-bit words in two's complement (Arrow columnar format, Decimal). */
function unscaled(value: unknown): bigint {
  if (!(value instanceof Uint32Array)) throw unknownContent('a decimal column holds another value');
  const unsigned = value.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return BigInt.asIntN(value.length * 32, unsigned);
}

function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const sign = value < 0n ? '-' : '';
  const whole = digits.slice(0, digits.length - scale);
  return scale === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-scale)}`;
}

function unknownContent(problem: string): StrongroomError {
  return new StrongroomError('ERR_AGGREGATE_MALFORMED', { problem });
}

interface ResultWithWindow {
  readonly seal: Pick<AggregateSeal, 'window'>;
  readonly content: Pick<AggregateContent, 'rows'>;
  readonly columns: readonly ResultColumn[];
}

/**
 * The columns of a result with its window in front: a file holds all windows of a query. A column
 * of the query that has such a name already keeps it.
 */
export function columnsWithWindow({
  seal,
  content,
  columns,
}: ResultWithWindow): readonly ResultColumn[] {
  if (seal.window === null) return columns;
  const taken = columns.map((column) => column.name);
  return [
    timeColumn(freeName('window_start', taken), seal.window.start, content.rows),
    timeColumn(freeName('window_end', taken), seal.window.end, content.rows),
    ...columns,
  ];
}

function timeColumn(name: string, milliseconds: number, rows: number): ResultColumn {
  const cells = Array<Cell>(rows).fill(new Date(milliseconds).toISOString());
  return { name, kind: 'timestamp', sqlType: 'TIMESTAMP', cells };
}

function freeName(name: string, taken: readonly string[]): string {
  return taken.includes(name) ? freeName(`_${name}`, taken) : name;
}

/** @throws ERR_AGGREGATE_MALFORMED when a window does not have the columns of the first */
export function checkSameColumns(
  first: readonly ResultColumn[],
  next: readonly ResultColumn[],
  query: string,
): void {
  const form = (columns: readonly ResultColumn[]) =>
    JSON.stringify(columns.map(({ name, sqlType }) => [name, sqlType]));
  if (form(first) !== form(next)) {
    const problem = 'the columns differ from those of an earlier window';
    throw new StrongroomError('ERR_AGGREGATE_MALFORMED', { query, problem });
  }
}
