import { ATTESTATION_POLICY_CLAIMS_MAX } from '@strongroom/protocol/limits';
import { callFunction, denied, onlyValue } from './functions.ts';
import { isProperty } from './properties.ts';
import type {
  AttestationPolicy,
  Claim,
  ClaimProperty,
  ClaimSource,
  ClaimValue,
  Condition,
  Expression,
  Operator,
  PropertyTest,
  Rule,
} from './tree.ts';

export interface PolicyOutcome {
  /** A rule permitted, and none denied. */
  readonly permitted: boolean;
  /** What the token shall say besides the service's own claims; nothing when not permitted. */
  readonly issued: readonly Claim[];
  readonly properties: readonly Claim[];
}

interface ClaimSets {
  /** Grows as rules add to it; each rule sees what the ones before it made. */
  readonly incoming: Claim[];
  readonly issued: Claim[];
  readonly properties: Claim[];
  readonly verdicts: Set<'permit' | 'deny'>;
}

/** The claims that each condition of a rule found, by its name. */
type Found = ReadonlyMap<string, readonly Claim[]>;

/**
 * Applies a policy: configuration, authorization, and issuance only when that permitted. A name
 * stands for all claims that its condition found, so that a rule speaks of each of them.
 * @throws ERR_ATTESTATION_DENIED with the rule's line for what cannot be evaluated
 */
export function evaluatePolicy(
  { rules }: AttestationPolicy,
  incoming: readonly Claim[],
): PolicyOutcome {
  const sets: ClaimSets = {
    incoming: [...incoming],
    issued: [],
    properties: [],
    verdicts: new Set(),
  };
  for (const rule of rules.configurationrules) applyRule(rule, sets);
  for (const rule of rules.authorizationrules) applyRule(rule, sets);
  const permitted = sets.verdicts.has('permit') && !sets.verdicts.has('deny');
  if (!permitted) return { permitted, issued: [], properties: [] };
  for (const rule of rules.issuancerules) applyRule(rule, sets);
  return { permitted, issued: sets.issued, properties: sets.properties };
}

function applyRule({ conditions, action, at }: Rule, sets: ClaimSets): void {
  const found = findClaims(conditions, sets.incoming);
  if (!found) return;
  if (!('claim' in action)) {
    sets.verdicts.add(action.verb);
    return;
  }
  const claims = claimsOf(action.claim, found);
  sets.incoming.push(...claims);
  if (sets.incoming.length > ATTESTATION_POLICY_CLAIMS_MAX) throw denied('claims', at);
  if (action.verb === 'issue') sets.issued.push(...claims);
  if (action.verb !== 'issueproperty') return;
  if (!claims.every(({ type, value }) => isProperty(type, value))) throw denied('property', at);
  sets.properties.push(...claims);
}

/** @returns undefined as soon as a condition does not hold */
function findClaims(
  conditions: readonly Condition[],
  incoming: readonly Claim[],
): Found | undefined {
  const found = new Map<string, readonly Claim[]>();
  for (const { negated, name, tests } of conditions) {
    const claims = incoming.filter((claim) => tests.every((test) => passes(claim, test, found)));
    if (negated !== (claims.length === 0)) return undefined;
    if (name !== undefined) found.set(name, claims);
  }
  return found;
}

/** Where the other side is several claims, one of them is enough. */
function passes(claim: Claim, { property, operator, expression }: PropertyTest, found: Found) {
  const left = propertyOf(claim, property);
  return valuesOf(expression, found).some((right) => compare(left, operator, right));
}

/** Nothing is converted: "1" is another value than 1, and neither less nor greater. */
function compare(left: ClaimValue, operator: Operator, right: ClaimValue): boolean {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  if (typeof left !== 'number' || typeof right !== 'number') return false;
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  return operator === '>' ? left > right : left >= right;
}

function propertyOf({ type, value, issuer }: Claim, property: ClaimProperty): ClaimValue {
  if (property === 'type') return type;
  if (property === 'value') return value;
  if (property === 'issuer') return issuer;
  return { string: 'String', number: 'Integer', boolean: 'Boolean' }[valueTypeOf(value)];
}

function valueTypeOf(value: ClaimValue): 'string' | 'number' | 'boolean' {
  if (typeof value === 'string') return 'string';
  return typeof value === 'number' ? 'number' : 'boolean';
}

function valuesOf(expression: Expression, found: Found): readonly ClaimValue[] {
  if (expression.kind === 'literal') return [expression.value];
  if (expression.kind === 'property') {
    const claims = found.get(expression.name) ?? [];
    return claims.map((claim) => propertyOf(claim, expression.property));
  }
  const args = expression.args.map((arg) => valuesOf(arg, found));
  return callFunction(expression.called, args, expression.at);
}

function claimsOf(source: ClaimSource, found: Found): readonly Claim[] {
  if (source.from === 'name') return found.get(source.name) ?? [];
  const type = onlyValue(valuesOf(source.type, found), 'string', source.type.at);
  return valuesOf(source.value, found).map((value) => ({
    type,
    value,
    issuer: 'AttestationPolicy',
  }));
}
