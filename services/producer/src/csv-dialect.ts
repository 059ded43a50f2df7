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
}

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
 * `delimiter=semicolon quote=double escape=doubled header=yes nulls=NA|-`; what is left out is as
 * RFC 4180 has it.
 * @throws ERR_USAGE
 */
export function parseDialect(text: string): CsvDialect {
  const parts = text.trim().split(/\s+/);
  const given = new Map<string, string>();
  for (const part of parts) {
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
  const [unknown] = given.keys();
  if (unknown !== undefined) throw wrong(unknown);
  if (delimiter === undefined || quote === undefined || header === undefined) throw wrong(text);
  if (!ESCAPES.includes(escaping)) throw wrong(escaping);
  const words = nulls.filter((word) => word !== '');
  const letter = escaping === 'backslash' ? '\\' : quote;
  return { delimiter, quote, escaping: letter, header, nulls: words };
}

/** The text that `parseDialect` makes the same dialect of. */
export function dialectText({ delimiter, quote, escaping, header, nulls }: CsvDialect): string {
  const nameOf = (names: Readonly<Record<string, string>>, value: string) =>
    Object.keys(names).find((name) => names[name] === value) ?? '';
  return [
    `delimiter=${nameOf(DELIMITERS, delimiter)}`,
    `quote=${nameOf(QUOTES, quote)}`,
    ...(escaping === quote ? [] : ['escape=backslash']),
    `header=${header ? 'yes' : 'no'}`,
    ...(nulls.length === 0 ? [] : [`nulls=${nulls.join('|')}`]),
  ].join(' ');
}

/** Whether a character is one that a dialect can have. */
export const isDelimiter = (letter: string) => Object.values(DELIMITERS).includes(letter);

function wrong(part: string): StrongroomError {
  const problem = `not understood: ${part.replaceAll(/[^\w=|-]/g, '?')}`;
  return new StrongroomError('ERR_USAGE', { argument: '--csv', problem });
}
