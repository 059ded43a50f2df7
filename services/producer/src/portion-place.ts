import { StrongroomError } from '@strongroom/protocol/errors';
import type { Portion } from './source-input.ts';

/**
 * Reads a portion; what is wrong with one of its rows is said by the place that its owner knows: in
 * which order the records of several partitions were rows, nobody could tell afterwards.
 */
export async function withPlace<Value>(
  portion: Portion,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    const { row, line, ...facts } = error.facts;
    const number = row ?? line;
    const place = typeof number === 'number' ? portion.placeOf?.(number) : undefined;
    throw place ? new StrongroomError(error.code, { ...facts, ...place }) : error;
  }
}
