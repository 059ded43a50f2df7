import { CLOCK_SKEW_SECONDS_MAX } from '@strongroom/protocol/limits';
import { type Finding, fail, ok, warn } from './checks.ts';

const SECONDS_WARN = 5;

export function judgeClock(
  code: 'clock-http' | 'clock-kafka',
  label: string,
  aheadMs: number,
): Finding {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  const side = aheadMs > 0 ? 'ahead of' : 'behind';
  if (seconds <= SECONDS_WARN) return ok(code, `${label}: agrees to ${SECONDS_WARN} s`);
  const allowed = `${CLOCK_SKEW_SECONDS_MAX} s are allowed`;
  const says = `${label}: ${seconds} s ${side} this clock (${allowed})`;
  return (seconds > CLOCK_SKEW_SECONDS_MAX ? fail : warn)(code, says);
}
