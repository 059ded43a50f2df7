import type { ErrorCode } from '@strongroom/protocol/errors';

/** One demand that evidence does not meet, in words for the person who has to act on it. */
export interface Mismatch {
  readonly code: ErrorCode;
  readonly claim: string;
  readonly expected: string;
  readonly found: string;
}

export const REFUSED = 'ERR_APPRAISAL_REFUSED';
type Value = string | number | boolean;

export function mismatch(claim: string, expected: string, found: string): Mismatch {
  return { code: REFUSED, claim, expected, found };
}

export function demand(code: ErrorCode, claim: string, expected: Value, found: Value): Mismatch[] {
  if (expected === found) return [];
  return [{ code, claim, expected: `${expected}`, found: `${found}` }];
}

export function member(
  code: ErrorCode,
  claim: string,
  expected: readonly string[],
  found: string,
): Mismatch[] {
  if (expected.includes(found)) return [];
  return [{ code, claim, expected: expected.join(' or ') || 'none', found }];
}

export function atLeast(claim: string, floor: number, found: number): Mismatch[] {
  if (found >= floor) return [];
  return [mismatch(claim, `at least ${floor}`, `${found}`)];
}

/** Each bit for itself: all that is required, nothing that is forbidden. */
export function masks<Bit extends string>(
  claim: string,
  found: ReadonlySet<Bit>,
  demands: { readonly required?: readonly Bit[]; readonly forbidden?: readonly Bit[] },
): Mismatch[] {
  const missing = (demands.required ?? []).filter((each) => !found.has(each));
  const present = (demands.forbidden ?? []).filter((each) => found.has(each));
  return [
    ...missing.map((each) => mismatch(`${claim}.${each}`, 'set', 'not set')),
    ...present.map((each) => mismatch(`${claim}.${each}`, 'not set', 'set')),
  ];
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
