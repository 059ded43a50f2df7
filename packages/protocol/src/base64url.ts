/** Strict base64url without padding (RFC 4648 §5, RFC 7515 §2): one spelling per byte string. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < ALPHABET.length; value += 1) VALUES[ALPHABET.charCodeAt(value)] = value;

const LETTERS_AT_ONCE = 8_192;

export function encodeBase64url(bytes: Uint8Array): string {
  let letters = '';
  // In groups: letter by letter takes ten times as long, and a call takes no million arguments.
  for (let at = 0; at < bytes.length; at += LETTERS_AT_ONCE) {
    letters += String.fromCharCode(...bytes.subarray(at, at + LETTERS_AT_ONCE));
  }
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Returns undefined for padding, white space, foreign letters and non-zero leftover bits. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let pending = 0;
  let bits = 0;
  let length = 0;
  for (let index = 0; index < text.length; index += 1) {
    const value = VALUES[text.charCodeAt(index)] ?? -1;
    if (value < 0) return undefined;
    pending = (pending << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length] = pending >> bits;
    length += 1;
    pending &= (1 << bits) - 1;
  }
  return pending === 0 ? bytes : undefined;
}
