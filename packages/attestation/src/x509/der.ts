/**
 * Strict DER (X.690): one tag byte, definite and shortest lengths, no trailing bytes. Written here,
 * because Node's X509Certificate looks for PEM text inside a DER buffer and accepts what surrounds
 * it: two parsers that read one certificate differently would let a forged extension pass.
 */

export const TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[n]` of a CHOICE or OPTIONAL field; constructed unless it replaces a primitive type. */
export function contextTag(number: number, constructed = true): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content: the bytes that a signature or a comparison covers. */
  readonly raw: Uint8Array;
}

/** Not one of our codes: who reads DER knows what the bytes were meant to be, and says so. */
export class DerError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'DerError';
  }
}

/** Reads the values of one constructed value in order. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#position === this.#bytes.length;
  }

  peek(): number | undefined {
    return this.#bytes[this.#position];
  }

  next(tag: number): DerValue {
    const start = this.#position;
    if (this.#bytes[start] !== tag) throw new DerError(`expected tag ${tag}`);
    const { headerBytes, contentBytes } = readLength(this.#bytes, start + 1);
    const begin = start + 1 + headerBytes;
    const end = begin + contentBytes;
    if (end > this.#bytes.length) throw new DerError('value ends early');
    this.#position = end;
    return {
      tag,
      content: this.#bytes.subarray(begin, end),
      raw: this.#bytes.subarray(start, end),
    };
  }

  optional(tag: number): DerValue | undefined {
    return this.peek() === tag ? this.next(tag) : undefined;
  }

  /** A constructed value, read by `read`, which must use up all of it. */
  inside<T>(tag: number, read: (inner: DerReader, value: DerValue) => T): T {
    const value = this.next(tag);
    const inner = new DerReader(value.content);
    const result = read(inner, value);
    inner.end();
    return result;
  }

  end(): void {
    if (!this.done) throw new DerError('trailing bytes');
  }
}

/** X.690 §8.1.3 and §10.1: the short form under 128, else the fewest bytes that hold it. */
function readLength(bytes: Uint8Array, at: number): { headerBytes: number; contentBytes: number } {
  const first = bytes[at];
  if (first === undefined) throw new DerError('length is missing');
  if (first < 0x80) return { headerBytes: 1, contentBytes: first };
  const count = first & 0x7f;
  if (count === 0 || count > 3) throw new DerError('indefinite or oversized length');
  let contentBytes = 0;
  for (let index = 1; index <= count; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) throw new DerError('length ends early');
    contentBytes = contentBytes * 256 + byte;
  }
  const shortest = contentBytes >= 0x80 && contentBytes >= 256 ** (count - 1);
  if (!shortest) throw new DerError('length is not the shortest');
  return { headerBytes: 1 + count, contentBytes };
}

/** A non-negative INTEGER that fits into one byte: security version numbers. */
export function readByteInteger(value: DerValue): number {
  const [first, second, ...more] = value.content;
  if (value.tag !== TAGS.integer || first === undefined || more.length > 0) {
    throw new DerError('expected an INTEGER of 0 to 255');
  }
  if (second === undefined) {
    if (first > 0x7f) throw new DerError('negative INTEGER');
    return first;
  }
  if (first !== 0 || second < 0x80) throw new DerError('expected an INTEGER of 0 to 255');
  return second;
}

/** A BIT STRING of whole bytes, as signatures are. */
export function readBits(value: DerValue): Uint8Array {
  if (value.content[0] !== 0) throw new DerError('BIT STRING with unused bits');
  return value.content.subarray(1);
}

/** Dotted decimal. */
export function readOid(value: DerValue): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  let open = false;
  for (const byte of value.content) {
    if (!open && byte === 0x80) throw new DerError('OID arc is not the shortest');
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    open = byte > 0x7f;
    if (!open) {
      arcs.push(arc);
      arc = 0n;
    }
  }
  const first = arcs[0];
  if (open || first === undefined) throw new DerError('OID ends early');
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...arcs.slice(1)].join('.');
}

/** @returns milliseconds since 1970 (RFC 5280 §4.1.2.5: UTC, with seconds, no fraction) */
export function readTime(value: DerValue): number {
  const text = readLatin(value.content);
  const match =
    value.tag === TAGS.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) throw new DerError('time is malformed');
  const [written = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map(Number);
  const year = value.tag === TAGS.utcTime ? written + (written < 50 ? 2000 : 1900) : written;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const same =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  if (!same) throw new DerError('time is not on the calendar');
  return date.getTime();
}

export function readLatin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
