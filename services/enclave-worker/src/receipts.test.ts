import { expect, test } from 'vitest';
import { receiptIn } from './receipts.ts';

const receipt = { v: 1, index: 3, entry: '{}', proof: ['ab'.repeat(32)], head: 'a.b.c' };

test("a receipt is read beside the value that Azure's client takes", () => {
  expect(receiptIn(JSON.stringify({ value: 'jws', receipt }))).toEqual(receipt);
});

test.each([
  '',
  '{',
  'null',
  '{"value":"jws"}',
  JSON.stringify({ receipt: { ...receipt, proof: ['x'] } }),
  JSON.stringify({ receipt: { ...receipt, more: 1 } }),
])('without one, or with something else in its place, there is none: %s', (text) => {
  expect(receiptIn(text)).toBeUndefined();
});
