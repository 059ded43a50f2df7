import { StrongroomError } from '@strongroom/protocol/errors';
import {
  POLICY_BYTES_MAX,
  POLICY_CONDITIONS_MAX,
  POLICY_DEPTH_MAX,
  POLICY_TEXT_CHARACTERS_MAX,
} from '@strongroom/protocol/limits';
import { claimTypeOf } from './claim-types.ts';
import { quoted } from './quoted.ts';
import { CANONICAL_INTEGER, oddNumber, repeatedMember } from './repeated-member.ts';

/**
 * Azure's grammar 1.0.0, as a typed tree:
 *
 *   policy    = { "version": "1.0.0", "anyOf": [ authority+ ] }
 *   authority = { "authority": "https://issuer", ("anyOf" | "allOf"): [ condition+ ] }
 *   condition = { "claim": "dotted.path", operator: value }
 *             | { "anyOf": [ condition+ ] } | { "allOf": [ condition+ ] }
 *
 * `anyOf` and `allOf` in any case, everything else as written; whatever is not in the grammar is
 * refused, since a policy that is half understood grants what its author did not mean. Spellings of
 * drafts that are still found in the wild are refused by name, with what to write instead.
 */
export interface CompiledPolicy {
  readonly entries: readonly PolicyEntry[];
}

export interface PolicyEntry {
  readonly place: string;
  /** Must equal the token's `iss`, letter by letter. */
  readonly authority: string;
  readonly rule: Combination;
}

export type Rule = Combination | Condition;

export interface Combination {
  readonly kind: 'anyOf' | 'allOf';
  readonly rules: readonly Rule[];
}

export type Scalar = string | number | boolean;

/** The operand has the type that the claim was declared with: nothing is converted later. */
export type Condition = {
  readonly kind: 'condition';
  readonly place: string;
  readonly claim: string;
  readonly path: readonly string[];
} & (
  | { readonly operator: 'exists'; readonly expected: boolean }
  | { readonly operator: 'equals'; readonly expected: Scalar }
  | { readonly operator: 'notEquals'; readonly expected: Scalar }
  | { readonly operator: OrderOperator; readonly expected: number }
);

export type OrderOperator = 'less' | 'lessOrEquals' | 'greater' | 'greaterOrEquals';
export type Operator = Condition['operator'];

const ORDER_OPERATORS: readonly string[] = ['less', 'lessOrEquals', 'greater', 'greaterOrEquals'];
const OPERATORS: readonly string[] = ['equals', 'notEquals', 'exists', ...ORDER_OPERATORS];

/** Counts conditions over the whole policy. */
interface Budget {
  conditions: number;
}

/**
 * Compiles the JSON text of a release policy.
 * @throws ERR_POLICY_MALFORMED with `place` (for example `anyOf[0].allOf[2].equals`) and `problem`
 */
export function compileReleasePolicy(text: string): CompiledPolicy {
  const policy = objectAt(parse(text), '(policy)');
  demandMembers(policy, '(policy)', ['version'], ['anyOf']);
  demandVersion(policy['version']);
  const list = listOf(policy, '', ['anyOf']);
  const budget: Budget = { conditions: 0 };
  const entries = list.items.map((item, index) =>
    compileEntry(item, `${list.place}[${index}]`, budget),
  );
  return { entries };
}

function demandVersion(version: unknown): void {
  if (version === '1.0.0') return;
  const draft = version === '0.2' ? '"0.2" is a draft of the grammar: ' : '';
  throw malformed('version', `${draft}must be "1.0.0"`);
}

function parse(text: string): unknown {
  if (new TextEncoder().encode(text).length > POLICY_BYTES_MAX) {
    throw malformed('(policy)', `more than POLICY_BYTES_MAX = ${POLICY_BYTES_MAX} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('(policy)', 'not JSON');
  }
  const repeated = repeatedMember(text);
  if (repeated !== undefined) throw malformed(repeated, 'the member stands there twice');
  const odd = oddNumber(text);
  if (odd !== undefined) throw malformed(odd || '(policy)', NO_INTEGER);
  return value;
}

function compileEntry(value: unknown, place: string, budget: Budget): PolicyEntry {
  const entry = objectAt(value, place);
  demandMembers(entry, place, ['authority'], ['anyOf', 'allOf']);
  const authority = textAt(entry['authority'], `${place}.authority`);
  if (!isIssuerUrl(authority)) {
    const draft = isIssuerUrl(`https://${authority}`)
      ? ', with its https:// (a draft had none)'
      : '';
    throw malformed(`${place}.authority`, `must be the http(s) URL of an issuer${draft}`);
  }
  return { place, authority, rule: compileCombination(entry, place, 1, budget) };
}

function isIssuerUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url && `${url.username}${url.password}${url.search}${url.hash}` === '';
  return plain === true && /^https?:\/\/[!-~]+$/.test(text);
}

type Members = Readonly<Record<string, unknown>>;

function compileCombination(
  members: Members,
  place: string,
  depth: number,
  budget: Budget,
): Combination {
  if (depth > POLICY_DEPTH_MAX) {
    throw malformed(place, `nested deeper than POLICY_DEPTH_MAX = ${POLICY_DEPTH_MAX}`);
  }
  const list = listOf(members, place, ['anyOf', 'allOf']);
  const rules = list.items.map((item, index) => {
    const at = `${list.place}[${index}]`;
    const rule = objectAt(item, at);
    if (Object.hasOwn(rule, 'claim')) return compileCondition(rule, at, budget);
    demandMembers(rule, at, [], ['anyOf', 'allOf']);
    return compileCombination(rule, at, depth + 1, budget);
  });
  return { kind: list.kind, rules };
}

function compileCondition(members: Members, place: string, budget: Budget): Condition {
  budget.conditions += 1;
  if (budget.conditions > POLICY_CONDITIONS_MAX) {
    throw malformed(place, `more than POLICY_CONDITIONS_MAX = ${POLICY_CONDITIONS_MAX} conditions`);
  }
  const claim = textAt(members['claim'], `${place}.claim`);
  // Nobody sees the difference between a claim and its twin with another letter or a space.
  if (!/^[!-~]+$/.test(claim)) throw malformed(`${place}.claim`, 'must be visible ASCII');
  const path = claim.split('.');
  if (path.includes('')) throw malformed(`${place}.claim`, 'a dotted path has no empty part');
  const operator = operatorOf(members, place);
  const at = `${place}.${operator}`;
  const base = { kind: 'condition', place, claim, path } as const;
  const value = members[operator];
  if (operator === 'exists') return { ...base, operator, expected: booleanAt(value, at) };
  const type = claimTypeOf(claim) ?? literalTypeOf(value, at);
  if (operator === 'equals' || operator === 'notEquals') {
    return { ...base, operator, expected: operandAt(value, type, at) };
  }
  if (type !== 'integer') throw malformed(at, `orders integers, and this claim is a ${type}`);
  return { ...base, operator, expected: integerAt(value, at) };
}

function operatorOf(members: Members, place: string): Operator {
  const names = Object.keys(members).filter((name) => name !== 'claim');
  if (names.includes('condition') || names.includes('value')) {
    const draft = '{"claim", "condition": "equals", "value"} is a spelling of a draft';
    throw malformed(place, `${draft}: write {"claim", "equals": value}`);
  }
  const unknown = names.find((name) => !isOperator(name));
  if (unknown !== undefined) {
    const meant = OPERATORS.find((each) => sameLetters(each, unknown)) ?? OPERATORS.join(', ');
    throw malformed(place, `unknown operator ${quoted(unknown)}: write ${meant}`);
  }
  const [name] = names;
  if (names.length !== 1 || !isOperator(name)) {
    throw malformed(place, `a claim takes exactly one operator, not ${names.length}`);
  }
  return name;
}

function isOperator(name: string | undefined): name is Operator {
  return name !== undefined && OPERATORS.includes(name);
}

function operandAt(value: unknown, type: 'string' | 'integer' | 'boolean', at: string): Scalar {
  if (type === 'integer') return integerAt(value, at);
  if (type === 'boolean') return booleanAt(value, at);
  return textAt(value, at);
}

/** A claim that is not declared is compared as the JSON type that the policy wrote. */
function literalTypeOf(value: unknown, at: string): 'string' | 'integer' | 'boolean' {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'number') return 'integer';
  throw malformed(at, 'must be a string, an integer or a boolean');
}

function booleanAt(value: unknown, at: string): boolean {
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw malformed(at, 'must be "true" or "false"');
}

const NO_INTEGER = 'must be an integer up to 2^53, in its shortest decimal spelling';

function integerAt(value: unknown, at: string): number {
  const spelled = typeof value === 'string' && CANONICAL_INTEGER.test(value);
  const integer = spelled ? Number(value) : value;
  if (typeof integer !== 'number' || !Number.isSafeInteger(integer)) {
    throw malformed(at, NO_INTEGER);
  }
  return integer;
}

function textAt(value: unknown, at: string): string {
  if (typeof value !== 'string') throw malformed(at, 'must be a string');
  if (!value.isWellFormed()) throw malformed(at, 'must be valid Unicode');
  if (value.length > POLICY_TEXT_CHARACTERS_MAX) {
    throw malformed(at, `longer than POLICY_TEXT_CHARACTERS_MAX = ${POLICY_TEXT_CHARACTERS_MAX}`);
  }
  return value;
}

function objectAt(value: unknown, place: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(place, 'must be an object');
  }
  // Copied into an object without prototype: a member is what the text holds and nothing else.
  return Object.assign(Object.create(null), value);
}

/** Refuses every member but the fixed ones and exactly one list. */
function demandMembers(
  members: Members,
  place: string,
  fixed: readonly string[],
  lists: readonly string[],
): void {
  for (const name of fixed) {
    if (!Object.hasOwn(members, name)) throw malformed(place, `"${name}" is missing`);
  }
  const unknown = Object.keys(members).find(
    (name) => !fixed.includes(name) && !lists.some((list) => sameLetters(list, name)),
  );
  if (unknown !== undefined) throw malformed(place, `unknown member ${quoted(unknown)}`);
}

interface List {
  readonly kind: 'anyOf' | 'allOf';
  readonly place: string;
  readonly items: readonly unknown[];
}

function listOf(members: Members, place: string, kinds: readonly ('anyOf' | 'allOf')[]): List {
  const found = Object.keys(members).flatMap((name) =>
    kinds.filter((kind) => sameLetters(kind, name)).map((kind) => ({ name, kind })),
  );
  const [list] = found;
  if (list === undefined || found.length > 1) {
    throw malformed(place || '(policy)', `exactly one of ${kinds.join(', ')} is needed`);
  }
  const at = place === '' ? list.kind : `${place}.${list.kind}`;
  const items = members[list.name];
  if (!Array.isArray(items)) throw malformed(at, 'must be a list');
  if (items.length === 0) throw malformed(at, 'an empty list grants nothing and is a mistake');
  return { kind: list.kind, place: at, items };
}

/** ASCII case only: no other letter may lower to one of these. */
function sameLetters(expected: string, name: string): boolean {
  return /^[A-Za-z]+$/.test(name) && name.toLowerCase() === expected.toLowerCase();
}

function malformed(place: string, problem: string): StrongroomError {
  return new StrongroomError('ERR_POLICY_MALFORMED', { place, problem });
}
