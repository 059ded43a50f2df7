import { generateKeyPairSync, sign } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { RsaKeySchema } from '@strongroom/protocol/public-key';
import type { ReleaseIdentity } from '../src/release-identity.ts';

/** Signs heads as the service does, without a database; it signs no release. */
export function createHeadSigner(owner: string) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3_072 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  const part = (value: object) => Buffer.from(canonicalBytes(value)).toString('base64url');
  const signed: string[] = [];
  const identity: ReleaseIdentity = {
    publicKey: RsaKeySchema.parse({ kty, n, e }),
    sign: () => Promise.reject(new Error('it signs no release')),
    signAs: async (typ, payload) => {
      const input = `${part({ alg: 'RS256', kid: owner, typ })}.${part(payload)}`;
      signed.push(
        `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`,
      );
      return signed.at(-1) ?? '';
    },
  };
  return { identity, signed, author: { owner, releaseKey: identity.publicKey } };
}
