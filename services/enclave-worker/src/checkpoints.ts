import { PREPARED_BYTES_MAX, PREPARED_PIECE_BYTES_MAX } from '@strongroom/protocol/limits';
import { preparedRecordShape, RECORD_TYPES, SEAL_HEADER } from '@strongroom/protocol/record';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import type { DoorRecord, SealedStep } from './vault/door.ts';

/**
 * The topic of the checkpoints, as the worker sees it: what looks like one, newest last, and steps
 * that look prepared. Only the vault can tell.
 */
export interface Checkpoints {
  readonly checkpoints: readonly string[];
  readonly prepared: readonly SealedStep[];
}

/** So many of what anybody may have written there are handed to the vault. */
const CHECKPOINTS_MAX = 256;

export async function readCheckpoints(log: RecordLog, topic: string): Promise<Checkpoints> {
  const checkpoints = new Set<string>();
  const steps = new StepShelf();
  const offset = await log.startOffset(topic);
  for await (const entries of log.read([{ topic, offset }], { untilEnd: true })) {
    for (const entry of entries) {
      const type = entry.headers['ce_type'];
      if (type === RECORD_TYPES.checkpoint) checkpoints.add(new TextDecoder().decode(entry.value));
      if (type === RECORD_TYPES.prepared) steps.add(entry);
    }
  }
  return { checkpoints: [...checkpoints].slice(-CHECKPOINTS_MAX), prepared: steps.whole() };
}

/** A prepared step in records that the log can carry; a small one is one record, as it is. */
export function inPieces(record: DoorRecord, contract: string): DoorRecord[] {
  const { value, headers } = record;
  const count = Math.ceil(value.length / PREPARED_PIECE_BYTES_MAX);
  if (count <= 1) return [record];
  const [epoch, checkpoint] = numbersOf(headers);
  const seal = headers[SEAL_HEADER] ?? '';
  return Array.from({ length: count }, (_none, index) => {
    const at = { contract, epoch, checkpoint };
    const shape = preparedRecordShape(at, { index, count });
    const start = index * PREPARED_PIECE_BYTES_MAX;
    return {
      key: shape.key,
      headers: { ...shape.headers, [SEAL_HEADER]: seal },
      value: value.subarray(start, start + PREPARED_PIECE_BYTES_MAX),
    };
  });
}

/** Puts the pieces of prepared steps together again, and forgets the oldest when they are many. */
class StepShelf {
  /** By seal: the pieces that came, and how many there are. */
  readonly #steps = new Map<string, { pieces: Map<number, Uint8Array>; count: number }>();
  #bytes = 0;

  add({ headers, value }: Pick<LogEntry, 'headers' | 'value'>): void {
    const seal = headers[SEAL_HEADER] ?? '';
    const [, , index, count] = numbersOf(headers);
    const { pieces } = this.#steps.get(seal) ?? { pieces: new Map<number, Uint8Array>() };
    if (pieces.has(index)) return;
    this.#steps.set(seal, { pieces: pieces.set(index, value), count });
    this.#bytes += value.length;
    while (this.#bytes > PREPARED_BYTES_MAX && this.#steps.size > 1) this.#forgetOldest();
  }

  whole(): SealedStep[] {
    return [...this.#steps].flatMap(([seal, { pieces, count }]) => {
      const values = Array.from({ length: pieces.size }, (_none, index) => pieces.get(index));
      const isWhole = pieces.size === count && !values.includes(undefined);
      return isWhole ? [{ seal, value: Buffer.concat(values.flatMap((each) => each ?? [])) }] : [];
    });
  }

  #forgetOldest(): void {
    const [oldest] = this.#steps;
    if (!oldest) return;
    const [seal, { pieces }] = oldest;
    for (const { length } of pieces.values()) this.#bytes -= length;
    this.#steps.delete(seal);
  }
}

/** Epoch and checkpoint of a step, and a piece's number of how many: its `ce_id`. */
function numbersOf(headers: LogEntry['headers']): [number, number, number, number] {
  const [epoch = 0, checkpoint = 0, index = 0, count = 0] = (headers['ce_id'] ?? '')
    .split('.')
    .map(Number);
  return [epoch, checkpoint, index, count];
}
