import {
  compile,
  type JSONValue,
  registerFunction,
  search,
  TYPE_STRING,
} from '@jmespath-community/jmespath';

/** JMESPath as Azure's policies use it, with the one function that Azure adds. */
registerFunction(
  'equals_ignore_case',
  ([left, right]) => String(left).toLowerCase() === String(right).toLowerCase(),
  [{ types: [TYPE_STRING] }, { types: [TYPE_STRING] }],
);

export function isQuery(query: string): boolean {
  try {
    compile(query);
    return true;
  } catch {
    return false;
  }
}

/**
 * Objects without a prototype: the library reads members that only JavaScript puts there.
 * @throws SyntaxError
 */
export function parseJson(text: string): JSONValue {
  return JSON.parse(text, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.assign(Object.create(null), value)
      : value,
  );
}

/** @returns the answer as JSON, `null` where nothing is found; undefined when the query fails */
export function queryJson(document: JSONValue, query: string): string | undefined {
  try {
    return JSON.stringify(search(document, query) ?? null);
  } catch {
    return undefined;
  }
}
