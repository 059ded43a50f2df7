import { z } from 'zod';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { AUTHORITIES_MAX } from './limits.ts';
import type { IssuerKey } from './public-key.ts';

/**
 * How many guards stand before the keys, as a contract's `enclave` says it: so many authorities
 * must attest the same worker, and everybody may look at the report itself as well.
 */

/** Optional members; absent ones keep the id of a contract that was made without them. */
export const GUARD_MEMBERS = {
  /** So many of the authorities must attest one and the same worker. Default 1. */
  agreement: z.exactOptional(z.int().min(1).max(AUTHORITIES_MAX)),
  /** Key release and readers also verify and appraise the raw evidence. Default false. */
  ownVerification: z.exactOptional(z.boolean()),
};

interface Guards {
  readonly agreement?: number;
  readonly ownVerification?: boolean;
}

interface GuardedEnclave extends Guards {
  readonly authorities: readonly { readonly issuer: string; readonly keys: readonly IssuerKey[] }[];
}

export function agreementOf(enclave: Guards): number {
  return enclave.agreement ?? 1;
}

/** False where a bare token is all that a key release needs, as Azure's own vaults take it. */
export function needsWholeProof(enclave: Guards): boolean {
  return agreementOf(enclave) > 1 || enclave.ownVerification === true;
}

/**
 * What would let one authority count as several, or ask for more than there are. Undefined when
 * nothing does.
 */
export function guardProblemIn(enclave: GuardedEnclave): string | undefined {
  const { authorities } = enclave;
  const issuers = new Set(authorities.map(({ issuer }) => issuer));
  if (issuers.size !== authorities.length) return 'each issuer is one authority';
  const agreement = agreementOf(enclave);
  if (agreement > authorities.length) return 'agreement is at most the number of authorities';
  if (agreement > 1 && independent(authorities).length !== authorities.length) {
    return 'authorities that must agree have no key in common';
  }
  return undefined;
}

/**
 * The authorities that count: one that has a key in common with an earlier one is that one again,
 * since a name is cheap and whoever holds the key speaks under both.
 */
export function independent<Authority extends { readonly keys: readonly IssuerKey[] }>(
  authorities: readonly Authority[],
): Authority[] {
  const known = new Set<string>();
  return authorities.filter(({ keys }) => {
    const holders = keys.map(holderOf);
    const isNew = !holders.some((each) => known.has(each));
    for (const each of holders) known.add(each);
    return isNew;
  });
}

/**
 * Whoever holds this private key: of RSA the modulus, whatever the exponent; of a curve the first
 * coordinate, for the point with the other second one has the negated private key. Leading zeros
 * are another spelling of one number.
 */
function holderOf(key: IssuerKey): string {
  const [curve, number] = key.kty === 'RSA' ? ['RSA', key.n] : [key.crv, key.x];
  const bytes = decodeBase64url(number);
  if (!bytes) return `${curve} ${number}`;
  const first = bytes.findIndex((byte) => byte !== 0);
  return `${curve} ${encodeBase64url(bytes.subarray(first < 0 ? bytes.length : first))}`;
}
