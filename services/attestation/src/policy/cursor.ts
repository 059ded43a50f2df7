import assert from 'node:assert/strict';
import type { Token } from './lex.ts';
import { malformed } from './tree.ts';

/** The tokens with a place in them. Each reading step takes what it expects or throws. */
export interface Cursor {
  readonly next: () => Token;
  readonly take: () => Token;
  /** Whether the next token is this symbol or word; takes it then. */
  readonly skip: (text: string) => boolean;
  readonly demand: (text: string) => Token;
}

export function createCursor(tokens: readonly Token[]): Cursor {
  let index = 0;
  const end = tokens.at(-1);
  assert(end, 'readTokens() ends with the end');
  const next = () => tokens[index] ?? end;
  const take = () => {
    const token = next();
    index += 1;
    return token;
  };
  const isNext = (text: string) => {
    const { kind, text: found } = next();
    return (kind === 'symbol' || kind === 'word') && found === text;
  };
  const skip = (text: string) => isNext(text) && take() !== undefined;
  const demand = (text: string) => {
    if (!isNext(text)) throw malformed(text, next().at);
    return take();
  };
  return { next, take, skip, demand };
}
