import { StrongroomError } from '@strongroom/protocol/errors';

/** How a CSV file is written, as its owner says with `--csv`. */
export interface CsvDialect {
  readonly delimiter: string;
  /** Around a field; empty when none is. */
  readonly quote: string;
  /** Before a quote within a field: the quote once more (RFC 4180), or a backslash. */
  readonly escaping: string;
  /** Whether the first line holds names. Without, columns are `1`, `2`, … or the contract's. */
  readonly header: boolean;
  /** Words that stand for a missing value, in columns that hold no text. */
  readonly nulls: readonly string[];
  /** How its letters became bytes. */
  readonly encoding: CsvEncoding;
  /** How numbers are written, by an example; the mark of thousands may be left out. */
  readonly numbers: NumberForm;
  /** How dates are written, by an example, also at the beginning of times. */
  readonly dates: DateForm;
}

/** In the words of the Encoding Standard. */
const CSV_ENCODINGS = ['utf-8', 'windows-1252', 'iso-8859-15', 'utf-16le'] as const;
export type CsvEncoding = (typeof CSV_ENCODINGS)[number];

export const NUMBER_FORMS = ['1234.56', '1.234,56', '1,234.56'] as const;
export type NumberForm = (typeof NUMBER_FORMS)[number];

/** The last day of a year: no day and month of it can be mistaken for each other. */
export const DATE_FORMS = ['2001-12-31', '31.12.2001', '31/12/2001', '12/31/2001'] as const;
export type DateForm = (typeof DATE_FORMS)[number];

/** As RFC 4180 has it, and programs write numbers and dates. */
export const RFC_4180: Omit<CsvDialect, 'delimiter'> = {
  quote: '"',
  escaping: '"',
  header: true,
  nulls: [],
  encoding: 'utf-8',
  numbers: '1234.56',
  dates: '2001-12-31',
};

const DELIMITERS: Readonly<Record<string, string>> = {
  comma: ',',
  semicolon: ';',
  tab: '\t',
  bar: '|',
  colon: ':',
  space: ' ',
};
const QUOTES: Readonly<Record<string, string>> = { double: '"', single: "'", none: '' };
const HEADERS: Readonly<Record<string, boolean>> = { yes: true, no: false };
const ESCAPES = ['doubled', 'backslash'];

/**
 * `delimiter=semicolon quote=double escape=doubled header=yes nulls=NA|- encoding=windows-1252
 * numbers=1.234,56 dates=31.12.2001`; what is left out is as RFC 4180 has it.
 * @throws ERR_USAGE
 */
export function parseDialect(text: string): CsvDialect {
  const given = new Map<string, string>();
  for (const part of text.trim().split(/\s+/)) {
    const at = part.indexOf('=');
    if (at < 1 || given.has(part.slice(0, at))) throw wrong(part);
    given.set(part.slice(0, at), part.slice(at + 1));
  }
  const take = (name: string, otherwise: string) => {
    const value = given.get(name) ?? otherwise;
    given.delete(name);
    return value;
  };
  const delimiter = DELIMITERS[take('delimiter', 'comma')];
  const quote = QUOTES[take('quote', 'double')];
  const escaping = take('escape', 'doubled');
  const header = HEADERS[take('header', 'yes')];
  const nulls = take('nulls', '').split('|');
  const encoding = oneOf(CSV_ENCODINGS, take('encoding', RFC_4180.encoding).toLowerCase());
  const numbers = oneOf(NUMBER_FORMS, take('numbers', RFC_4180.numbers));
  const dates = oneOf(DATE_FORMS, take('dates', RFC_4180.dates));
  const [unknown] = given.keys();
  if (unknown !== undefined) throw wrong(unknown);
  if (delimiter === undefined || quote === undefined || header === undefined) throw wrong(text);
  if (!ESCAPES.includes(escaping)) throw wrong(escaping);
  const words = nulls.filter((word) => word !== '');
  const letter = escaping === 'backslash' ? '\\' : quote;
  const spelling = { encoding, numbers, dates };
  return { delimiter, quote, escaping: letter, header, nulls: words, ...spelling };
}

function oneOf<Word extends string>(words: readonly Word[], given: string): Word {
  const found = words.find((word) => word === given);
  if (found === undefined) throw wrong(given, `, but one of ${words.join(' ')}`);
  return found;
}

/** The text that `parseDialect` makes the same dialect of. */
export function dialectText(dialect: CsvDialect): string {
  const { delimiter, quote, escaping, header, nulls } = dialect;
  const nameOf = (names: Readonly<Record<string, string>>, value: string) =>
    Object.keys(names).find((name) => names[name] === value) ?? '';
  return [
    `delimiter=${nameOf(DELIMITERS, delimiter)}`,
    `quote=${nameOf(QUOTES, quote)}`,
    ...(escaping === quote ? [] : ['escape=backslash']),
    `header=${header ? 'yes' : 'no'}`,
    ...(nulls.length === 0 ? [] : [`nulls=${nulls.join('|')}`]),
    ...SPELLINGS.filter((name) => dialect[name] !== RFC_4180[name]).map(
      (name) => `${name}=${dialect[name]}`,
    ),
  ].join(' ');
}

const SPELLINGS = ['encoding', 'numbers', 'dates'] as const;

/** Whether a character is one that a dialect can have. */
export const isDelimiter = (letter: string) => Object.values(DELIMITERS).includes(letter);

function wrong(part: string, instead = ''): StrongroomError {
  const problem = `not understood: ${part.replaceAll(/[^\w=|.,/-]/g, '?')}${instead}`;
  return new StrongroomError('ERR_USAGE', { argument: '--csv', problem });
}
