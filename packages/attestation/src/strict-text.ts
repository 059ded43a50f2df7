/**
 * Standard base64 with padding (RFC 4648 §4). Buffer.from() skips what is no base64, so the text
 * must come back when it is written again: one spelling per byte string.
 * @returns undefined for anything else
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined;
}

/** Hexadecimal digits of either case, two a byte. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'hex'));
}
