import type { ColumnContract, ColumnType, Dataset } from '@strongroom/protocol/contract';
import { type ColumnMapping, placeColumns, sourceNames } from './column-mapping.ts';
import { type CsvDialect, RFC_4180 } from './csv-dialect.ts';
import { type CsvHeader, readCsvHeader, splitFirstLine } from './csv-header.ts';
import { dateTerm, numberTerm } from './csv-spellings.ts';
import { namesByPlace } from './detect-dialect.ts';
import { DuckDbSession, wideDecimal } from './duckdb-session.ts';
import { refuseFlaggedRows } from './row-flags.ts';
import { malformedSource, NOT_UTF8, type RowReader, type RowWindow } from './row-reader.ts';
import type { SourceKind } from './source-vector.ts';
import { quoteFile, quoteText } from './sql-text.ts';

/**
 * Opens a CSV file. The engine splits it into text; every column is then read as the type of the
 * contract, in one spelling a type, and a flag tells where a text does not have it. An empty field
 * is a missing value, a quoted empty field an empty text.
 * @param start the first bytes of the file, CSV_HEADER_BYTES_MAX or all of it
 * @param given as its owner says; RFC 4180 with the delimiter that its header tells when absent
 * @throws ERR_SOURCE_MALFORMED, ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN
 */
export async function openCsv(
  path: string,
  start: Uint8Array,
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  window: RowWindow,
  given?: CsvDialect,
): Promise<RowReader> {
  const wanted = sourceNames(dataset, mapping);
  const header = given ? headerOf(start, given, dataset, wanted) : readCsvHeader(start, wanted);
  const dialect = given ?? { ...RFC_4180, delimiter: header.delimiter };
  const { present, places } = placeColumns(dataset, mapping, header.names);
  const columns = present.columns.map((column) => textColumn(column, 'text'));
  const session = await DuckDbSession.open('csv');
  const sql = query(path, dialect, header.names.length, present, places);
  const kinds: SourceKind[] = [...columns.map(({ kind }) => kind), 'int32'];
  return {
    present,
    columns,
    rows: () => refuseFlaggedRows(session.rows(sql, kinds, window), present, window.skip, 'text'),
    close: () => session.close(),
  };
}

function headerOf(
  start: Uint8Array,
  { delimiter, quote, header }: CsvDialect,
  dataset: Dataset,
  wanted: readonly string[],
): CsvHeader {
  const names = splitFirstLine(new TextDecoder().decode(start), delimiter, quote);
  if (header && names.some((name) => name.includes('\ufffd'))) {
    throw malformedSource('csv', { problem: NOT_UTF8, line: 1 });
  }
  return { delimiter, names: header ? names : namesByPlace(names.length, dataset, wanted) };
}

/** What the query makes of a column of text. */
export function textColumn(
  { name, type, scale }: ColumnContract,
  format: 'text' | 'json' | 'absent',
) {
  const kind = CSV_KINDS[type];
  const instants = type === 'timestamp-us-utc';
  return { name, kind, type: format, instants, ...(scale === undefined ? {} : { scale }) };
}

/** As which kind a column of the contract leaves the query. */
const CSV_KINDS: Record<ColumnType, SourceKind> = {
  bool: 'bool',
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  float32: 'float32',
  float64: 'float64',
  decimal128: 'decimal',
  utf8: 'text',
  date32: 'date',
  // Milliseconds are read as microseconds first, so that a finer time is seen and refused.
  'timestamp-ms': 'timestamp-us',
  'timestamp-us': 'timestamp-us',
  'timestamp-us-utc': 'timestamp-us',
};

function query(
  path: string,
  dialect: CsvDialect,
  width: number,
  dataset: Dataset,
  places: readonly number[],
): string {
  const file = csvTable(path, dialect, width);
  const field = (column: ColumnContract, index: number) =>
    fieldTerm(column, `c${places[index]}`, dialect);
  const terms = dataset.columns.map((column, index) => textTerm(column, field(column, index)));
  const flags = dataset.columns.map((column, index) => {
    const misfit = textMisfit(column, field(column, index));
    return misfit === undefined ? '' : ` WHEN ${misfit} THEN ${index + 1}`;
  });
  const flag = flags.join('') === '' ? '0' : `CASE${flags.join('')} ELSE 0 END`;
  return `SELECT ${terms.join(', ')}, CAST(${flag} AS INTEGER) FROM ${file}`;
}

/** The rows of a file as texts, in columns c0, c1 and so on. */
export function csvTable(
  path: string,
  { delimiter, quote, escaping, header }: CsvDialect,
  width: number,
): string {
  const fields = Array.from({ length: width }, (_, place) => `'c${place}': 'VARCHAR'`);
  return `read_csv(${[
    quoteFile(path),
    `columns = {${fields.join(', ')}}`,
    'auto_detect = false',
    `header = ${header}`,
    `delim = ${quoteText(delimiter)}`,
    `quote = ${quoteText(quote)}`,
    `escape = ${quoteText(escaping)}`,
    `nullstr = ''`,
    'allow_quoted_nulls = false',
    'strict_mode = true',
    'null_padding = false',
    'ignore_errors = false',
    `compression = 'none'`,
    `encoding = 'utf-8'`,
  ].join(', ')})`;
}

/** A field as text in the spellings below, whatever the dialect's are. */
export function fieldTerm({ type }: ColumnContract, field: string, dialect: CsvDialect): string {
  if (type === 'utf8') return field;
  const words = dialect.nulls.map(quoteText).join(', ');
  const given =
    words === '' ? field : `(CASE WHEN ${field} IN (${words}) THEN NULL ELSE ${field} END)`;
  if (type === 'bool') return given;
  const isTime = type === 'date32' || type.startsWith('timestamp');
  return isTime ? dateTerm(given, dialect.dates) : numberTerm(given, dialect.numbers);
}

const SQL_TYPES: Record<Exclude<ColumnType, 'decimal128'>, string> = {
  bool: 'BOOLEAN',
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INTEGER',
  int64: 'BIGINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  utf8: 'VARCHAR',
  date32: 'DATE',
  'timestamp-ms': 'TIMESTAMP',
  'timestamp-us': 'TIMESTAMP',
  'timestamp-us-utc': 'TIMESTAMPTZ',
};

/** The value of a text term in the contract's type; NULL where it has none. */
export function textTerm(column: ColumnContract, term: string): string {
  const { type } = column;
  if (type === 'utf8') return term;
  if (type !== 'decimal128') return `TRY_CAST(${term} AS ${SQL_TYPES[type]})`;
  const { precision = 0, scale = 0 } = column;
  const value = `TRY_CAST(${term} AS DECIMAL(${precision}, ${scale}))`;
  return `CAST(${value} AS ${wideDecimal(scale).cast})`;
}

/**
 * The spellings that mean exactly one value of the type. A cast alone would round 5.7 to 6, drop
 * the time from a date and the offset or the seventh digit from a time.
 */
const INTEGER = '[+-]?[0-9]+([.]0*)?';
const DATE = '[0-9]{4}-[0-9]{2}-[0-9]{2}';
const CLOCK = '[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0*)?)?';
const TIME = `${DATE}(${CLOCK}(Z|[+]00(:?00)?)?)?`;
/** Without an offset it would be a time of the machine's zone. */
const INSTANT = `${DATE}${CLOCK}(Z|[+-][0-9]{2}(:?[0-9]{2})?)`;
const FLOAT = '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|[+-]?[Ii]nf(inity)?|[Nn]a[Nn]';
const SPELLINGS: Partial<Record<ColumnType, string>> = {
  int8: INTEGER,
  int16: INTEGER,
  int32: INTEGER,
  int64: INTEGER,
  uint8: INTEGER,
  uint16: INTEGER,
  uint32: INTEGER,
  uint64: INTEGER,
  float32: FLOAT,
  float64: FLOAT,
  date32: DATE,
  'timestamp-ms': TIME,
  'timestamp-us': TIME,
  'timestamp-us-utc': INSTANT,
};

/** More digits behind the point than the contract has are zeros. */
function decimalSpelling(scale: number): string {
  return `[+-]?([0-9]+([.][0-9]{0,${scale}}0*)?|[.][0-9]{1,${Math.max(1, scale)}}0*)`;
}

/** True where a text is there but is no value of the type; undefined when every text is one. */
export function textMisfit(column: ColumnContract, term: string): string | undefined {
  const { type, scale = 0 } = column;
  if (type === 'utf8') return undefined;
  const value = textTerm(column, term);
  const spelling = type === 'decimal128' ? decimalSpelling(scale) : SPELLINGS[type];
  const misspelt =
    spelling === undefined ? '' : ` OR NOT regexp_full_match(${term}, ${quoteText(spelling)})`;
  const isFloat = type === 'float64' || type === 'float32';
  const inexact = isFloat ? ` OR ${floatMisfit(type, term, value)}` : '';
  return `${term} IS NOT NULL AND (${value} IS NULL${misspelt}${inexact})`;
}

/** As many digits as any whole number of the type has before some cannot be told apart. */
const SURE_DIGITS = { float32: 7, float64: 15 } as const;

/**
 * 1e400 is no number of a float, and a cast makes it infinite. A whole number is often one that
 * names something: it is a value of the float only if it is exactly that, or the shortest way to
 * write it (RFC 8259 leaves programs to write 2^70 so).
 */
function floatMisfit(type: 'float32' | 'float64', term: string, value: string): string {
  const infinite = `(isinf(${value}) AND NOT contains(lower(${term}), 'inf'))`;
  const long = `regexp_full_match(${term}, '[+-]?[0-9]{${SURE_DIGITS[type] + 1},}([.]0*)?')`;
  const whole = (number: string) => `TRY_CAST(${number} AS HUGEINT)`;
  const exact = `coalesce(${whole(term)} = ${whole(value)}, false)`;
  // A CASE looks at few rows more closely; an AND would at all of them, at ten times the price.
  const inexact = `NOT (${exact} OR ${isShortest(term, value)})`;
  return `${infinite} OR (CASE WHEN ${long} THEN ${inexact} ELSE false END)`;
}

const digitsIn = (text: string) =>
  `trim(regexp_replace(${text}, '[.]0*$|[eE].*$|[+.-]', '', 'g'), '0')`;
/** As a float of its own size or as a double: programs write both as what they have. */
function isShortest(term: string, value: string): string {
  const written = [value, `CAST(${value} AS DOUBLE)`].map((each) => `CAST(${each} AS VARCHAR)`);
  return `${digitsIn(term)} IN (${written.map(digitsIn).join(', ')})`;
}

/** True where a number has more digits than a double keeps, and is not how a double is written. */
export function floatDigits(term: string): string {
  const double = `TRY_CAST(${term} AS DOUBLE)`;
  const most = SURE_DIGITS.float64;
  const longer = `length(${digitsIn(term)}) > ${most} AND NOT ${isShortest(term, double)}`;
  return `CASE WHEN length(${term}) > ${most} THEN ${longer} ELSE false END`;
}
