import { malformed, type Position } from './tree.ts';

export interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'symbol' | 'end';
  /** Of a text its content, without quotes and escapes. */
  readonly text: string;
  readonly at: Position;
}

/** White space and comments to the end of their line. */
const SKIPPED = /(?:\s+|\/\/[^\n]*)*/y;
const TOKENS = [
  ['word', /[A-Za-z_]\w*/y],
  ['number', /-?(?:0|[1-9]\d*)(?!\w)/y],
  ['text', /"(?:[^"\\\r\n]|\\["\\])*"/y],
  ['symbol', /=>|==|!=|<=|>=|&&|[=<>!:[\](){},;.]/y],
] as const;

/** @throws ERR_ATTESTATION_POLICY_MALFORMED at the first letter that begins no token */
export function readTokens(text: string): Token[] {
  const tokens: Token[] = [];
  const place = createPlaceFinder(text);
  let index = skip(text, 0);
  while (index < text.length) {
    const token = tokenAt(text, index, place(index));
    tokens.push(token.token);
    index = skip(text, token.end);
  }
  tokens.push({ kind: 'end', text: '', at: place(text.length) });
  return tokens;
}

function skip(text: string, index: number): number {
  SKIPPED.lastIndex = index;
  return index + (SKIPPED.exec(text)?.[0].length ?? 0);
}

function tokenAt(text: string, index: number, at: Position): { token: Token; end: number } {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = index;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) continue;
    const content = kind === 'text' ? found.slice(1, -1).replaceAll(/\\(.)/g, '$1') : found;
    return { token: { kind, text: content, at }, end: index + found.length };
  }
  const expected =
    text[index] === '"' ? 'a text that ends on its line, with \\" and \\\\' : 'a token';
  throw malformed(expected, at);
}

/** Asked for growing indices, so that the lines before are counted once. */
function createPlaceFinder(text: string): (index: number) => Position {
  let line = 1;
  let lineStart = 0;
  return (index) => {
    let next = text.indexOf('\n', lineStart);
    while (next !== -1 && next < index) {
      line += 1;
      lineStart = next + 1;
      next = text.indexOf('\n', lineStart);
    }
    return { line, column: index - lineStart + 1 };
  };
}
