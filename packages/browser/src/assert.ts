/** In the place of `node:assert/strict`. */
export default function assert(
  condition: unknown,
  message = 'assertion failed',
): asserts condition {
  if (!condition) throw new Error(message);
}

assert.fail = (message: string): never => {
  throw new Error(message);
};
