/** In the place of `node:util`: consoles of browsers do not know the symbol, and call nothing. */
export const inspect = { custom: Symbol.for('nodejs.util.inspect.custom') };
