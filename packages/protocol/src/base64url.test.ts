import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64url, encodeBase64url } from './base64url.ts';

/** By way of the platform's base64. */
function reference(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replace(/=+$/, '').replace(/\+/g, '-').replace(/\//g, '_');
}

/** The bytes of what can be read as base64url; none when nothing can. */
function lenient(text: string): Uint8Array {
  try {
    const letters = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}

describe('base64url', () => {
  test('agrees with Node and comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(reference(bytes));
        expect(decodeBase64url(text)).toEqual(bytes);
      }),
    );
  });

  test('has one spelling: whatever decodes encodes to the same text', () => {
    const letters = fc.constantFrom(...'ABQgwxyz0189-_+/= .é\u0100\n');
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 12 }), (text) => {
        const bytes = decodeBase64url(text);
        const strict = reference(lenient(text)) === text;
        expect(bytes === undefined).toBe(!strict);
        if (bytes) expect(encodeBase64url(bytes)).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['A', 'AB', 'AAB', 'AA==', 'AA ', ' AA', 'A+==', 'A/A=', 'AAAAA'])(
    'refuses %j',
    (text) => {
      expect(decodeBase64url(text)).toBeUndefined();
    },
  );
});
