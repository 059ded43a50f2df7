import { refused } from './arrow-refusal.ts';

/**
 * A bounded reader of FlatBuffers tables (as its "Internals" page lays them out), for the four
 * tables of an Arrow stream's metadata. The bytes come from a data owner who may be hostile:
 * every offset is checked by DataView, every vector is checked against the bytes that are there
 * before anything is built from its length.
 */

export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  /** Of the table itself: its values lie before. */
  readonly #end: number;
  readonly #slots: number;
  readonly #slotsEnd: number;

  /** @param known how many members the format gives such a table; one more means what we cannot */
  private constructor(view: DataView, at: number, known: number) {
    const vtable = at - view.getInt32(at, true);
    const size = view.getUint16(vtable, true);
    this.#view = view;
    this.#at = at;
    this.#end = at + view.getUint16(vtable + 2, true);
    this.#slots = vtable + 4;
    this.#slotsEnd = vtable + size;
    const isWhole = vtable >= 0 && size >= 4 && size % 2 === 0;
    if (!isWhole || this.#slotsEnd > view.byteLength) throw outOfBounds();
    if (this.#end > view.byteLength || this.#end < at + 4) throw outOfBounds();
    for (let slot = this.#slots + known * 2; slot < this.#slotsEnd; slot += 2) {
      if (view.getUint16(slot, true) !== 0) throw refused('metadata unknown', 'metadata');
    }
  }

  /** @throws ERR_BATCH_CONTENT, or a RangeError when an offset leaves the bytes */
  static root(bytes: Uint8Array, known: number): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true), known);
  }

  /** Where a field's value lies; 0 when the table leaves it at its default. */
  #position(field: number, bytes: number): number {
    const slot = this.#slots + field * 2;
    if (slot + 2 > this.#slotsEnd) return 0;
    const offset = this.#view.getUint16(slot, true);
    if (offset === 0) return 0;
    const at = this.#at + offset;
    if (offset < 4 || at + bytes > this.#end) throw outOfBounds();
    return at;
  }

  uint8(field: number, absent: number): number {
    const at = this.#position(field, 1);
    return at === 0 ? absent : this.#view.getUint8(at);
  }

  int16(field: number, absent: number): number {
    const at = this.#position(field, 2);
    return at === 0 ? absent : this.#view.getInt16(at, true);
  }

  int32(field: number, absent: number): number {
    const at = this.#position(field, 4);
    return at === 0 ? absent : this.#view.getInt32(at, true);
  }

  /** A 64-bit count: negative or beyond 2^53 is refused. */
  count(field: number): number {
    const at = this.#position(field, 8);
    return at === 0 ? 0 : countAt(this.#view, at);
  }

  table(field: number, known: number): FlatTable | undefined {
    const at = this.#position(field, 4);
    return at === 0 ? undefined : new FlatTable(this.#view, this.#follow(at), known);
  }

  text(field: number): string | undefined {
    const at = this.#position(field, 4);
    if (at === 0) return undefined;
    const vector = this.#vector(at, 1);
    const bytes = new Uint8Array(
      this.#view.buffer,
      this.#view.byteOffset + vector.at,
      vector.length,
    );
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  }

  tables(field: number, maximum: number, known: number): FlatTable[] {
    const at = this.#position(field, 4);
    if (at === 0) return [];
    const vector = this.#vector(at, 4);
    if (vector.length > maximum) throw outOfBounds();
    return Array.from(
      { length: vector.length },
      (_none, index) => new FlatTable(this.#view, this.#follow(vector.at + index * 4), known),
    );
  }

  /** A vector of structs of two 64-bit counts: Arrow's FieldNode and Buffer. */
  pairs(field: number, maximum: number): [number, number][] {
    const at = this.#position(field, 4);
    if (at === 0) return [];
    const vector = this.#vector(at, 16);
    if (vector.length > maximum) throw outOfBounds();
    return Array.from({ length: vector.length }, (_none, index) => [
      countAt(this.#view, vector.at + index * 16),
      countAt(this.#view, vector.at + index * 16 + 8),
    ]);
  }

  /** Whether a vector is there and holds anything. */
  hasVector(field: number): boolean {
    const at = this.#position(field, 4);
    return at !== 0 && this.#view.getUint32(this.#follow(at), true) > 0;
  }

  has(field: number): boolean {
    return this.#position(field, 4) !== 0;
  }

  #follow(at: number): number {
    return at + this.#view.getUint32(at, true);
  }

  #vector(at: number, itemBytes: number): { at: number; length: number } {
    const start = this.#follow(at);
    const length = this.#view.getUint32(start, true);
    if (start + 4 + length * itemBytes > this.#view.byteLength) throw outOfBounds();
    return { at: start + 4, length };
  }
}

function countAt(view: DataView, at: number): number {
  const value = view.getBigInt64(at, true);
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw outOfBounds();
  return Number(value);
}

function outOfBounds() {
  return refused('metadata leaves its bounds', 'metadata');
}
