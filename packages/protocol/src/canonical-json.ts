import canonicalize from 'canonicalize';
import { StrongroomError } from './errors.ts';

/** A value that JSON can carry. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** The one byte form of a JSON value: RFC 8785 (JCS), UTF-8. */
export function canonicalBytes(value: unknown): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new StrongroomError('ERR_JSON_MALFORMED');
  return new TextEncoder().encode(text);
}

/**
 * Parses bytes that must already be canonical. The comparison refuses every second spelling of the
 * same value: repeated members, white space, other escapes, other number forms, a byte order mark.
 */
export function parseCanonical(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED');
  }
  let again: Uint8Array;
  try {
    again = canonicalBytes(value);
  } catch {
    throw new StrongroomError('ERR_JSON_NOT_CANONICAL');
  }
  if (!sameBytes(bytes, again)) throw new StrongroomError('ERR_JSON_NOT_CANONICAL');
  return value;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
