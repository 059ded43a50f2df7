import assert from 'node:assert/strict';

/**
 * Kafka's primitive types as pairs of a reader and a writer, for the versions before the flexible
 * ones. It is no client's code on purpose: a double that shares code with what it tests proves
 * nothing. 64-bit integers are numbers: a lie need not be exact, and truth here stays below 2^53.
 */

export interface Codec<Value> {
  read(from: Source): Value;
  write(to: Sink, value: Value): void;
}

export type ValueOf<Type> = Type extends Codec<infer Value> ? Value : never;

export class Source {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    assert.equal(taken.length, length, 'a request ends early');
    this.#at += length;
    return taken;
  }
}

export class Sink {
  readonly #parts: Uint8Array[] = [];

  put(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

export function encode<Value>(type: Codec<Value>, value: Value): Buffer {
  const sink = new Sink();
  type.write(sink, value);
  return sink.bytes();
}

export function decode<Value>(type: Codec<Value>, bytes: Uint8Array): Value {
  return type.read(new Source(bytes));
}

function fixed<Value>(
  size: number,
  read: (bytes: Buffer) => Value,
  write: (bytes: Buffer, value: Value) => unknown,
): Codec<Value> {
  return {
    read: (from) => read(from.take(size)),
    write(to, value) {
      const bytes = Buffer.alloc(size);
      write(bytes, value);
      to.put(bytes);
    },
  };
}

export const int8 = fixed(
  1,
  (bytes) => bytes.readInt8(),
  (bytes, value: number) => bytes.writeInt8(value),
);
export const int16 = fixed(
  2,
  (bytes) => bytes.readInt16BE(),
  (bytes, value: number) => bytes.writeInt16BE(value),
);
export const int32 = fixed(
  4,
  (bytes) => bytes.readInt32BE(),
  (bytes, value: number) => bytes.writeInt32BE(value),
);
export const int64 = fixed(
  8,
  (bytes) => Number(bytes.readBigInt64BE()),
  (bytes, value: number) => bytes.writeBigInt64BE(BigInt(value)),
);
export const bool = fixed(
  1,
  (bytes) => bytes.readInt8() !== 0,
  (bytes, value: boolean) => bytes.writeInt8(value ? 1 : 0),
);

const NONE = -1;

export const nullableString: Codec<string | null> = {
  read(from) {
    const length = int16.read(from);
    return length === NONE ? null : from.take(length).toString('utf8');
  },
  write(to, value) {
    int16.write(to, value === null ? NONE : Buffer.byteLength(value));
    to.put(Buffer.from(value ?? ''));
  },
};

export const string: Codec<string> = {
  read: (from) => nullableString.read(from) ?? '',
  write: (to, value) => nullableString.write(to, value),
};

export const bytes: Codec<Buffer> = {
  read(from) {
    const length = int32.read(from);
    return length === NONE ? Buffer.alloc(0) : from.take(length);
  },
  write(to, value) {
    int32.write(to, value.length);
    to.put(value);
  },
};

export function nullableArray<Value>(of: Codec<Value>): Codec<Value[] | null> {
  return {
    read(from) {
      const length = int32.read(from);
      return length === NONE ? null : Array.from({ length }, () => of.read(from));
    },
    write(to, values) {
      int32.write(to, values === null ? NONE : values.length);
      for (const value of values ?? []) of.write(to, value);
    },
  };
}

export function array<Value>(of: Codec<Value>): Codec<Value[]> {
  const nullable = nullableArray(of);
  return {
    read: (from) => nullable.read(from) ?? [],
    write: (to, values) => nullable.write(to, values),
  };
}

/** Fields in the order in which they are written down, which is that of the wire. */
export function struct<const Shape extends Readonly<Record<string, object>>>(
  shape: Shape,
): Codec<{ [Name in keyof Shape]: ValueOf<Shape[Name]> }> {
  const fields = Object.entries(shape) as [string, Codec<unknown>][];
  return {
    read(from) {
      const entries = fields.map(([name, type]) => [name, type.read(from)] as const);
      return Object.fromEntries(entries) as { [Name in keyof Shape]: ValueOf<Shape[Name]> };
    },
    write(to, value) {
      const values = value as Record<string, unknown>;
      for (const [name, type] of fields) type.write(to, values[name]);
    },
  };
}
