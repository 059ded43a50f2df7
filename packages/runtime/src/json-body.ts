import type { FastifyInstance } from 'fastify';

/** Objects and lists inside one another; the deepest request of ours has 8. */
const DEPTH_MAX = 32;

/**
 * Reads bodies of JSON: none is `undefined`, which the shape of a route then refuses or takes, and
 * one that is nested too deeply is refused before it is parsed. Members named `__proto__` and
 * `constructor` are refused by fastify's own parser.
 */
export function addJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, text, done) => {
      if (text === '') return done(null, undefined);
      if (isTooDeep(text)) return done(badRequest());
      return parse(request, text, done);
    },
  );
}

/** Whether a text is nested deeper than any request of ours, without parsing it. */
export function isTooDeep(text: string): boolean {
  return depthOf(text) > DEPTH_MAX;
}

/** The deepest nesting of brackets outside of strings, in one pass, whether it is JSON or not. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (inString && character === '\\') index += 1;
    else if (character === '"') inString = !inString;
    else if (!inString && (character === '{' || character === '[')) depth += 1;
    else if (!inString && (character === '}' || character === ']')) depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

function badRequest(): Error {
  return Object.assign(new Error('the body is nested too deeply'), { statusCode: 400 });
}
