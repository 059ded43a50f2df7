import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';

/**
 * What may be wrong with the Arrow stream of a batch: a closed list of words that do not change, so
 * that an owner can look one up and a test can demand it. Never a value, a length or a place that
 * rows decide.
 */
export const ARROW_PROBLEMS = [
  // Frames.
  'cut short',
  'no frame',
  'metadata length',
  'metadata leaves its bounds',
  'metadata unknown',
  'metadata version',
  'body length',
  'too many frames',
  'bytes after the end',
  'order of frames',
  // Schema.
  'big-endian',
  'columns',
  'name',
  'type',
  'nested type',
  'nullable',
  'dictionary encoding',
  // Dictionaries and the record batch.
  'delta dictionary',
  'dictionary again',
  'dictionary of no column',
  'compressed body',
  'buffer outside the body',
  'buffer not aligned',
  'buffers overlap',
  'number of buffers',
  'number of nodes',
  'rows',
  // Columns.
  'null',
  'null count',
  'validity length',
  'values length',
  'digits',
  'time',
  'index',
  'offsets',
  'not UTF-8',
] as const;
export type ArrowProblem = (typeof ARROW_PROBLEMS)[number];

/**
 * @param place a column of the contract or a part of the stream
 * @param expected what would have been right, where a word says it
 */
export function refused(problem: ArrowProblem, place: string, expected?: string): StrongroomError {
  const facts: ErrorFacts = { problem, place, ...(expected === undefined ? {} : { expected }) };
  return new StrongroomError('ERR_BATCH_CONTENT', facts);
}
