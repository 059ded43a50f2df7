import { createPublicKey } from 'node:crypto';
import { type IssuerKey, signatureAlgorithmOf } from '@strongroom/protocol/public-key';
import { compactVerify } from 'jose';

/**
 * The JSON that an owner's service signed, or undefined when this key did not sign it. Certificates
 * and key ids in the header are not looked at: the contract pins the key.
 * @param typ the header's type, where it must be a certain one
 */
export async function openIssuerJws(
  jws: string,
  pinned: IssuerKey,
  typ?: string,
): Promise<unknown> {
  const publicKey = createPublicKey({ key: { ...pinned }, format: 'jwk' });
  try {
    const { payload, protectedHeader } = await compactVerify(jws, publicKey, {
      algorithms: [signatureAlgorithmOf(pinned)],
    });
    if (typ !== undefined && protectedHeader.typ !== typ) return undefined;
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return undefined;
  }
}
