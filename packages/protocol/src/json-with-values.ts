import { canonicalBytes, parseCanonical } from './canonical-json.ts';

/**
 * A document and the bytes that it speaks of, in one piece:
 *
 *   uint32 bytes of the JSON ‖ canonical JSON ‖ value ‖ value ‖ …
 *
 * with the number big-endian. Where a value ends is for the document to say.
 */
const LENGTH_BYTES = 4;

export function joinJson(
  document: unknown,
  values: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const json = canonicalBytes(document);
  let at = LENGTH_BYTES + json.length;
  const bytes = new Uint8Array(values.reduce((sum, { length }) => sum + length, at));
  new DataView(bytes.buffer).setUint32(0, json.length);
  bytes.set(json, LENGTH_BYTES);
  for (const value of values) {
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}

/**
 * The document, and a view of all that stands behind it.
 * @throws RangeError without a length, ERR_JSON_MALFORMED, ERR_JSON_NOT_CANONICAL
 */
export function splitJson(bytes: Uint8Array): { document: unknown; rest: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = LENGTH_BYTES + view.getUint32(0);
  const document = parseCanonical(bytes.subarray(LENGTH_BYTES, end));
  return { document, rest: bytes.subarray(end) };
}
