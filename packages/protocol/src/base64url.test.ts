import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64url, encodeBase64url } from './base64url.ts';

describe('base64url', () => {
  test('agrees with Node and comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64url(text)).toEqual(bytes);
      }),
    );
  });

  test('has one spelling: whatever decodes encodes to the same text', () => {
    const letters = fc.constantFrom(...'ABQgwxyz0189-_+/= .é\u0100\n');
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 12 }), (text) => {
        const bytes = decodeBase64url(text);
        const lenient = Buffer.from(text, 'base64url');
        const strict = lenient.toString('base64url') === text;
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
