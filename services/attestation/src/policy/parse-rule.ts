import type { Cursor } from './cursor.ts';
import { isReserved } from './names.ts';
import { type ExpressionScope, parseExpression, propertyOf } from './parse-expression.ts';
import { demandPropertyRule } from './properties.ts';
import {
  type Action,
  CLAIM_ISSUERS,
  type ClaimProperty,
  type ClaimSource,
  type Condition,
  type Expression,
  malformed,
  OPERATORS,
  type Operator,
  type PolicyVersion,
  type PropertyTest,
  type Rule,
  type Section,
  VALUE_TYPES,
} from './tree.ts';

export interface RuleScope {
  readonly section: Section;
  readonly version: PolicyVersion;
}

const VERBS: Readonly<Record<Section, readonly Action['verb'][]>> = {
  configurationrules: ['issueproperty'],
  authorizationrules: ['permit', 'deny', 'add'],
  issuancerules: ['add', 'issue', 'issueproperty'],
};

/** `conditions => action;` @throws ERR_ATTESTATION_POLICY_MALFORMED */
export function parseRule(cursor: Cursor, { section, version }: RuleScope): Rule {
  const { at } = cursor.next();
  const names = new Set<string>();
  const conditions: Condition[] = [];
  if (!cursor.skip('=>')) {
    do conditions.push(parseCondition(cursor, { names, version }, names));
    while (cursor.skip('&&'));
    cursor.demand('=>');
  }
  const action = parseAction(cursor, VERBS[section], { names, version });
  cursor.demand(';');
  return { conditions, action, at };
}

/** @param defined grows by the condition's own name, for what comes after it */
function parseCondition(cursor: Cursor, scope: ExpressionScope, defined: Set<string>): Condition {
  const { at } = cursor.next();
  const negated = cursor.skip('!');
  if (negated && scope.version !== '1.2') throw malformed('version 1.2 for !', at);
  const name = cursor.next().kind === 'word' ? cursor.take() : undefined;
  if (name) cursor.demand(':');
  // A condition that holds where no claim does has none to refer to.
  if (name && (negated || defined.has(name.text))) {
    throw malformed(negated ? 'no name behind !' : 'another name than before', name.at);
  }
  const tests = parseTests(cursor, scope);
  if (name) defined.add(name.text);
  return { negated, ...(name ? { name: name.text } : {}), tests };
}

function parseTests(cursor: Cursor, scope: ExpressionScope): PropertyTest[] {
  cursor.demand('[');
  const tests: PropertyTest[] = [];
  do tests.push(parseTest(cursor, scope));
  while (cursor.skip(','));
  cursor.demand(']');
  return tests;
}

function parseTest(cursor: Cursor, scope: ExpressionScope): PropertyTest {
  const property = propertyOf(cursor);
  const operator = operatorOf(cursor);
  const expression = parseExpression(cursor, scope);
  demandComparable(property, operator, expression);
  return { property, operator, expression };
}

/** Several of Azure's published policies have one equals sign where the grammar has two. */
function operatorOf(cursor: Cursor): Operator {
  const { kind, text, at } = cursor.take();
  if (kind === 'symbol' && text === '=') return '==';
  const operator = OPERATORS.find((each) => kind === 'symbol' && each === text);
  if (operator === undefined) throw malformed(OPERATORS.join(' '), at);
  return operator;
}

/** Order is for integers; of the other properties only some words exist. */
function demandComparable(property: ClaimProperty, operator: Operator, expression: Expression) {
  const { at } = expression;
  const ordered = operator !== '==' && operator !== '!=';
  if (ordered && property !== 'value') throw malformed('== or !=', at);
  if (expression.kind !== 'literal') return;
  const { value } = expression;
  if (ordered && typeof value !== 'number') throw malformed('an integer', at);
  if (property === 'value') return;
  const words = { type: undefined, valueType: VALUE_TYPES, issuer: CLAIM_ISSUERS }[property];
  const isWord = words?.some((word) => word === value) ?? typeof value === 'string';
  if (!isWord) throw malformed(words?.join(', ') ?? 'a text', at);
}

function parseAction(
  cursor: Cursor,
  verbs: readonly Action['verb'][],
  scope: ExpressionScope,
): Action {
  const { text, at } = cursor.take();
  const verb = verbs.find((each) => each === text);
  if (verb === undefined) throw malformed(verbs.join(', '), at);
  cursor.demand('(');
  if (verb === 'permit' || verb === 'deny') {
    cursor.demand(')');
    return { verb };
  }
  const claim = parseClaim(cursor, scope);
  cursor.demand(')');
  if (verb === 'issueproperty') demandPropertyRule(claim, at);
  if (verb === 'issue') demandIssuable(claim);
  return { verb, claim };
}

/** `claim=c`, or `type=…, value=…` in this order. */
function parseClaim(cursor: Cursor, scope: ExpressionScope): ClaimSource {
  if (cursor.skip('claim')) {
    cursor.demand('=');
    const { kind, text, at } = cursor.take();
    if (kind !== 'word' || !scope.names.has(text)) throw malformed('the name of a condition', at);
    return { from: 'name', name: text };
  }
  cursor.demand('type');
  cursor.demand('=');
  const type = parseExpression(cursor, scope);
  if (type.kind === 'literal' && (typeof type.value !== 'string' || type.value === '')) {
    throw malformed('a text', type.at);
  }
  cursor.demand(',');
  cursor.demand('value');
  cursor.demand('=');
  return { from: 'values', type, value: parseExpression(cursor, scope) };
}

/** A type that rules put together is judged when the token is made. */
function demandIssuable(claim: ClaimSource): void {
  if (claim.from === 'name' || claim.type.kind !== 'literal') return;
  if (!isReserved(String(claim.type.value))) return;
  throw malformed("a name that is not the service's own", claim.type.at);
}
