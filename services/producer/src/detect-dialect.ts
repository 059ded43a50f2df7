import type { Dataset } from '@strongroom/protocol/contract';
import { type CsvDialect, isDelimiter } from './csv-dialect.ts';
import { readCsvHeader, splitFirstLine } from './csv-header.ts';
import { DuckDbSession } from './duckdb-session.ts';
import { memoryFile } from './memory-file.ts';
import { malformedSource } from './row-reader.ts';
import { quoteText } from './sql-text.ts';

/** What is often written where a value is missing; NaN is none of them, it is a number. */
const NULL_WORDS = ['NA', 'N/A', 'n/a', 'na', 'NULL', 'null', '\\N', 'None', 'none', '-', '.', '?'];
const NOTHING = '(empty)';

/**
 * The dialect of a CSV source by its first 64 KiB: delimiter, quote and escape as DuckDB's sniffer
 * finds them; a header if a name of the contract stands in the first line; words for missing values
 * as they stand in columns that hold no text. It is a guess: a person agrees to it, or not.
 * @param names of the source's columns, by the contract or by `--columns`
 * @throws ERR_SOURCE_MALFORMED when there is something else before the rows
 */
export async function detectDialect(
  start: Uint8Array,
  dataset: Dataset,
  names: readonly string[],
): Promise<CsvDialect> {
  const end = start.lastIndexOf(0x0a) + 1;
  const sample = await memoryFile([end === 0 ? start : start.subarray(0, end)]);
  const session = await DuckDbSession.open('csv');
  try {
    const [found] = await session.texts(
      `SELECT "Delimiter", "Quote", "Escape", "SkipRows"::VARCHAR, "Comment"
       FROM sniff_csv(${quoteText(sample.path)})`,
    );
    const [sniffed = ',', quote = NOTHING, escaping = NOTHING, skipped, comment] = found ?? [];
    if (skipped !== '0' || comment !== NOTHING) {
      throw malformedSource('csv', { problem: 'lines before the rows, or comments' });
    }
    // A file of one column has no delimiter that could be found.
    const delimiter = isDelimiter(sniffed) ? sniffed : readCsvHeader(start, names).delimiter;
    const mark = quote === "'" ? quote : '"';
    const first = splitFirstLine(new TextDecoder().decode(start), delimiter, mark);
    const header = names.some((name) => first.includes(name));
    const dialect = {
      delimiter,
      quote: mark,
      escaping: escaping === '\\' ? escaping : mark,
      header,
      nulls: [],
    };
    const columns = header ? first : namesByPlace(first.length, dataset, names);
    const nulls = await wordsIn(session, sample.path, dialect, columns, dataset, names);
    return { ...dialect, nulls };
  } finally {
    await session.close();
    await sample.close();
  }
}

/** Without a header: the contract's names if there are as many columns, else their places. */
export function namesByPlace(
  width: number,
  { columns }: Pick<Dataset, 'columns'>,
  wanted: readonly string[],
): string[] {
  const isRenamed = columns.some(({ name }, at) => wanted[at] !== name);
  if (!isRenamed && width === columns.length) return [...wanted];
  return Array.from({ length: width }, (_, place) => `${place + 1}`);
}

async function wordsIn(
  session: DuckDbSession,
  path: string,
  { delimiter, quote, escaping, header }: CsvDialect,
  columns: readonly string[],
  dataset: Dataset,
  names: readonly string[],
): Promise<string[]> {
  const typed = columns.flatMap((name, place) => {
    const column = dataset.columns[names.indexOf(name)];
    return column === undefined || column.type === 'utf8' ? [] : [`c${place}`];
  });
  if (typed.length === 0) return [];
  const fields = columns.map((_, place) => `'c${place}': 'VARCHAR'`).join(', ');
  const file = `read_csv(${quoteText(path)}, columns = {${fields}}, auto_detect = false,
    header = ${header}, delim = ${quoteText(delimiter)}, quote = ${quoteText(quote)},
    escape = ${quoteText(escaping)}, null_padding = true, ignore_errors = true)`;
  const words = NULL_WORDS.map(quoteText).join(', ');
  const values = `SELECT DISTINCT unnest([${typed.join(', ')}]) AS word FROM ${file}`;
  const found = await session.texts(`SELECT word FROM (${values}) WHERE word IN (${words})`);
  const present = found.map(([word]) => word);
  return NULL_WORDS.filter((word) => present.includes(word));
}
