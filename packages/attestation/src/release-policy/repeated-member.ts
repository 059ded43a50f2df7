import { quoted } from './quoted.ts';

/**
 * What `JSON.parse` forgives without a word, so that two readers of one text could see two things:
 * a member that stands twice (the last one wins) and a number that is rounded. The texts must
 * already have passed `JSON.parse`.
 */

/** The place of the first member that its object has twice, for example `anyOf[0].authority`. */
export function repeatedMember(text: string): string | undefined {
  return findPart(text, (part) => part.repeated);
}

/** One spelling for each integer: no fraction, exponent or negative zero, nothing above 2^53. */
export const CANONICAL_INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/;

/** The place of the first number that is not an integer in its shortest spelling. */
export function oddNumber(text: string): string | undefined {
  return findPart(text, ({ token }) => /^[-0-9]/.test(token) && !CANONICAL_INTEGER.test(token));
}

interface Part {
  readonly token: string;
  /** The token is the name of a member, and its object has one of that name already. */
  readonly repeated: boolean;
}

/** An object with the names that it has so far, or a list; `at` is where the walk stands in it. */
type Frame = { readonly names: Set<string>; at: string } | { readonly names: null; at: number };

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]|[-0-9][-+.0-9eE]*/g;

function findPart(text: string, isFound: (part: Part) => boolean): string | undefined {
  const frames: Frame[] = [];
  let nameNext = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const frame = frames.at(-1);
    let repeated = false;
    if (token === '{') frames.push({ names: new Set(), at: '' });
    else if (token === '[') frames.push({ names: null, at: 0 });
    else if (token === '}' || token === ']') frames.pop();
    else if (token === ',' && frame?.names === null) frame.at += 1;
    else if (nameNext && frame?.names) {
      // The parsed name: "a" and "\u0061" are the same member.
      frame.at = String(JSON.parse(token));
      repeated = frame.names.has(frame.at);
      frame.names.add(frame.at);
    }
    if (isFound({ token, repeated })) return placeOf(frames);
    nameNext = token === '{' || (token === ',' && frame?.names !== null);
  }
  return undefined;
}

function placeOf(frames: readonly Frame[]): string {
  const steps = frames.map(({ names, at }) => (names === null ? `[${at}]` : `.${nameText(at)}`));
  return steps.join('').replace(/^\./, '');
}

function nameText(name: string): string {
  return /^[-\w]{1,60}$/.test(name) ? name : quoted(name);
}
