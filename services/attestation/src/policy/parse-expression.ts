import { POLICY_DEPTH_MAX } from '@strongroom/protocol/limits';
import type { Cursor } from './cursor.ts';
import { isQuery } from './json-query.ts';
import type { Token } from './lex.ts';
import {
  CLAIM_PROPERTIES,
  type ClaimProperty,
  type Expression,
  FUNCTIONS,
  type FunctionName,
  malformed,
  type PolicyVersion,
} from './tree.ts';

/** What an expression may refer to, and whether it may call functions. */
export interface ExpressionScope {
  readonly names: ReadonlySet<string>;
  readonly version: PolicyVersion;
}

/**
 * A literal, a property of the claims that a condition found, or a call.
 * @throws ERR_ATTESTATION_POLICY_MALFORMED
 */
export function parseExpression(cursor: Cursor, scope: ExpressionScope, depth = 0): Expression {
  const token = cursor.take();
  const { kind, text, at } = token;
  if (depth > POLICY_DEPTH_MAX) throw malformed(`${POLICY_DEPTH_MAX} calls in each other`, at);
  if (kind === 'text') return { kind: 'literal', value: text, at };
  if (kind === 'number') return { kind: 'literal', value: integerOf(token), at };
  if (kind !== 'word') throw malformed('a value', at);
  if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true', at };
  if (cursor.skip('(')) return parseCall(cursor, scope, token, depth);
  if (!scope.names.has(text)) throw malformed('the name of a condition before', at);
  cursor.demand('.');
  return { kind: 'property', name: text, property: propertyOf(cursor), at };
}

export function propertyOf(cursor: Cursor): ClaimProperty {
  const { kind, text, at } = cursor.take();
  const property = CLAIM_PROPERTIES.find((each) => kind === 'word' && each === text);
  if (property === undefined) throw malformed(CLAIM_PROPERTIES.join(', '), at);
  return property;
}

function integerOf({ text, at }: Token): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw malformed('an integer below 2^53', at);
  return value;
}

function parseCall(
  cursor: Cursor,
  scope: ExpressionScope,
  { text, at }: Token,
  depth: number,
): Expression {
  if (scope.version !== '1.2') throw malformed('version 1.2 for a function', at);
  if (!isFunction(text)) throw malformed(Object.keys(FUNCTIONS).join(', '), at);
  const args: Expression[] = [];
  if (!cursor.skip(')')) {
    do args.push(parseExpression(cursor, scope, depth + 1));
    while (cursor.skip(','));
    cursor.demand(')');
  }
  if (args.length !== FUNCTIONS[text]) throw malformed(`${FUNCTIONS[text]} arguments`, at);
  demandQuery(text, args);
  return { kind: 'call', called: text, args, at };
}

/** A query that stands in the policy is read now; one that rules put together, when it is used. */
function demandQuery(called: FunctionName, [, query]: readonly Expression[]): void {
  if (called !== 'JmesPath' || query?.kind !== 'literal') return;
  if (typeof query.value !== 'string' || !isQuery(query.value)) {
    throw malformed('a JMESPath query', query.at);
  }
}

function isFunction(text: string): text is FunctionName {
  return Object.hasOwn(FUNCTIONS, text);
}
