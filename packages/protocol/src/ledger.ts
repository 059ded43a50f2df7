import { z } from 'zod';
import { ContractIdSchema, DatasetIdSchema, MillisecondsSchema, QueryIdSchema } from './fields.ts';
import { DATASETS_MAX } from './limits.ts';

/**
 * Privacy budgets: how much of a dataset's privacy the results of a contract may use up, and what
 * one result uses. Amounts are exact decimals with one spelling each, never floating-point numbers.
 */

/**
 * Digits, and a fraction that does not end with 0: `3`, `0.5`, `0.000001`. The largest amount is
 * below 10^6, so that sums stay exact in 64 bits.
 */
export const AmountSchema = z.string().regex(/^(0|[1-9]\d{0,5})(\.\d{0,11}[1-9])?$/);

/**
 * What is used up, by one of two measures that are never mixed: (epsilon, delta) differential
 * privacy, or rho of zero-concentrated differential privacy, which holds but for a probability of
 * delta where there is one (Bun, Steinke 2016, definition 8.1). All of them add up over releases.
 */
export const PrivacyLossSchema = z.union([
  z.strictObject({ epsilon: AmountSchema, delta: AmountSchema }),
  z.strictObject({ rho: AmountSchema }),
  z.strictObject({ rho: AmountSchema, delta: AmountSchema }),
]);
export type PrivacyLoss = z.infer<typeof PrivacyLossSchema>;

/** An owner's limit for one of its datasets under one contract. */
export const BudgetSchema = z.strictObject({ dataset: DatasetIdSchema, limit: PrivacyLossSchema });
export type Budget = z.infer<typeof BudgetSchema>;

/**
 * What one result of a query uses up of one owner's datasets. Payload of a JWS by the key that
 * signs the worker's results. One (contract, query, window) is debited once, whatever comes again.
 */
export const DebitSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  query: QueryIdSchema,
  /** As in the seal of the result. */
  window: z.strictObject({ start: MillisecondsSchema, end: MillisecondsSchema }).nullable(),
  /** In the order of their datasets. */
  charges: z
    .array(z.strictObject({ dataset: DatasetIdSchema, loss: PrivacyLossSchema }))
    .min(1)
    .max(DATASETS_MAX)
    .refine((charges) => isRising(charges.map(({ dataset }) => dataset)), 'rising, each once'),
});
export type Debit = z.infer<typeof DebitSchema>;

export const DEBIT_JWS_TYPE = 'strongroom-debit+jws';
/** The key of the runtime claims that signs it. */
export const DEBIT_KEY_ID = 'aggregates';

function isRising(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] ?? '') < name);
}
