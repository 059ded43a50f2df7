import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextInterner } from './text-interner.ts';

const text = new TextEncoder();

function textsOf(interner: TextInterner): string[] {
  const { offsets, bytes, count } = interner.dictionary();
  return Array.from({ length: count }, (_, entry) =>
    new TextDecoder().decode(bytes.subarray(offsets[entry], offsets[entry + 1])),
  );
}

test('numbers distinct texts in order of first appearance, however many and however long', () => {
  const interner = new TextInterner();
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 100 }))),
      (texts) => {
        interner.clear();
        const numbers = texts.map((each) => {
          const bytes = text.encode(`..${each}.`);
          return interner.intern(bytes, 2, bytes.length - 3);
        });
        const distinct = [...new Set(texts)];
        expect(textsOf(interner)).toEqual(distinct);
        expect(numbers).toEqual(texts.map((each) => distinct.indexOf(each)));
      },
    ),
  );
});

test('tells texts apart whose hashes share a slot, also after growing', () => {
  const interner = new TextInterner();
  const texts = Array.from({ length: 20_000 }, (_, n) => `${n}`);
  for (const [n, each] of texts.entries()) {
    const bytes = text.encode(each);
    expect(interner.intern(bytes, 0, bytes.length)).toBe(n);
  }
  expect(textsOf(interner)).toEqual(texts);
});

test('refuses bytes that are not UTF-8 and keeps its numbers', () => {
  const interner = new TextInterner();
  expect(interner.intern(text.encode('a'), 0, 1)).toBe(0);
  expect(interner.intern(Uint8Array.of(0xc3, 0x28), 0, 2)).toBe(-1);
  // A surrogate (RFC 3629 §3) and an overlong form.
  expect(interner.intern(Uint8Array.of(0xed, 0xa0, 0x80), 0, 3)).toBe(-1);
  expect(interner.intern(Uint8Array.of(0xc0, 0x80), 0, 2)).toBe(-1);
  expect(interner.intern(text.encode('b'), 0, 1)).toBe(1);
  expect(textsOf(interner)).toEqual(['a', 'b']);
});
