import { randomBytes } from 'node:crypto';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { KeyShares } from '@strongroom/protocol/key-shares';
import { combine, split } from 'shamir-secret-sharing';
import { sha256Hex } from './digest.ts';
import { unwrapPadded, wrapPadded } from './wrap.ts';

/**
 * A private key under k of n holders. It is wrapped under a random secret, and that is split, so
 * that a share has 32 bytes, as a symmetric key of Azure Key Vault does, whatever the private key.
 */

/** What one holder keeps, and the point that the contract says of it. */
export interface PointedShare {
  readonly point: number;
  readonly share: Uint8Array;
}

/** With the contract's word on the share. */
export interface KeyShare extends PointedShare {
  readonly sha256: string;
}

const KEY_SHARE_BYTES = 32;

/**
 * @param privateKey PKCS#8 DER; stays with the caller, who erases it
 * @param count of holders, 2 to 255; the threshold lies between 2 and this
 */
export async function splitPrivateKey(
  privateKey: Uint8Array,
  { threshold, count }: { readonly threshold: number; readonly count: number },
): Promise<{ readonly wrappedKey: string; readonly shares: readonly KeyShare[] }> {
  // The library takes no Buffer.
  const secret = new Uint8Array(randomBytes(KEY_SHARE_BYTES));
  try {
    const wrappedKey = encodeBase64url(wrapPadded(secret, privateKey));
    const shares = (await split(secret, count, threshold)).map((pointed) => {
      const share = pointed.subarray(0, KEY_SHARE_BYTES);
      return { share, sha256: sha256Hex(share), point: pointed[KEY_SHARE_BYTES] ?? 0 };
    });
    return { wrappedKey, shares };
  } finally {
    secret.fill(0);
  }
}

/** Is this the share that the contract agreed on with that holder? */
export function isAgreedShare(share: Uint8Array, holder: { readonly sha256: string }): boolean {
  return share.length === KEY_SHARE_BYTES && sha256Hex(share) === holder.sha256;
}

/**
 * @param shares as many as the threshold or more, each agreed on
 * @returns PKCS#8 DER
 * @throws ERR_KEY_SHARES_INVALID when they do not open the key, as fewer never do
 */
export async function joinPrivateKey(
  { wrappedKey }: Pick<KeyShares, 'wrappedKey'>,
  shares: readonly PointedShare[],
): Promise<Uint8Array> {
  const pointed = shares.map(({ point, share }) => Uint8Array.of(...share, point));
  let secret: Uint8Array | undefined;
  try {
    secret = await combine(pointed);
    return unwrapPadded(secret, decodeBase64url(wrappedKey) ?? new Uint8Array(0));
  } catch {
    throw new StrongroomError('ERR_KEY_SHARES_INVALID');
  } finally {
    secret?.fill(0);
    for (const each of pointed) each.fill(0);
  }
}
