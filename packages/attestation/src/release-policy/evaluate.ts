import type { CompiledPolicy, Condition, OrderOperator, Rule, Scalar } from './compile.ts';

/** What one condition found. Expected and found are for people; `found` is null for missing. */
export interface Reason {
  readonly place: string;
  readonly claim: string;
  readonly operator: Condition['operator'];
  readonly expected: string;
  readonly found: string | null;
  readonly met: boolean;
}

export interface PolicyVerdict {
  readonly granted: boolean;
  /** The conditions of the entry that granted, or of the one that came nearest to it. */
  readonly reasons: readonly Reason[];
}

type Claims = Readonly<Record<string, unknown>>;

/**
 * Judges the claims of a *verified* token. No claim is converted: a claim of another type than the
 * policy's operand, or no claim at all, meets no condition but `exists: "false"`, and that one only
 * when it is missing.
 */
export function evaluatePolicy(policy: CompiledPolicy, claims: Claims): PolicyVerdict {
  const issuer = lookUp(claims, ['iss']);
  const judged = policy.entries
    .filter((entry) => entry.authority === issuer)
    .map((entry) => judge(entry.rule, claims));
  const best = nearest(judged);
  if (best === undefined) return { granted: false, reasons: [wrongIssuer(policy, issuer)] };
  return { granted: best.missed === 0, reasons: best.reasons };
}

interface Judgement {
  /** How many conditions would have to come true; 0 = the rule is met. */
  readonly missed: number;
  readonly reasons: readonly Reason[];
}

function judge(rule: Rule, claims: Claims): Judgement {
  if (rule.kind === 'condition') {
    const reason = test(rule, claims);
    return { missed: reason.met ? 0 : 1, reasons: [reason] };
  }
  const parts = rule.rules.map((part) => judge(part, claims));
  if (rule.kind === 'anyOf') return nearest(parts) ?? DENIED;
  if (parts.length === 0) return DENIED;
  return {
    missed: parts.reduce((sum, part) => sum + part.missed, 0),
    reasons: parts.flatMap((part) => part.reasons),
  };
}

/** The compiler refuses empty lists; should one ever get here, it denies. */
const DENIED: Judgement = { missed: Number.POSITIVE_INFINITY, reasons: [] };

function nearest(judged: readonly Judgement[]): Judgement | undefined {
  return judged.reduce<Judgement | undefined>(
    (best, each) => (best === undefined || each.missed < best.missed ? each : best),
    undefined,
  );
}

function test(condition: Condition, claims: Claims): Reason {
  const found = lookUp(claims, condition.path);
  const { place, claim, operator, expected } = condition;
  return {
    place,
    claim,
    operator,
    expected: String(expected),
    found: describe(found),
    met: meets(condition, found),
  };
}

function meets(condition: Condition, found: unknown): boolean {
  const { operator, expected } = condition;
  if (operator === 'exists') return (found !== undefined) === expected;
  if (!comparable(found, expected)) return false;
  if (operator === 'equals') return found === expected;
  if (operator === 'notEquals') return found !== expected;
  return typeof found === 'number' && inOrder(found, operator, expected);
}

/** The same type; and no number that JSON may have rounded. */
function comparable(found: unknown, expected: Scalar): boolean {
  if (typeof found === 'number' && !Number.isSafeInteger(found)) return false;
  return typeof found === typeof expected;
}

function inOrder(found: number, operator: OrderOperator, expected: number): boolean {
  switch (operator) {
    case 'less':
      return found < expected;
    case 'lessOrEquals':
      return found <= expected;
    case 'greater':
      return found > expected;
    case 'greaterOrEquals':
      return found >= expected;
  }
}

/** Own members of plain objects only: no prototype, no list index, no length. */
function lookUp(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, name)?.value;
  }
  return value;
}

const SHOWN_CHARACTERS_MAX = 200;

function describe(found: unknown): string | null {
  if (found === undefined) return null;
  if (typeof found === 'string') return found.slice(0, SHOWN_CHARACTERS_MAX);
  if (typeof found === 'number' || typeof found === 'boolean') return String(found);
  return `(${found === null ? 'null' : Array.isArray(found) ? 'list' : 'object'})`;
}

function wrongIssuer(policy: CompiledPolicy, issuer: unknown): Reason {
  const accepted = new Set(policy.entries.map((entry) => entry.authority));
  return {
    place: 'anyOf',
    claim: 'iss',
    operator: 'equals',
    expected: [...accepted].join(' or ').slice(0, SHOWN_CHARACTERS_MAX),
    found: describe(issuer),
    met: false,
  };
}
