/**
 * ECDSA accepts (r, s) and (r, n - s) alike. A seal is known by the hash of its bytes, so the
 * second form would be a second valid seal that anybody can make: only s <= n / 2 is written and
 * accepted.
 * Signatures are r ‖ s, both of the order's length (RFC 7518 §3.4).
 */

/** Orders of the base points (FIPS 186-4 D.1.2). */
const ORDERS = {
  ES256: BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  ES384: BigInt(`0x${'f'.repeat(48)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`),
} as const;
export type EcdsaAlgorithm = keyof typeof ORDERS;

/** RFC 7518 §3.4. */
export const ECDSA_HASHES = { ES256: 'sha256', ES384: 'sha384' } as const;
export const ECDSA_SIGNATURE_BYTES = { ES256: 64, ES384: 96 } as const;

export function isEcdsa(algorithm: string): algorithm is EcdsaAlgorithm {
  return Object.hasOwn(ORDERS, algorithm);
}

export function hasLowS(algorithm: EcdsaAlgorithm, signature: Uint8Array): boolean {
  return scalarOf(signature) <= ORDERS[algorithm] / 2n;
}

/** The same signature with the smaller s. */
export function withLowS(algorithm: EcdsaAlgorithm, signature: Uint8Array): Uint8Array {
  if (hasLowS(algorithm, signature)) return signature;
  const half = signature.length / 2;
  const low = (ORDERS[algorithm] - scalarOf(signature)).toString(16).padStart(half * 2, '0');
  return Buffer.concat([signature.subarray(0, half), Buffer.from(low, 'hex')]);
}

function scalarOf(signature: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(signature.subarray(signature.length / 2)).toString('hex')}`);
}
