import assert from 'node:assert/strict';
import { BIGINT, DECIMAL, DuckDBDecimalValue, type DuckDBValue } from '@duckdb/node-api';
import {
  type Measure,
  middleOf,
  numberNamesOf,
  type Output,
  type PrivatePlan,
  widthOf,
} from '@strongroom/analysis/private-plan';
import { quantilesOver } from '@strongroom/privacy/bins';
import {
  type Estimate,
  estimate,
  estimateAverage,
  estimateVariance,
  type Noisy,
} from '@strongroom/privacy/confidence';
import {
  ceiling,
  floor,
  multiply,
  nearest,
  type Rational,
  rational,
  rationalOf,
} from '@strongroom/privacy/rational';
import type { Statistics } from './engine/aggregate.ts';
import type { TypedColumn } from './engine/result-types.ts';
import type { PlannedNoise } from './private-noise.ts';

/**
 * From numbers that bear noise to what the analyst sees: each number with the bounds of an interval
 * that holds the true one, of the bounded data, with the contract's confidence. Nothing here knows
 * a number without noise, but for the groups' names, which are public or were selected.
 */
export interface NoisyStatistics extends Statistics {
  readonly planned: PlannedNoise;
  /** How many draws are in each number: more than one in running totals. */
  readonly terms: number;
}

/** The columns of the result, and how many groups it has. */
export function privateColumns(noisy: NoisyStatistics): { columns: TypedColumn[]; rows: number } {
  const { plan, dimensions, groups } = noisy;
  const isWhole = dimensions.length === 0 || plan.dimensions.every(({ values }) => values);
  const large = groups.map((numbers) => isLarge(numbers, noisy));
  const kept = groups.flatMap((_numbers, row) => (isWhole || large[row] ? [row] : []));
  const shown = kept.length > plan.maximumGroups ? [] : kept;
  const columns = plan.outputs.flatMap((output): TypedColumn[] => {
    if (output.kind === 'dimension') {
      const column = dimensions[output.dimension];
      assert(column, 'a dimension of the plan');
      const values = shown.map((row) => column.values[row] ?? null);
      return [{ name: output.name, type: column.type, values }];
    }
    // A domain's small groups are there, and tell nothing.
    const estimates = shown.map((row) =>
      large[row] ? estimatesOf(output, groups[row] ?? [], noisy) : null,
    );
    return numberNamesOf(output, plan.measures).flatMap((name, index) => {
      const cells = estimates.map((all) => all?.[index] ?? null);
      return columnsOf(name, cells, fractionOf(output, plan));
    });
  });
  return { columns, rows: shown.length };
}

function isLarge(numbers: readonly bigint[], { plan, planned }: NoisyStatistics): boolean {
  if (planned.threshold === 0n) return true;
  const at = plan.statistics.findIndex(({ kind }) => kind === 'contributors');
  return (numbers[offsetOf(at, plan)] ?? 0n) >= planned.threshold;
}

type NumberOutput = Exclude<Output, { kind: 'dimension' }>;

/** In units of the measure's last digit; of a histogram one for each bin. */
function estimatesOf(
  output: NumberOutput,
  numbers: readonly bigint[],
  noisy: NoisyStatistics,
): Estimate[] {
  const { plan, planned, terms } = noisy;
  const level = rationalOf(plan.privacy.confidence);
  const noisyAt = (statistic: number, index = 0): Noisy => {
    const [value, noise] = [numbers[offsetOf(statistic, plan) + index], planned.noises[statistic]];
    assert(value !== undefined && noise, 'a number of the plan');
    return { value, noise, terms };
  };
  if (output.kind === 'count') return [notNegative(estimate(noisyAt(output.of), level))];
  if (output.kind === 'sum') return [estimate(noisyAt(output.of), level)];
  const measure = measureOf(output, plan);
  const bins = Math.max(1, measure.edges.length - 1);
  if (output.kind === 'histogram') {
    return Array.from({ length: bins }, (_none, bin) =>
      notNegative(estimate(noisyAt(output.of, bin), level)),
    );
  }
  if (output.kind === 'quantile') {
    const counts = Array.from({ length: bins }, (_none, bin) => noisyAt(output.of, bin).value);
    const edges = measure.edges.map((edge) => rational(edge));
    const { noise } = noisyAt(output.of);
    return [quantilesOver(edges, noise, level)(counts, rational(output.share, SHARE_UNIT))];
  }
  const middle = middleOf(measure);
  const clamp = { low: rational(measure.low - middle), high: rational(measure.high - middle) };
  const [rows, sum] = [noisyAt(output.rows), noisyAt(output.centred)];
  if (output.kind === 'average') {
    return [shifted(estimateAverage(rows, sum, clamp, level), rational(middle))];
  }
  return [estimateVariance(rows, sum, noisyAt(output.squares), clamp, level)];
}

const SHARE_UNIT = 10n ** 12n;

function offsetOf(statistic: number, { statistics, measures }: PrivatePlan): number {
  return statistics.slice(0, statistic).reduce((sum, each) => sum + widthOf(each, measures), 0);
}

function measureOf({ measure }: { readonly measure: number }, plan: PrivatePlan): Measure {
  const found = plan.measures[measure];
  assert(found, 'a measure of the plan');
  return found;
}

/** There are never fewer than no rows; the estimate itself may be below 0, or it had a bias. */
function notNegative({ value, low, high }: Estimate): Estimate {
  const none = rational(0n);
  const atLeast = (each: Rational) => (each.numerator < 0n ? none : each);
  return { value, low: atLeast(low), high: atLeast(high) };
}

function shifted({ value, low, high }: Estimate, by: Rational): Estimate {
  const add = ({ numerator, denominator }: Rational) =>
    rational(numerator + by.numerator * denominator, denominator);
  return { value: add(value), low: add(low), high: add(high) };
}

interface Fraction {
  /** Digits of the estimates' unit; null for integers. */
  readonly unit: number | null;
  /** Digits behind those. */
  readonly more: number;
}

/** Counts are integers; sums have the measure's digits; averages and the like six more. */
function fractionOf(output: NumberOutput, plan: PrivatePlan): Fraction {
  if (output.kind === 'count' || output.kind === 'histogram') return { unit: null, more: 0 };
  const { digits } = measureOf(output, plan);
  if (output.kind === 'sum') return { unit: digits, more: 0 };
  return { unit: output.kind === 'variance' ? 2 * digits : digits, more: RATIO_DIGITS };
}

const RATIO_DIGITS = 6;
const DECIMAL_WIDTH = 38;
const DECIMAL_MAX = 10n ** BigInt(DECIMAL_WIDTH) - 1n;
const INT64_MAX = 2n ** 63n - 1n;

/** The number, and its interval; rounded outwards, so that it holds what it held. */
function columnsOf(
  name: string,
  cells: readonly (Estimate | null)[],
  { unit, more }: Fraction,
): TypedColumn[] {
  const scale = rational(10n ** BigInt(more));
  const digits = (unit ?? 0) + more;
  const type = unit === null ? BIGINT : DECIMAL(DECIMAL_WIDTH, digits);
  const largest = unit === null ? INT64_MAX : DECIMAL_MAX;
  const column = (suffix: string, pick: (each: Estimate) => bigint): TypedColumn => ({
    name: `${name}${suffix}`,
    type,
    values: cells.map((each): DuckDBValue => {
      if (!each) return null;
      const value = bounded(pick(each), largest);
      return unit === null ? value : new DuckDBDecimalValue(value, DECIMAL_WIDTH, digits);
    }),
  });
  return [
    column('', ({ value }) => nearest(multiply(value, scale))),
    column('_low', ({ low }) => floor(multiply(low, scale))),
    column('_high', ({ high }) => ceiling(multiply(high, scale))),
  ];
}

/** Noise may be wider than a column; what is not told exactly was noise. */
function bounded(value: bigint, largest: bigint): bigint {
  if (value > largest) return largest;
  return value < -largest ? -largest : value;
}
