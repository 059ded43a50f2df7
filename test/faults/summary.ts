import { FAILPOINTS } from './failpoints.ts';
import type { Outcome } from './run-schedule.ts';

/** What many schedules say together. */
export interface Summary {
  readonly schedules: number;
  readonly rows: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly deaths: number;
  readonly anomalies: Readonly<Record<string, number>>;
  readonly failpoints: number;
  /** Places of the list at which no process died. */
  readonly missed: readonly string[];
  readonly recoveryMs: Spread | null;
  readonly progressMs: Spread | null;
  readonly seconds: Spread | null;
  /** Of the machine while they ran. */
  readonly load: Spread | null;
}

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export function summarize(outcomes: readonly Outcome[]): Summary {
  const died = new Set(outcomes.flatMap((each) => each.died));
  const faults: Record<string, number> = {};
  const anomalies: Record<string, number> = {};
  for (const outcome of outcomes) {
    for (const [kind, count] of Object.entries(outcome.faults)) {
      faults[kind] = (faults[kind] ?? 0) + count;
    }
    for (const { kind } of outcome.anomalies) anomalies[kind] = (anomalies[kind] ?? 0) + 1;
  }
  return {
    schedules: outcomes.length,
    rows: outcomes.reduce((sum, { rows }) => sum + rows, 0),
    faults: Object.fromEntries(Object.entries(faults).sort()),
    deaths: outcomes.reduce((sum, each) => sum + each.died.length, 0),
    anomalies,
    failpoints: FAILPOINTS.length,
    missed: FAILPOINTS.filter((place) => !died.has(place)),
    recoveryMs: spreadOf(outcomes.flatMap(({ recoveriesMs }) => recoveriesMs)),
    progressMs: spreadOf(outcomes.flatMap(({ progressMs }) => progressMs ?? [])),
    seconds: spreadOf(outcomes.map(({ seconds }) => seconds)),
    load: spreadOf(outcomes.flatMap(({ load }) => load ?? [])),
  };
}

function spreadOf(values: readonly number[]): Spread | null {
  const sorted = [...values].sort((left, right) => left - right);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  const [p50, p95, max] = [at(0.5), at(0.95), at(1)];
  if (p50 === undefined || p95 === undefined || max === undefined) return null;
  return { count: sorted.length, p50, p95, max };
}
