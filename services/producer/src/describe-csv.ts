import { DECIMAL_DIGITS_MAX } from '@strongroom/protocol/limits';
import { type CsvDialect, RFC_4180 } from './csv-dialect.ts';
import { CSV_DELIMITERS, splitFirstLine } from './csv-header.ts';
import { csvTable, fieldTerm, floatDigits, textMisfit } from './csv-source.ts';
import {
  type ColumnOfSource,
  type DescribedRows,
  demandRoom,
  describeTexts,
  type Shape,
  type TextColumn,
} from './described-rows.ts';
import type { DuckDbSession } from './duckdb-session.ts';
import { malformedSource, NOT_UTF8 } from './row-reader.ts';
import { quoteText } from './sql-text.ts';

const LADDER = [
  ...(['int64', 'uint64', 'float64', 'decimal128', 'bool'] as const),
  ...(['date32', 'timestamp-us-utc', 'timestamp-us', 'utf8'] as const),
];

/**
 * The columns of a CSV file. Its delimiter, where none is given, is the one that makes most names
 * of the first line.
 */
export async function describeCsv(
  session: DuckDbSession,
  path: string,
  start: Uint8Array,
  given?: CsvDialect,
): Promise<DescribedRows> {
  const dialect = given ?? { ...RFC_4180, delimiter: widestDelimiter(start) };
  const names = namesOf(start, dialect);
  const problems = names.map((name) => nameProblem(name, names));
  const fit = names.flatMap((name, place) => (problems[place] ? [] : [{ name, place }]));
  demandRoom(fit.length);
  const columns = fit.map(({ name, place }) => textColumnOf(name, `c${place}`, dialect));
  const table = csvTable(path, dialect, names.length);
  const { rows, found } = await describeTexts(session, table, columns, LADDER);
  if (dialect.header) await demandNames(session, found, dialect);
  const described = found.values();
  return {
    rows,
    found: names.map((name, place): ColumnOfSource => {
      const problem = problems[place];
      const column = problem === undefined ? described.next().value : undefined;
      return column ?? { name, nullable: true, type: undefined, problem: problem ?? '' };
    }),
  };
}

function widestDelimiter(start: Uint8Array): string {
  const text = new TextDecoder().decode(start);
  // A quote within a name mostly closes one: the delimiter behind it was not seen.
  const widths = CSV_DELIMITERS.map(
    (delimiter) => splitFirstLine(text, delimiter).filter((name) => !name.includes('"')).length,
  );
  return CSV_DELIMITERS[widths.indexOf(Math.max(...widths))] ?? ',';
}

/** Without a header: places, as `--columns` calls them. */
function namesOf(start: Uint8Array, { delimiter, quote, header }: CsvDialect): string[] {
  const names = splitFirstLine(new TextDecoder().decode(start), delimiter, quote);
  if (names.join('') === '') throw malformedSource('csv', { problem: 'the first line is empty' });
  if (!header) return names.map((_, place) => `${place + 1}`);
  if (!names.some((name) => name.includes('\ufffd'))) return names;
  throw malformedSource('csv', { problem: NOT_UTF8, line: 1 });
}

/** What `--columns` cannot tell apart, or cannot name. */
function nameProblem(name: string, names: readonly string[]): string | undefined {
  if (name === '') return 'it has no name';
  return names.indexOf(name) === names.lastIndexOf(name)
    ? undefined
    : 'its name stands there twice';
}

function textColumnOf(name: string, field: string, dialect: CsvDialect): TextColumn {
  const number = fieldTerm({ name, type: 'float64', nullable: true }, field, dialect);
  const digits = (pattern: string) => `length(regexp_extract(${number}, '${pattern}', 1))`;
  return {
    name,
    value: field,
    digits: [digits('^-?([0-9]*)'), digits('[.]([0-9]*)$')],
    misfit: (shape) => misfitOf(name, field, shape, dialect),
  };
}

function misfitOf(
  name: string,
  field: string,
  shape: Shape,
  dialect: CsvDialect,
): string | undefined {
  const { type, precision = 1 } = shape;
  if (type === 'utf8') return undefined;
  if (precision < 1 || precision > DECIMAL_DIGITS_MAX) return 'true';
  const column = { name, nullable: true, ...shape };
  const term = fieldTerm(column, field, dialect);
  const misfit = textMisfit(column, term);
  const others = /^u?int|^float|^decimal/.test(type) ? [NO_NUMBER(term)] : [];
  const inexact = type === 'float64' ? [floatDigits(term)] : [];
  return [misfit, ...others, ...inexact].map((each) => `(${each})`).join(' OR ');
}

/** Codes and words that read as numbers would lose what tells them apart: 01067, +49, nan. */
const NO_NUMBER = (term: string) =>
  `NOT regexp_matches(${term}, '[0-9]') OR regexp_matches(${term}, '^[+]|^-?0[0-9]')`;

/**
 * Names that all are values of their columns, a date among them, are a row: they would become
 * names in a contract that everybody reads.
 * @throws ERR_SOURCE_MALFORMED, without them
 */
async function demandNames(
  session: DuckDbSession,
  found: readonly ColumnOfSource[],
  dialect: CsvDialect,
): Promise<void> {
  const typed = found.filter(({ type }) => type !== undefined && type.type !== 'utf8');
  const isTimed = typed.some(({ type }) => /^date|^timestamp/.test(type?.type ?? ''));
  if (!isTimed) return;
  const misfits = typed.map(
    ({ name, type }) => type && `(${misfitOf(name, quoteText(name), type, dialect)})`,
  );
  const [[isNamed] = []] = await session.texts(`SELECT ${misfits.join(' OR ')}`);
  if (isNamed === 'true') return;
  const problem = 'the first line is a row: without names, say --csv header=no';
  throw malformedSource('csv', { problem, line: 1 });
}
