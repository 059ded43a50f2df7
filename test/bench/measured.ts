/** One comparison of one run; two absolute figures without their ratio say little here. */
export interface Measured {
  readonly name: string;
  readonly ours: number;
  readonly baseline: number;
  /** ours / baseline, of times the inverse: 1 is as fast as the baseline, less is slower. */
  readonly ratio: number;
  readonly unit: string;
}
