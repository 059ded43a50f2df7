import { describe, expect, test } from 'vitest';
import { canonicalBytes, parseCanonical } from './canonical-json.ts';
import { codeOf } from './errors.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('canonical JSON', () => {
  test('orders members by UTF-16 code units and spells numbers as ECMAScript does', () => {
    const value = {
      '\u20ac': 1,
      '\r': 2,
      '1': 3,
      '\u{1f600}': 4,
      '\u0080': 5,
      numbers: [1e21, 1e-7, -0],
    };
    expect(new TextDecoder().decode(canonicalBytes(value))).toBe(
      '{"\\r":2,"1":3,"numbers":[1e+21,1e-7,0],"\u0080":5,"\u20ac":1,"\u{1f600}":4}',
    );
  });

  test.each([
    ['white space', '{"a": 1}'],
    ['repeated member', '{"a":1,"a":1}'],
    ['other order', '{"b":1,"a":1}'],
    ['other number form', '{"a":1.0}'],
    ['exponent', '{"a":1e0}'],
    ['escaped letter', '{"a":"\\u0061"}'],
    ['byte order mark', '\ufeff{"a":1}'],
    ['trailing line', '{"a":1}\n'],
  ])('refuses a second spelling: %s', (_name, text) => {
    const parse = () => parseCanonical(bytes(text));
    expect(parse).toThrow();
    try {
      parse();
    } catch (error) {
      expect(codeOf(error)).toMatch(/^ERR_JSON_/);
    }
  });

  test('accepts its own output', () => {
    const value = { a: [1, 'x', null, true], b: { c: 2 } };
    expect(parseCanonical(canonicalBytes(value))).toEqual(value);
  });
});
