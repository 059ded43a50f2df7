/** GF(2^8) with the polynomial of AES (FIPS 197 §4.2), slowly, to compare with. */

export function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    if ((b >> bit) & 1) product ^= timesPower(a, bit);
  }
  return product;
}

function timesPower(a: number, power: number): number {
  let value = a;
  for (let step = 0; step < power; step += 1) {
    value = (value << 1) ^ (value & 0x80 ? 0x11b : 0);
  }
  return value;
}

function inverse(a: number): number {
  for (let b = 1; b < 256; b += 1) if (multiply(a, b) === 1) return b;
  throw new Error('zero has no inverse');
}

/** Lagrange: the value at x of the polynomial through the points, of the least degree. */
export function valueAt(x: number, points: readonly (readonly [number, number])[]): number {
  let sum = 0;
  for (const [at, value] of points) {
    let term = value;
    for (const [other] of points) {
      if (other !== at) term = multiply(term, multiply(x ^ other, inverse(at ^ other)));
    }
    sum ^= term;
  }
  return sum;
}
