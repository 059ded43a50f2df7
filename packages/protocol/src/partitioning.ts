import type { Dataset } from './contract.ts';

/**
 * Which stream of a dataset a row belongs to, where the contract says `partitionBy`: by the value
 * of that column alone, so that equal values of any dataset meet in one place. The producer sends
 * each row there, and a vault refuses a batch with a row that belongs elsewhere.
 *
 *   index of the stream = (murmur2(value) & 0x7fffffff) mod number of streams
 *
 * This is what Kafka's own producers do with the key of a record. A text is its UTF-8; a whole
 * number, a date or a time is its 8 bytes in two's complement, the lowest first, whatever its
 * type's width: 5 is 5 in every column.
 */

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** Austin Appleby's MurmurHash2 with the seed of Kafka's producers. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  const whole = length & ~3;
  let hash = SEED ^ length;
  for (let at = 0; at < whole; at += 4) {
    const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    const high = ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    hash = withWord(hash, low | high);
  }
  if (length > whole) {
    hash ^= (bytes[whole] ?? 0) | ((bytes[whole + 1] ?? 0) << 8) | ((bytes[whole + 2] ?? 0) << 16);
    hash = Math.imul(hash, MULTIPLIER);
  }
  return finished(hash);
}

function withWord(hash: number, word: number): number {
  let mixed = Math.imul(word, MULTIPLIER);
  mixed ^= mixed >>> 24;
  return Math.imul(hash, MULTIPLIER) ^ Math.imul(mixed, MULTIPLIER);
}

function finished(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return mixed ^ (mixed >>> 15);
}

/** @param text in UTF-8. @returns which of so many streams */
export function streamOfText(text: Uint8Array, streams: number): number {
  return (murmur2(text) & POSITIVE) % streams;
}

/** @param low and `high`: a whole number of 64 bits. @returns which of so many streams */
export function streamOfInteger(low: number, high: number, streams: number): number {
  const hash = withWord(withWord(SEED ^ 8, low), high);
  return (finished(hash) & POSITIVE) % streams;
}

const POSITIVE = 0x7fffffff;

/** Two values of these types are equal exactly where they are the same bytes. */
const TYPES = /^(utf8|u?int(8|16|32|64)|date32|timestamp-.*)$/;

/** Why rows of a dataset cannot be shared out as it says; undefined when they can. */
export function partitionProblemIn(
  dataset: Pick<Dataset, 'columns' | 'partitionBy' | 'streams'>,
): string | undefined {
  const { columns, partitionBy, streams } = dataset;
  if (partitionBy === undefined) return undefined;
  const column = columns.find(({ name }) => name === partitionBy);
  if (!column) return 'a column of the dataset';
  if (column.nullable) return 'a column without nulls: what is missing has no stream';
  if (!TYPES.test(column.type)) return 'a column of texts, whole numbers, dates or times';
  return streams ? undefined : 'a column of a dataset with streams, which share out its rows';
}

/** The place of a stream among those of its dataset; -1 for one that the contract does not name. */
export function streamIndex({ streams = [] }: Pick<Dataset, 'streams'>, id: string): number {
  return streams.findIndex((stream) => stream.id === id);
}
