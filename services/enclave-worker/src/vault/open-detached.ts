import type { KeyObject } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { flattenedDecrypt } from 'jose';
import type { SealedStep } from './door.ts';

/**
 * Opens what vaults of one contract seal for each other: a compact JWE (`dir` + A256GCM) whose
 * ciphertext is detached.
 * @returns undefined, whatever is wrong
 */
export async function openDetached(
  { seal, value }: SealedStep,
  typ: string,
  secretKey: KeyObject,
): Promise<Uint8Array | undefined> {
  const [protectedHeader = '', wrappedKey, iv = '', detached, tag = '', ...more] = seal.split('.');
  if (wrappedKey !== '' || detached !== '' || more.length > 0) return undefined;
  const jwe = { protected: protectedHeader, iv, tag, ciphertext: encodeBase64url(value) };
  try {
    const { plaintext, protectedHeader: header } = await flattenedDecrypt(jwe, secretKey, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    return header?.typ === typ && !('zip' in header) ? plaintext : undefined;
  } catch {
    return undefined;
  }
}
