import { z } from 'zod';

/**
 * Public keys as strict JWKs (RFC 7517): exactly the members that name the key, so that one key has
 * one form and no private member can slip into a contract.
 */

const text = z.string().regex(/^[\w-]+$/);

export const Ed25519KeySchema = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: text,
});
export const X25519KeySchema = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('X25519'),
  x: text,
});
export const P256KeySchema = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: text,
  y: text,
});
export const P384KeySchema = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-384'),
  x: text,
  y: text,
});
/** Modulus length is checked where the key is used: 3072 bits or more. */
export const RsaKeySchema = z.strictObject({ kty: z.literal('RSA'), n: text, e: text });

/** Signs contracts, seals, manifests and aggregates: EdDSA, ES256 or ES384. */
export const SigningKeySchema = z.union([Ed25519KeySchema, P256KeySchema, P384KeySchema]);
export type SigningKey = z.infer<typeof SigningKeySchema>;

/** Receives a wrapped segment secret: ECDH-ES+A256KW or RSA-OAEP-256. */
export const WrappingKeySchema = z.union([
  P256KeySchema,
  P384KeySchema,
  X25519KeySchema,
  RsaKeySchema,
]);
export type WrappingKey = z.infer<typeof WrappingKeySchema>;

/** Signs tokens and key releases: RS256, ES256 or ES384. */
export const IssuerKeySchema = z.union([RsaKeySchema, P256KeySchema, P384KeySchema]);
export type IssuerKey = z.infer<typeof IssuerKeySchema>;

/** The one JWS algorithm of each kind of signing key; a header may not choose another. */
export function signatureAlgorithmOf(
  key: SigningKey | IssuerKey,
): 'EdDSA' | 'ES256' | 'ES384' | 'RS256' {
  if (key.kty === 'OKP') return 'EdDSA';
  if (key.kty === 'RSA') return 'RS256';
  return key.crv === 'P-256' ? 'ES256' : 'ES384';
}

/** The one JWE key management algorithm of each kind of wrapping key. */
export function wrappingAlgorithmOf(key: WrappingKey): 'RSA-OAEP-256' | 'ECDH-ES+A256KW' {
  return key.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW';
}
