import {
  createPrivateKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { TokenCredential } from '@azure/core-auth';
import { KeyClient } from '@azure/keyvault-keys';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type RuntimeClaims, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { RSA_BITS_MIN } from '@strongroom/protocol/limits';
import { unwrapReleased } from '@strongroom/sealing/wrap';
import { z } from 'zod';

/** What a caller of `/key/release` names. */
export interface ReleaseDemand {
  /** Host of the key release service, perhaps with a port. */
  readonly vault: string;
  readonly keyId: string;
  readonly accessToken: string;
}

export interface ReleaseOptions {
  /** For which contract the sidecar was launched: HOST_DATA on the simulated platform. */
  readonly contract: string;
  /** PEM of the authorities that vouch for the vault, instead of the system's. */
  readonly ca?: string;
}

/**
 * One release, as the original makes it: a transport key that lives for this call, a token about
 * it, the vault's answer, and the key inside of it. As in the original the vault's signature is not
 * looked at: the key was wrapped to us, and who needs more asks the vault itself.
 * @param attest runtime data in, token out
 * @returns the key as the text of a JWK, for the caller and nobody else
 * @throws ERR_KEY_NOT_RELEASED, ERR_RELEASE_INVALID, and what `attest` throws
 */
export async function releaseKey(
  demand: ReleaseDemand,
  attest: (runtimeData: Uint8Array) => Promise<string>,
  options: ReleaseOptions,
): Promise<string> {
  // Azure's has 2048 bits; ours releases to no weaker a key than those that it holds.
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS_MIN });
  const token = await attest(canonicalBytes(claimsFor(pair.publicKey, options.contract)));
  const answer = await askVault(demand, token, options);
  const secret = unwrapReleased(answer.wrapped, pair.privateKey, ALGORITHM);
  try {
    return JSON.stringify(jwkOf(answer.kty, secret));
  } finally {
    secret.fill(0);
  }
}

/** What a vault takes when it is told nothing, and Azure's sidecar tells it nothing. */
const ALGORITHM = 'CKM_RSA_AES_KEY_WRAP';

/** Our vaults release to workers: the second key of one is there, and signs nothing. */
function claimsFor(transportKey: KeyObject, contract: string): RuntimeClaims {
  const { kty, n, e } = transportKey.export({ format: 'jwk' });
  const { publicKey } = generateKeyPairSync('ed25519');
  const { crv, x } = publicKey.export({ format: 'jwk' });
  return RuntimeClaimsSchema.parse({
    contract,
    keys: [
      { kty, n, e, kid: 'transport', key_ops: ['encrypt'] },
      { kty: 'OKP', crv, x, kid: 'aggregates', key_ops: ['verify'] },
    ],
    nonce: randomBytes(32).toString('base64url'),
    purpose: 'strongroom/worker/v1',
  });
}

interface Released {
  readonly kty: string;
  readonly wrapped: Uint8Array;
}

async function askVault(
  { vault, keyId, accessToken }: ReleaseDemand,
  target: string,
  { ca }: ReleaseOptions,
): Promise<Released> {
  const credential: TokenCredential = {
    getToken: async () => ({ token: accessToken, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }),
  };
  const client = new KeyClient(`https://${vault}`, credential, {
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: 0 },
    ...(ca === undefined ? {} : { tlsOptions: { ca } }),
  });
  // What went wrong in detail is between the vault's owner and its audit log.
  const { value } = await client.releaseKey(keyId, target).catch(() => ({ value: '' }));
  const released = readAnswer(value);
  if (!released) throw new StrongroomError('ERR_KEY_NOT_RELEASED', { key: keyId });
  return released;
}

const PayloadSchema = z.looseObject({
  response: z.looseObject({
    key: z.looseObject({ key: z.looseObject({ kty: z.string(), key_hsm: z.string() }) }),
  }),
});
const KeyHsmSchema = z.looseObject({ ciphertext: z.string() });

function readAnswer(jws: string): Released | undefined {
  const payload = PayloadSchema.safeParse(parseJson(jws.split('.')[1]));
  const { kty = '', key_hsm } = payload.data?.response.key.key ?? {};
  const inner = KeyHsmSchema.safeParse(parseJson(key_hsm));
  const wrapped = decodeBase64url(inner.data?.ciphertext ?? '');
  return wrapped && wrapped.length > 0 ? { kty, wrapped } : undefined;
}

function parseJson(base64url: string | undefined): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(decodeBase64url(base64url ?? '')));
  } catch {
    return undefined;
  }
}

/** Raw bytes of a symmetric key, or PKCS#8. */
function jwkOf(kty: string, secret: Uint8Array): object {
  if (kty.startsWith('oct')) return { kty: 'oct', k: Buffer.from(secret).toString('base64url') };
  const der = Buffer.from(secret);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  } catch {
    throw new StrongroomError('ERR_RELEASE_INVALID', { problem: 'the form of the key' });
  } finally {
    der.fill(0);
  }
}
