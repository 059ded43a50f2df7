import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoted } from './quoted.ts';
import { oddNumber, repeatedMember } from './repeated-member.ts';

describe('repeatedMember', () => {
  test.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['[0,{"b":[1,{"c":{},"d":",","c":[]}]}]', '[1].b[1].c'],
    ['{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}],"a":0}', 'a'],
    ['{"":1,"":2}', '""'],
    ['{"a b":1,"a b":2}', '"a b"'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    [
      `{${'"x":1,'.repeat(2).replaceAll('x', 'y'.repeat(99))}"z":0}`,
      `"${'y'.repeat(60)}"... (99 characters)`,
    ],
  ])('%s: %s', (text, place) => {
    expect(repeatedMember(text)).toBe(place);
  });

  test('sees none where names only look alike or stand in values', () => {
    for (const text of [
      '{"a":"a","b":{"a":"a"},"c":["a","a",{"a":1},{"a":1}]}',
      '{"a":"\\"a\\":1,","a\\"":"{","\\\\":"\\\\","A":1}',
      '"a"',
      '[]',
    ]) {
      expect(repeatedMember(text), text).toBeUndefined();
    }
  });

  test('sees none in what JSON.stringify has printed, and one in every doubled object', () => {
    fc.assert(
      fc.property(fc.json(), fc.string(), (text, name) => {
        expect(repeatedMember(text)).toBeUndefined();
        const member = `${JSON.stringify(name)}:${text}`;
        const twice = `[${text},{${member},${JSON.stringify(`other ${name}`)}:[],${member}}]`;
        expect(repeatedMember(twice)).toMatch(/^\[1\]/);
      }),
    );
  });
});

describe('oddNumber', () => {
  test.each([
    ['{"a":1.0}', 'a'],
    ['[0,-0]', '[1]'],
    ['1e0', ''],
    ['{"a":[{"b":9007199254740991},{"b":12345678901234567}]}', 'a[1].b'],
    ['{"a":0.1}', 'a'],
  ])('%s: %s', (text, place) => {
    expect(oddNumber(text)).toBe(place);
  });

  test('has nothing against integers, and against digits in texts', () => {
    expect(oddNumber('{"1.5":"-0","a":[0,-1,10,9007199254740991],"b":"1e5"}')).toBeUndefined();
  });
});

test('quoted text is short visible ASCII that tells one text from another', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      expect(quoted(text)).toMatch(/^"[ -~]*"(\.\.\. \(\d+ characters\))?$/);
      expect(quoted(text).length).toBeLessThan(700);
    }),
    { numRuns: 30 },
  );
  expect(quoted('false')).toBe('"false"');
  expect(quoted('a"\u001b[2J\u202e\u0430\ud800\u{1f600}')).toBe(
    '"a\\"\\u001b[2J\\u{202e}\\u{430}\\ud800\\u{1f600}"',
  );
  expect(quoted('12345', 3)).toBe('"123"... (5 characters)');
  expect(quoted('123', 3)).toBe('"123"');
});
