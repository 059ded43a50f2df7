import type { ColumnContract, ColumnType, Dataset } from '@strongroom/protocol/contract';
import { type ColumnMapping, sourceNames, withoutAbsent } from './column-mapping.ts';
import { textColumn, textMisfit, textTerm } from './csv-source.ts';
import { DuckDbSession } from './duckdb-session.ts';
import { FLAGS, refuseFlaggedRows } from './row-flags.ts';
import type { RowReader, RowWindow } from './row-reader.ts';
import type { SourceKind } from './source-vector.ts';
import { quoteFile, quoteText } from './sql-text.ts';

/**
 * Opens a file of one JSON object a line. Numbers are JSON numbers, truth values JSON's, decimals,
 * dates and times texts as in CSV. A nullable column may be null or absent; another may be neither.
 */
export async function openNdjson(
  path: string,
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  window: RowWindow,
): Promise<RowReader> {
  // Each line says for itself what it lacks: there, every nullable column may be absent.
  const present = withoutAbsent(dataset, mapping);
  const columns = present.columns.map((column) => textColumn(column, 'json'));
  const session = await DuckDbSession.open('ndjson');
  const sql = query(path, present, mapping);
  const kinds: SourceKind[] = [...columns.map(({ kind }) => kind), 'int32'];
  return {
    present,
    columns,
    rows: () => refuseFlaggedRows(session.rows(sql, kinds, window), present, window.skip, 'json'),
    close: () => session.close(),
  };
}

function query(path: string, dataset: Dataset, mapping: ColumnMapping | undefined): string {
  const names = sourceNames(dataset, mapping);
  const parts = dataset.columns.map(({ type }, at) => `${partTerm(type, cell(at))} AS c${at}`);
  const cells = cellsOf(ndjsonLines(path), names);
  const texts = `SELECT json, cells, ${parts.join(', ')} FROM ${cells}`;
  const terms = dataset.columns.map((column, at) => textTerm(column, `c${at}`));
  const flags = [
    membersFlag(names, mapping !== undefined),
    ...dataset.columns.flatMap((column, at) => columnFlags(column, at)),
  ];
  const flag = `CASE ${flags.map((each) => `WHEN ${each}`).join(' ')} ELSE 0 END`;
  return `SELECT ${terms.join(', ')}, CAST(${flag} AS INTEGER) FROM (${texts})`;
}

/** The lines of a file, each one value in a column `json`. */
export const ndjsonLines = (path: string) =>
  `read_ndjson_objects(${quoteFile(path)}, compression = 'uncompressed')`;

/** Lines and, as `cells`, their members of these names. */
export function cellsOf(lines: string, names: readonly string[]): string {
  // JSON pointers (RFC 6901 §3), so that a name may hold dots, quotes and slashes.
  const pointers = names.map((name) =>
    quoteText(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  );
  return `(SELECT json, json_extract(json, [${pointers.join(', ')}]) AS cells FROM ${lines})`;
}

/**
 * Texts, dates, times and decimals are JSON strings, decimals because the engine makes doubles of
 * numbers with a point; the rest is read from the letters of its token.
 */
const isText = (type: ColumnType) => type === 'utf8' || /^date|^time|^decimal/.test(type);
const cell = (at: number) => `cells[${at + 1}]`;

function partTerm(type: ColumnType, its: string): string {
  return isText(type) ? `(${its} ->> '$')` : `nullif(CAST(${its} AS VARCHAR), 'null')`;
}

/**
 * A line is an object whose members are the columns, each once: JSON leaves open which of two
 * members of one name counts. Counting is enough for that, until it does not come out even.
 */
function membersFlag(names: readonly string[], others: boolean): string {
  const malformed = FLAGS.malformed;
  if (others) {
    const twice = 'len(json_keys(json)) <> list_unique(json_keys(json))';
    return `json_type(json) <> 'OBJECT' OR ${twice} THEN ${malformed}`;
  }
  const present = names.map((_, at) => `CAST(${cell(at)} IS NOT NULL AS INTEGER)`).join(' + ');
  const known = `list_has_all([${names.map(quoteText).join(', ')}], json_keys(json))`;
  return `len(json_keys(json)) <> ${present} OR json_type(json) <> 'OBJECT'
    THEN CASE WHEN ${known} THEN ${malformed} ELSE ${FLAGS.unknown} END`;
}

function columnFlags(column: ColumnContract, at: number): string[] {
  const missing = `${cell(at)} IS NULL THEN ${FLAGS.missing + at + 1}`;
  const misfit = `${cellMisfit(column, cell(at), `c${at}`)} THEN ${FLAGS.type + at + 1}`;
  return column.nullable ? [misfit] : [missing, misfit];
}

/**
 * True where a member is there and is no value of the column.
 * @param text the part of it that is read
 */
export function cellMisfit(
  column: ColumnContract,
  its: string,
  text = partTerm(column.type, its),
): string {
  const token = `CAST(${its} AS VARCHAR)`;
  const unquoted = `${token} <> 'null' AND NOT starts_with(${token}, '"')`;
  const misfits = [
    ...(isText(column.type) ? [unquoted] : []),
    ...(column.type === 'bool' ? [`${text} NOT IN ('true', 'false')`] : []),
    // The engine has made a double of a number with a point, which may have become a whole one.
    ...(/^u?int/.test(column.type) ? [`regexp_matches(${text}, '[0-9]{16,}[.]')`] : []),
    ...[textMisfit(column, text)].filter((misfit) => misfit !== undefined),
  ];
  return misfits.map((each) => `(${each})`).join(' OR ');
}
