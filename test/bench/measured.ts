/** One comparison of one run; two absolute figures without their ratio say little here. */
export interface Measured {
  readonly name: string;
  readonly ours: number;
  readonly baseline: number;
  /** ours / baseline, of times the inverse: 1 is as fast as the baseline, less is slower. */
  readonly ratio: number;
  readonly unit: string;
  /** The least ratio that is aimed at; absent where only the figure is of interest. */
  readonly goal?: number;
}

/** Of two speeds in one unit. */
export function compareSpeeds(
  name: string,
  unit: string,
  { ours, baseline, goal }: { ours: number; baseline: number; goal?: number },
): Measured {
  const measured = { name, ours: short(ours), baseline: short(baseline), unit };
  const ratio = short(ours / baseline);
  return goal === undefined ? { ...measured, ratio } : { ...measured, ratio, goal };
}

/** Whether the goal was met; undefined without a goal. */
export function isMet({ ratio, goal }: Measured): boolean | undefined {
  return goal === undefined ? undefined : ratio >= goal;
}

export function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? 0;
}

/** The value that `share` of all values are not above: 0.5 is the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Three digits that say something, or all of a large number's before the point. */
function short(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
