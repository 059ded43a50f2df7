/** Below this a message costs the garbage collector nothing worth keeping. */
const REUSED_BYTES_MIN = 1_048_576;
/** Messages differ by a few bytes: memory is of whole steps, so that the next one fits. */
const STEP_BYTES = 1_048_576;
/** What lies ready at most. */
const READY_MAX = 4;

/**
 * Memory of large messages, used again when their reader is done with what came in them. Memory
 * that is new counts for the garbage collector, which then marks all that a process has: two fifths
 * of a worker's time went there.
 *
 * A reader that forgets to give back loses the gain and nothing else. One that gives back too early
 * finds its values empty, and never another message in them: memory is transferred before it is
 * used again, which detaches all views of it (ECMA-262, ArrayBuffer.prototype.transfer).
 */
export class MessageMemory {
  /** Values that are in a reader's hands, by the memory that they are views of. */
  readonly #lent = new WeakMap<ArrayBufferLike, Set<Uint8Array>>();
  readonly #ready: ArrayBuffer[] = [];

  /** Memory for so many bytes. What lay there before is still in it. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes < REUSED_BYTES_MIN) return new Uint8Array(bytes);
    const place = this.#ready.findIndex(({ byteLength }) => byteLength >= bytes);
    const [ready] = place < 0 ? [] : this.#ready.splice(place, 1);
    const memory = ready ?? new ArrayBuffer(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
    return new Uint8Array(memory, 0, bytes);
  }

  /** Says that these views of what was taken are in a reader's hands, until it gives them back. */
  lend(values: readonly Uint8Array[]): void {
    for (const value of values) {
      const { buffer } = value;
      if (buffer.byteLength < REUSED_BYTES_MIN) continue;
      const lent = this.#lent.get(buffer);
      if (lent) lent.add(value);
      else this.#lent.set(buffer, new Set([value]));
    }
  }

  /** The reader is done with these. When it is done with all of a message, they are empty. */
  giveBack(values: readonly Uint8Array[]): void {
    for (const value of values) {
      const { buffer } = value;
      const lent = this.#lent.get(buffer);
      if (!lent?.delete(value) || lent.size > 0) continue;
      if (buffer instanceof ArrayBuffer && this.#ready.length < READY_MAX) {
        this.#ready.push(buffer.transfer());
      }
    }
  }
}

/** Smaller values may share their memory with others: Node cuts them out of one piece. */
const FREED_BYTES_MIN = 131_072;

/**
 * Frees memory that nobody but this value has a part of, now and not when the collector comes. All
 * views of it are empty from then on.
 */
export function freeMemory({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= FREED_BYTES_MIN) buffer.transfer(0);
}
