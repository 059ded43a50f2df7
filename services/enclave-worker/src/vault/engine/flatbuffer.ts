import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * A bounded reader of FlatBuffers tables (as its "Internals" page lays them out), for the four
 * tables of an Arrow stream's metadata. The bytes come from a data owner who may be hostile:
 * every offset is checked by DataView, every vector is checked against the bytes that are there
 * before anything is built from its length.
 */

export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldsEnd: number;

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    const vtable = at - view.getInt32(at, true);
    const size = view.getUint16(vtable, true);
    this.#fields = vtable + 4;
    this.#fieldsEnd = vtable + size;
    if (vtable < 0 || this.#fieldsEnd > view.byteLength) throw outOfBounds();
  }

  /** @throws ERR_BATCH_CONTENT or RangeError when an offset leaves the bytes */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** Where a field's value lies; 0 when the table leaves it at its default. */
  #position(field: number): number {
    const slot = this.#fields + field * 2;
    if (slot + 2 > this.#fieldsEnd) return 0;
    const offset = this.#view.getUint16(slot, true);
    return offset === 0 ? 0 : this.#at + offset;
  }

  uint8(field: number, absent: number): number {
    const at = this.#position(field);
    return at === 0 ? absent : this.#view.getUint8(at);
  }

  int16(field: number, absent: number): number {
    const at = this.#position(field);
    return at === 0 ? absent : this.#view.getInt16(at, true);
  }

  int32(field: number, absent: number): number {
    const at = this.#position(field);
    return at === 0 ? absent : this.#view.getInt32(at, true);
  }

  /** A 64-bit count: negative or beyond 2^53 is refused. */
  count(field: number): number {
    const at = this.#position(field);
    return at === 0 ? 0 : countAt(this.#view, at);
  }

  table(field: number): FlatTable | undefined {
    const at = this.#position(field);
    return at === 0 ? undefined : new FlatTable(this.#view, this.#follow(at));
  }

  text(field: number): string | undefined {
    const at = this.#position(field);
    if (at === 0) return undefined;
    const vector = this.#vector(at, 1);
    const bytes = new Uint8Array(
      this.#view.buffer,
      this.#view.byteOffset + vector.at,
      vector.length,
    );
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  }

  tables(field: number, maximum: number): FlatTable[] {
    const at = this.#position(field);
    if (at === 0) return [];
    const vector = this.#vector(at, 4);
    if (vector.length > maximum) throw outOfBounds();
    return Array.from(
      { length: vector.length },
      (_none, index) => new FlatTable(this.#view, this.#follow(vector.at + index * 4)),
    );
  }

  /** A vector of structs of two 64-bit counts: Arrow's FieldNode and Buffer. */
  pairs(field: number, maximum: number): [number, number][] {
    const at = this.#position(field);
    if (at === 0) return [];
    const vector = this.#vector(at, 16);
    if (vector.length > maximum) throw outOfBounds();
    return Array.from({ length: vector.length }, (_none, index) => [
      countAt(this.#view, vector.at + index * 16),
      countAt(this.#view, vector.at + index * 16 + 8),
    ]);
  }

  has(field: number): boolean {
    return this.#position(field) !== 0;
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

function outOfBounds(): StrongroomError {
  return new StrongroomError('ERR_BATCH_CONTENT', { problem: 'metadata leaves its bounds' });
}
