import { z } from 'zod';
import { DecimalSchema } from './analysis-rules.ts';
import type { Contract, Dataset, Query } from './contract.ts';
import { unitsOf } from './decimal.ts';
import { StrongroomError } from './errors.ts';
import type { PartyId } from './fields.ts';
import { SqlNameSchema } from './fields.ts';
import { type Debit, PrivacyLossSchema } from './ledger.ts';
import {
  CONTINUAL_WINDOWS_MAX,
  CONTRIBUTIONS_MAX,
  PRIVACY_BINS_MAX,
  PRIVACY_FRACTION_DIGITS_MAX,
} from './limits.ts';
import { isWindowOf } from './windows.ts';

/**
 * How a query's results hide each contributor (differential privacy). Two inputs are neighbours
 * when one has all rows of one contributor in one window and the other has none of them. Every
 * number here is exact: a decimal is text with one spelling.
 */

/** A share below one, such as `0.95`. */
const levelSchema = z.string().regex(/^0\.(?=\d*[1-9])\d{1,6}$/);

export const PrivacySchema = z.strictObject({
  /** Discrete noise on integers (Canonne, Kamath, Steinke 2020). */
  mechanism: z.enum(['laplace', 'gaussian']),
  /** What one result uses up of every dataset with contributors; with `continual`, one period. */
  loss: PrivacyLossSchema,
  /** A contributor counts in at most so many groups of a result; its other rows are left out. */
  groupsPerContributor: z.int().min(1).max(CONTRIBUTIONS_MAX),
  /** And with at most so many rows in each of them. */
  rowsPerGroup: z.int().min(1).max(CONTRIBUTIONS_MAX),
  /**
   * Where tables with contributors are joined, a contributor brings so many rows of each into the
   * join at most: its rows would be multiplied. Default: `JOINED_ROWS_DEFAULT`.
   */
  rowsPerTable: z.exactOptional(z.int().min(1).max(CONTRIBUTIONS_MAX)),
  /** Digits behind the point that measures keep before they are added. Default: none. */
  fractionDigits: z.exactOptional(
    z.record(SqlNameSchema, z.int().min(0).max(PRIVACY_FRACTION_DIGITS_MAX)),
  ),
  /**
   * Edges of the bins of `histogram` and `quantile_disc`, by column: [edge, next edge), the last
   * with both; what lies outside counts in the first or the last bin.
   */
  bins: z.exactOptional(
    z.record(
      SqlNameSchema,
      z
        .array(DecimalSchema)
        .min(2)
        .max(PRIVACY_BINS_MAX + 1),
    ),
  ),
  /**
   * Results are running totals since the beginning of a period of so many windows, a power of two;
   * a whole period uses up `loss` once, by a binary tree (Chan, Shi, Song 2011).
   */
  continual: z.exactOptional(
    z.strictObject({
      windows: z.int().min(2).max(CONTINUAL_WINDOWS_MAX),
      /**
       * What the loss is of: a contributor's rows of one window (default), or of all windows of a
       * period, with noise that is as many times wider.
       */
      protects: z.exactOptional(z.enum(['window', 'period'])),
    }),
  ),
  /** That the true value, after bounding, lies between `<name>_low` and `<name>_high`. */
  confidence: levelSchema,
});
export type Privacy = z.infer<typeof PrivacySchema>;

/** Which rows of a contributor the loss of one result, or of one period, is about. */
export function protectedText({ continual }: Privacy): string {
  if (!continual) return 'all rows of a contributor in one window';
  const period = `a period of ${continual.windows} windows`;
  return continual.protects === 'period'
    ? `all rows of a contributor in ${period}`
    : `running totals over ${period}: rows of a contributor in one window, not in all of them`;
}

/** Whether a debit of a query may name that span. */
export function isDebitSpanOf(query: Query, span: Debit['window']): boolean {
  if (span === null || !query.privacy?.continual) return isWindowOf(query.window, span);
  const own = debitSpanOf(query, span);
  return own?.start === span.start && own.end === span.end;
}

/** The span that a debit names: a continual query's period is one, however many results it has. */
export function debitSpanOf({ window, privacy }: Query, span: Debit['window']): Debit['window'] {
  if (span === null || window.kind === 'whole' || !privacy?.continual) return span;
  const periodMs = window.sizeMs * privacy.continual.windows;
  const start = Math.floor(span.start / periodMs) * periodMs;
  return { start, end: start + periodMs };
}

/** What one result of a query uses up of an owner's datasets; none where no contributor is. */
export function chargesOf(contract: Contract, query: Query, owner: PartyId): Debit['charges'] {
  const { privacy } = query;
  if (!privacy) return [];
  return contract.datasets
    .filter((dataset) => dataset.owner === owner && query.relations.includes(dataset.relation))
    .filter((dataset) => contributorOf(dataset) !== undefined)
    .map(({ id }) => ({ dataset: id, loss: privacy.loss }))
    .sort((one, other) => (one.dataset < other.dataset ? -1 : 1));
}

/** Owners of rows under a query's noise that keep no lease: two branches of results average it. */
export function withoutLease(contract: Contract, query: Query): readonly PartyId[] {
  return contract.parties
    .filter(({ id, keyRelease }) => !keyRelease?.lease && chargesOf(contract, query, id).length > 0)
    .map(({ id }) => id);
}

/** @throws ERR_NOISE_WITHOUT_LEASE unless each owner of rows keeps a lease, or accepts averaging */
export function demandLeases(contract: Contract, query: Query): void {
  const leaseless = new Set(withoutLease(contract, query));
  const owner = contract.parties.find(
    ({ id, keyRelease }) => leaseless.has(id) && keyRelease?.averaging !== 'accepted',
  )?.id;
  if (owner === undefined) return;
  const place = `the noise over the rows of ${owner}`;
  throw new StrongroomError('ERR_NOISE_WITHOUT_LEASE', { query: query.id, place, owner });
}

/** The column that names whose row it is; undefined for reference data, which has none. */
export function contributorOf({ rules }: Dataset): string | undefined {
  const columns = Object.entries(rules?.columns ?? {});
  return columns.find(([_name, { contributor }]) => contributor === true)?.[0];
}

/** What makes a query's privacy impossible, or promise more than holds; undefined: nothing. */
export function privacyProblemIn(query: Query, inputs: readonly Dataset[]): string | undefined {
  const { privacy, window, disclosure } = query;
  if (!privacy) return undefined;
  const { loss, continual, bins = {} } = privacy;
  if (inputs.some(({ rules }) => rules === undefined)) {
    return 'every dataset that it reads says by its rules whose rows these are';
  }
  if (inputs.every((dataset) => contributorOf(dataset) === undefined)) {
    return 'one of the datasets that it reads has a contributor';
  }
  if (('rho' in loss ? loss.rho : loss.epsilon) === '0') return 'what a result uses up is above 0';
  if ('delta' in loss && unitsOf(loss.delta) >= unitsOf('1')) return 'delta is below 1';
  if ('rho' in loss && 'delta' in loss && loss.delta === '0') return 'delta beside rho is above 0';
  if (privacy.mechanism === 'gaussian' && 'epsilon' in loss && loss.delta === '0') {
    return 'Gaussian noise costs delta: name one, or rho';
  }
  if (disclosure.minimumGroupRows !== 1) {
    return 'noise hides small groups: minimumGroupRows is 1, an exact minimum would tell of them';
  }
  if (window.kind === 'session') return 'sessions depend on all rows of a key: no noise hides them';
  if (continual && window.kind !== 'tumbling') return 'running totals need tumbling windows';
  if (continual && (continual.windows & (continual.windows - 1)) !== 0) {
    return 'a period has a power of two of windows';
  }
  if (Object.values(bins).some((edges) => !isRising(edges))) return 'edges of bins rise';
  return undefined;
}

function isRising(edges: readonly string[]): boolean {
  const units = edges.map(unitsOf);
  return units.every((edge, index) => index === 0 || (units[index - 1] ?? edge) < edge);
}
