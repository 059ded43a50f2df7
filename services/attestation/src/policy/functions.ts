import type { JSONValue } from '@jmespath-community/jmespath';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ATTESTATION_POLICY_BYTES_MAX } from '@strongroom/protocol/limits';
import { parseJson, queryJson } from './json-query.ts';
import type { ClaimValue, FunctionName, Position } from './tree.ts';

/** Several values, as the claims that a condition found have them. */
type Values = readonly ClaimValue[];

/**
 * The functions of grammar 1.2. JSON is a text claim; the answer of JmesPath is JSON again, and
 * JsonToClaimValue makes claim values of it.
 * @throws ERR_ATTESTATION_DENIED for arguments of another kind, with the place of the call
 */
export function callFunction(called: FunctionName, args: readonly Values[], at: Position): Values {
  const [first = [], second = []] = args;
  switch (called) {
    case 'JmesPath':
      return [jmesPath(onlyValue(first, 'string', at), onlyValue(second, 'string', at), at)];
    case 'JsonToClaimValue':
      return first.length === 0 ? [] : claimValuesOf(readJson(onlyText(first, at), at), at);
    case 'IsSubsetOf':
      return [first.every((value) => second.includes(value))];
    case 'AppendString':
      return [append(onlyText(first, at), onlyText(second, at), at)];
    case 'NegateBool':
      return [!onlyValue(first, 'boolean', at)];
    case 'ContainsOnlyValue':
      return [containsOnly(first, second, at)];
  }
}

export function denied(check: string, { line, column }: Position): StrongroomError {
  return new StrongroomError('ERR_ATTESTATION_DENIED', { check, line, column });
}

interface Kinds {
  readonly string: string;
  readonly boolean: boolean;
}

/** Claims with one and the same value count as one. */
export function onlyValue<K extends keyof Kinds>(values: Values, kind: K, at: Position): Kinds[K] {
  const [value, ...others] = new Set(values);
  if (others.length > 0 || !isKind(value, kind)) throw denied(`one ${kind}`, at);
  return value;
}

const onlyText = (values: Values, at: Position) => onlyValue(values, 'string', at);

function isKind<K extends keyof Kinds>(
  value: ClaimValue | undefined,
  kind: K,
): value is Kinds[K] & ClaimValue {
  return typeof value === kind;
}

function jmesPath(document: string, query: string, at: Position): string {
  const answer = queryJson(readJson(document, at), query);
  if (answer === undefined) throw denied('query', at);
  return answer;
}

function readJson(text: string, at: Position): JSONValue {
  try {
    return parseJson(text);
  } catch {
    throw denied('json', at);
  }
}

/** Of an array each element; null is no value at all. */
function claimValuesOf(value: JSONValue, at: Position): Values {
  const elements = Array.isArray(value) ? value : [value];
  return elements.filter((each) => each !== null).map((each) => claimValueOf(each, at));
}

function claimValueOf(value: JSONValue, at: Position): ClaimValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw denied('claim-value', at);
}

function append(left: string, right: string, at: Position): string {
  if (left.length + right.length > ATTESTATION_POLICY_BYTES_MAX) throw denied('length', at);
  return left + right;
}

function containsOnly(values: Values, wanted: Values, at: Position): boolean {
  const [value, ...others] = new Set(wanted);
  if (value === undefined || others.length > 0) throw denied('one value', at);
  return values.length > 0 && values.every((each) => each === value);
}
