import type { Clock } from '@strongroom/runtime/clock';

export interface RateLimitOptions {
  readonly requestsPerSecond: number;
  /** So many at once after a pause. */
  readonly burst: number;
  readonly clock: Clock;
}

export interface RateLimit {
  /** Takes one; @returns 0 when there was one, otherwise the whole seconds to wait for it. */
  take(name: string): number;
}

/** One bucket a name. Names are those of the configuration, so that their number is bounded. */
export function createRateLimit({ requestsPerSecond, burst, clock }: RateLimitOptions): RateLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take: (name) => {
      const now = clock.monotonic() / 1_000;
      const { left, at } = buckets.get(name) ?? { left: burst, at: now };
      const filled = Math.min(burst, left + Math.max(0, now - at) * requestsPerSecond);
      const allowed = filled >= 1;
      buckets.set(name, { left: allowed ? filled - 1 : filled, at: now });
      return allowed ? 0 : Math.max(1, Math.ceil((1 - filled) / requestsPerSecond));
    },
  };
}
