import type { Dataset } from '@strongroom/protocol/contract';
import {
  type CsvDialect,
  type CsvEncoding,
  DATE_FORMS,
  isDelimiter,
  NUMBER_FORMS,
  RFC_4180,
} from './csv-dialect.ts';
import { startInUtf8 } from './csv-encoding.ts';
import { readCsvHeader, splitFirstLine } from './csv-header.ts';
import { fieldTerm, textMisfit } from './csv-source.ts';
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
 * as they stand in columns that hold no text, and how numbers and dates are written there, where
 * they can be nothing else. It is a guess: a person agrees to it, or not.
 * @param names of the source's columns, by the contract or by `--columns`
 * @throws ERR_SOURCE_MALFORMED when there is something else before the rows
 */
export async function detectDialect(
  bytes: Uint8Array,
  dataset: Dataset,
  names: readonly string[],
): Promise<CsvDialect> {
  const encoding = encodingOf(bytes);
  const start = startInUtf8(bytes, encoding);
  const end = start.lastIndexOf(0x0a) + 1;
  const sample = await memoryFile([end === 0 ? start : start.subarray(0, end)]);
  const session = await DuckDbSession.open('csv');
  try {
    const [sniff] = await session.texts(
      `SELECT "Delimiter", "Quote", "Escape", "SkipRows"::VARCHAR, "Comment"
       FROM sniff_csv(${quoteText(sample.path)})`,
    );
    const [sniffed = ',', quote = NOTHING, escaping = NOTHING, skipped, comment] = sniff ?? [];
    if (skipped !== '0' || comment !== NOTHING) {
      throw malformedSource('csv', { problem: 'lines before the rows, or comments' });
    }
    // A file of one column has no delimiter that could be found.
    const delimiter = isDelimiter(sniffed) ? sniffed : readCsvHeader(start, names).delimiter;
    const mark = quote === "'" ? quote : '"';
    const first = splitFirstLine(new TextDecoder().decode(start), delimiter, mark);
    const header = names.some((name) => first.includes(name));
    const dialect = {
      ...RFC_4180,
      delimiter,
      quote: mark,
      escaping: escaping === '\\' ? escaping : mark,
      header,
      encoding,
    };
    const found = { session, path: sample.path, dataset, names };
    const columns = header ? first : namesByPlace(first.length, dataset, names);
    const nulls = await wordsIn(found, dialect, columns);
    return await spellingsIn(found, { ...dialect, nulls }, columns);
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

interface Sample {
  readonly session: DuckDbSession;
  readonly path: string;
  readonly dataset: Dataset;
  /** Of the contract's columns, as the file calls them. */
  readonly names: readonly string[];
}

async function wordsIn(
  { session, path, dataset, names }: Sample,
  dialect: CsvDialect,
  columns: readonly string[],
): Promise<string[]> {
  const typed = columns.flatMap((name, place) => {
    const column = dataset.columns[names.indexOf(name)];
    return column === undefined || column.type === 'utf8' ? [] : [`c${place}`];
  });
  if (typed.length === 0) return [];
  const words = NULL_WORDS.map(quoteText).join(', ');
  const values = `SELECT DISTINCT unnest([${typed.join(', ')}]) AS word
    FROM ${sampleTable(path, dialect, columns.length)}`;
  const found = await session.texts(`SELECT word FROM (${values}) WHERE word IN (${words})`);
  const present = found.map(([word]) => word);
  return NULL_WORDS.filter((word) => present.includes(word));
}

/** Lines that are none in this dialect are left out: reading will refuse them. */
function sampleTable(
  path: string,
  { delimiter, quote, escaping, header }: CsvDialect,
  width: number,
): string {
  const fields = Array.from({ length: width }, (_, place) => `'c${place}': 'VARCHAR'`).join(', ');
  return `read_csv(${quoteText(path)}, columns = {${fields}}, auto_detect = false,
    header = ${header}, delim = ${quoteText(delimiter)}, quote = ${quoteText(quote)},
    escape = ${quoteText(escaping)}, null_padding = true, ignore_errors = true)`;
}

/** Another form than the plain one counts only where it is the one form that all values have. */
async function spellingsIn(
  sample: Sample,
  dialect: CsvDialect,
  columns: readonly string[],
): Promise<CsvDialect> {
  const fits = async (tried: CsvDialect, isTime: boolean) => {
    const misfits = columns.flatMap((name, place) => {
      const column = sample.dataset.columns[sample.names.indexOf(name)];
      const isConcerned = column && /^date|^timestamp/.test(column.type) === isTime;
      const misfit = isConcerned && textMisfit(column, fieldTerm(column, `c${place}`, tried));
      return misfit ? [misfit] : [];
    });
    if (misfits.length === 0) return true;
    const [[some] = []] = await sample.session.texts(
      `SELECT coalesce(bool_or(${misfits.join(' OR ')}), false)
       FROM ${sampleTable(sample.path, dialect, columns.length)}`,
    );
    return some === 'false';
  };
  const only = async <Form extends string>(
    [plain, ...others]: readonly [Form, ...Form[]],
    isTime: boolean,
    tried: (form: Form) => CsvDialect,
  ): Promise<Form> => {
    if (await fits(tried(plain), isTime)) return plain;
    const fitting: Form[] = [];
    for (const form of others) if (await fits(tried(form), isTime)) fitting.push(form);
    const [found, second] = fitting;
    return found === undefined || second !== undefined ? plain : found;
  };
  const numbers = await only(NUMBER_FORMS, false, (form) => ({ ...dialect, numbers: form }));
  const dates = await only(DATE_FORMS, true, (form) => ({ ...dialect, dates: form }));
  return { ...dialect, numbers, dates };
}

const UTF_16LE_MARK = [0xff, 0xfe];

/** What is no UTF-8 is mostly Windows' own letters. */
function encodingOf(start: Uint8Array): CsvEncoding {
  if (UTF_16LE_MARK.every((byte, at) => start[at] === byte)) return 'utf-16le';
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
    return 'utf-8';
  } catch {
    return 'windows-1252';
  }
}
