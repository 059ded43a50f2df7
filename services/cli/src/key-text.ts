import { createHash } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import {
  IssuerKeySchema,
  SigningKeySchema,
  WrappingKeySchema,
} from '@strongroom/protocol/public-key';
import { z } from 'zod';

const PublicKeySchema = z.union([SigningKeySchema, WrappingKeySchema, IssuerKeySchema]);
export type PublicKey = z.infer<typeof PublicKeySchema>;

/** Exactly a public key, with nothing beside what names it: only such a one may be abridged. */
export function isPublicKey(value: unknown): value is PublicKey {
  return PublicKeySchema.safeParse(value).success;
}

/** `RSA key of 3072 bits, thumbprint …`: two such can be compared by eye. */
export function keyText(key: PublicKey): string {
  const kind = key.kty === 'RSA' ? `RSA key of ${bitsOf(key.n)} bits` : `${key.crv} key`;
  return `${kind}, thumbprint ${thumbprintOf(key)}`;
}

function bitsOf(modulus: string): number {
  const hex = Buffer.from(modulus, 'base64url').toString('hex');
  return hex === '' ? 0 : BigInt(`0x${hex}`).toString(2).length;
}

/** RFC 7638 section 3: the members that name the key, in the order of their names, by SHA-256. */
function thumbprintOf(key: PublicKey): string {
  const members = Object.entries(key).sort(([left], [right]) => (left < right ? -1 : 1));
  const json = JSON.stringify(Object.fromEntries(members));
  return encodeBase64url(createHash('sha256').update(json).digest());
}
