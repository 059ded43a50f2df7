import { DerError, TAGS } from './der.ts';

/** The other direction: just enough DER to write certificates. */

export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = joined(contents);
  const length = content.length;
  if (length < 0x80) return joined([Uint8Array.of(tag, length), content]);
  if (length < 0x100) return joined([Uint8Array.of(tag, 0x81, length), content]);
  if (length >= 0x10000) throw new DerError('value is too long');
  return joined([Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), content]);
}

export function sequence(...contents: readonly Uint8Array[]): Uint8Array {
  return der(TAGS.sequence, ...contents);
}

/** A non-negative INTEGER from its big-endian bytes, with the leading zero that DER demands. */
export function integer(bigEndian: Uint8Array): Uint8Array {
  const firstNonZero = bigEndian.findIndex((byte) => byte !== 0);
  const digits = firstNonZero === -1 ? Uint8Array.of(0) : bigEndian.subarray(firstNonZero);
  const signed = (digits[0] ?? 0) > 0x7f ? joined([Uint8Array.of(0), digits]) : digits;
  return der(TAGS.integer, signed);
}

export function oid(dotted: string): Uint8Array {
  const [root = 0n, second = 0n, ...more] = dotted.split('.').map(BigInt);
  return der(TAGS.oid, ...[root * 40n + second, ...more].map(arcBytes));
}

function arcBytes(arc: bigint): Uint8Array {
  const bytes = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) bytes.unshift(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from(bytes);
}

/** A BIT STRING of whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return der(TAGS.bitString, Uint8Array.of(0), bytes);
}

/** UTCTime until 2049, as RFC 5280 §4.1.2.5 demands. */
export function time(milliseconds: number): Uint8Array {
  const text = new Date(milliseconds).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const year = Number(text.slice(0, 4));
  if (year < 1950 || year >= 2050) return der(TAGS.generalizedTime, latin(text));
  return der(TAGS.utcTime, latin(text.slice(2)));
}

export function latin(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
