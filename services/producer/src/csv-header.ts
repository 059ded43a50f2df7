import { malformedSource, NOT_UTF8 } from './row-reader.ts';

/** The dialects that are told apart: RFC 4180 with one of these between the fields. */
export const CSV_DELIMITERS = [',', ';', '\t', '|'] as const;

/** How much of the file is looked at for its first line. */
export const CSV_HEADER_BYTES_MAX = 64 * 1024;

export interface CsvHeader {
  readonly delimiter: string;
  readonly names: readonly string[];
}

/**
 * Reads the first line of a CSV file. Its delimiter is the one with which most of the wanted names
 * appear: the contract decides, no row is guessed from.
 * @param start the first bytes of the file, CSV_HEADER_BYTES_MAX or all of it
 * @throws ERR_SOURCE_MALFORMED
 */
export function readCsvHeader(start: Uint8Array, wanted: readonly string[]): CsvHeader {
  // Only the first line has to be text here; the engine checks the others.
  const text = new TextDecoder().decode(start);
  const headers = CSV_DELIMITERS.map((delimiter) => {
    const names = splitFirstLine(text, delimiter);
    return { delimiter, names, known: wanted.filter((name) => names.includes(name)).length };
  });
  const best = headers.reduce((left, right) => (right.known > left.known ? right : left));
  if (best.names.length === 1 && best.names[0] === '') {
    throw malformedSource('csv', { problem: 'the first line is empty' });
  }
  if (best.names.some((name) => name.includes('\ufffd'))) {
    throw malformedSource('csv', { problem: NOT_UTF8, line: 1 });
  }
  return best;
}

/** RFC 4180 §2: fields may be quoted, a quote within is doubled, line ends may be quoted too. */
export function splitFirstLine(text: string, delimiter: string, quote = '"'): string[] {
  const names: string[] = [];
  let name = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted && letter === quote && text[at + 1] === quote) {
      name += quote;
      at += 1;
    } else if (letter === quote && (quoted || name === '')) {
      quoted = !quoted;
    } else if (!quoted && letter === delimiter) {
      names.push(name);
      name = '';
    } else if (!quoted && (letter === '\n' || letter === '\r')) {
      return [...names, name];
    } else {
      name += letter;
    }
  }
  if (quoted || text.length >= CSV_HEADER_BYTES_MAX) {
    const problem = `the first line has no end within ${CSV_HEADER_BYTES_MAX} bytes`;
    throw malformedSource('csv', { problem, line: 1 });
  }
  return [...names, name];
}
