import fc from 'fast-check';
import { expect, test } from 'vitest';
import { amountOf, unitsOf } from './decimal.ts';
import { AmountSchema, DebitSchema } from './ledger.ts';

test('an amount has one spelling, and no digit is lost', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n - 1n }), (units) => {
      const amount = amountOf(units);
      expect(AmountSchema.safeParse(amount).success).toBe(true);
      expect(unitsOf(amount)).toBe(units);
    }),
    { numRuns: 2_000 },
  );
});

test.each(['0', '1', '0.5', '0.1', '999999.999999999999', '0.000000000001'])('takes %s', (text) => {
  expect(AmountSchema.parse(text)).toBe(text);
  expect(amountOf(unitsOf(text))).toBe(text);
});

test.each([
  ...['', '.5', '1.', '01', '1.0', '0.50', '-1', '+1', '1e3', ' 1', '1_0', '١'],
  ...['1000000', '0.0000000000001', 'NaN', 'Infinity', '0x1'],
])('refuses %j', (text) => {
  expect(AmountSchema.safeParse(text).success).toBe(false);
});

test('0.1 + 0.2 is 0.3', () => {
  expect(amountOf(unitsOf('0.1') + unitsOf('0.2'))).toBe('0.3');
});

test('a debit names each dataset once, in order', () => {
  const loss = { rho: '1' };
  const debit = (...datasets: string[]) => ({
    ...{ v: 1, contract: 'ab'.repeat(32), query: 'total', window: null },
    charges: datasets.map((dataset) => ({ dataset, loss })),
  });
  expect(DebitSchema.safeParse(debit('a', 'b')).success).toBe(true);
  for (const wrong of [debit(), debit('b', 'a'), debit('a', 'a')]) {
    expect(DebitSchema.safeParse(wrong).success).toBe(false);
  }
  const mixed = { ...debit('a'), charges: [{ dataset: 'a', loss: { epsilon: '1', rho: '1' } }] };
  expect(DebitSchema.safeParse(mixed).success).toBe(false);
});
