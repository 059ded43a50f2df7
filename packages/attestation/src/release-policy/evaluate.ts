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

export type Claims = Readonly<Record<string, unknown>>;

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
  return { granted: best.missed === 0, reasons: best.findings.map(reasonOf) };
}

/** One condition and the claim that it was held against. */
export interface Finding {
  readonly condition: Condition;
  /** The claim's value, unchanged; undefined when it is missing. */
  readonly found: unknown;
  readonly met: boolean;
}

export interface Judgement {
  /** How many conditions would have to come true; 0 = the rule is met. */
  readonly missed: number;
  /** Of an `anyOf` only those of the part that came nearest. */
  readonly findings: readonly Finding[];
}

export function judge(rule: Rule, claims: Claims): Judgement {
  if (rule.kind === 'condition') {
    const found = lookUp(claims, rule.path);
    const met = meets(rule, found);
    return { missed: met ? 0 : 1, findings: [{ condition: rule, found, met }] };
  }
  const parts = rule.rules.map((part) => judge(part, claims));
  if (rule.kind === 'anyOf') return nearest(parts) ?? DENIED;
  if (parts.length === 0) return DENIED;
  return {
    missed: parts.reduce((sum, part) => sum + part.missed, 0),
    findings: parts.flatMap((part) => part.findings),
  };
}

/** The compiler refuses empty lists; should one ever get here, it denies. */
const DENIED: Judgement = { missed: Number.POSITIVE_INFINITY, findings: [] };

/** The first one of those that miss least. */
export function nearest<Judged extends Judgement>(judged: readonly Judged[]): Judged | undefined {
  return judged.reduce<Judged | undefined>(
    (best, each) => (best === undefined || each.missed < best.missed ? each : best),
    undefined,
  );
}

function reasonOf({ condition, found, met }: Finding): Reason {
  const { place, claim, operator, expected } = condition;
  return { place, claim, operator, expected: String(expected), found: describe(found), met };
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
export function lookUp(claims: Claims, path: readonly string[]): unknown {
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
