import type { KeyObject, webcrypto } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { SEGMENT_SECRETS_CACHED_MAX } from '@strongroom/protocol/limits';
import {
  P256KeySchema,
  P384KeySchema,
  type WrappingKey,
  wrappingAlgorithmOf,
  X25519KeySchema,
} from '@strongroom/protocol/public-key';
import { SEGMENT_JWE_TYPE } from '@strongroom/protocol/sealed-batch';
import { compactDecrypt } from 'jose';
import { type DataKey, SegmentSecret } from './data-key.ts';
import { sha256Hex } from './digest.ts';
import { importPublicKey, sameKey } from './public-keys.ts';
import { Secret } from './secret.ts';
import { contextHash } from './segment.ts';

/** Opens wrapped segment secrets with one private key, and gives out data keys only. */
export interface SecretReader {
  readonly publicKey: WrappingKey;
  /** @throws ERR_SEGMENT_UNWRAP, whatever is wrong with the wrapped secret */
  dataKey(wrapped: string, at: SecretPlace): Promise<DataKey>;
  /** Zero-fills every secret that was kept. */
  destroy(): void;
}

export interface SecretPlace {
  /** The dataset's `keyId`, or the party's id. */
  readonly kid: string;
  /** What the secret must have been wrapped for. */
  readonly context: Uint8Array;
  /** HKDF info of the data key. */
  readonly info: Uint8Array;
}

interface KeptSecret {
  readonly kid: string;
  readonly ctx: string;
  readonly secret: Promise<SegmentSecret>;
}

/** Of a key that the caller has looked at: Node's, or WebCrypto's, which need not be readable. */
export class Unwrapper extends Secret implements SecretReader {
  readonly publicKey: WrappingKey;
  readonly #key: KeyObject | webcrypto.CryptoKey;
  /** By SHA-256 of the JWE; the order of insertion is the order of use. */
  readonly #kept = new Map<string, KeptSecret>();

  constructor(key: KeyObject | webcrypto.CryptoKey, publicKey: WrappingKey) {
    super();
    this.#key = key;
    this.publicKey = publicKey;
  }

  dataKey(wrapped: string, at: SecretPlace): Promise<DataKey> {
    const id = sha256Hex(wrapped);
    const ctx = contextHash(at.context);
    const known = this.#kept.get(id);
    if (known && (known.kid !== at.kid || known.ctx !== ctx)) return Promise.reject(refused());
    const kept = known ?? { kid: at.kid, ctx, secret: this.#unwrap(id, wrapped, at.kid, ctx) };
    this.#keep(id, kept);
    // Derived in the first callback of the promise: an eviction registers its own one later.
    return kept.secret.then((secret) => secret.dataKey(at.info));
  }

  async #unwrap(id: string, wrapped: string, kid: string, ctx: string): Promise<SegmentSecret> {
    try {
      checkWrappedSecret(wrapped, { kid, ctx, key: this.publicKey });
      const { plaintext } = await compactDecrypt(wrapped, this.#key, {
        keyManagementAlgorithms: [wrappingAlgorithmOf(this.publicKey)],
        contentEncryptionAlgorithms: ['A256GCM'],
      });
      return new SegmentSecret(plaintext);
    } catch {
      this.#kept.delete(id);
      throw refused();
    }
  }

  #keep(id: string, kept: KeptSecret): void {
    this.#kept.delete(id);
    this.#kept.set(id, kept);
    const [oldest] = this.#kept;
    if (this.#kept.size > SEGMENT_SECRETS_CACHED_MAX && oldest) this.#forget(...oldest);
  }

  #forget(id: string, kept: KeptSecret): void {
    this.#kept.delete(id);
    kept.secret.then(
      (secret) => secret.destroy(),
      () => undefined,
    );
  }

  destroy(): void {
    for (const [id, kept] of [...this.#kept]) this.#forget(id, kept);
  }
}

/** RFC 7518 §5.3 and §4: sizes of A256GCM's parts and of a wrapped 256-bit key. */
const SECRET_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_KEY_BYTES = 40;

/**
 * Everything about a wrapped secret that can be checked without the private key.
 * @throws ERR_SEGMENT_UNWRAP
 */
function checkWrappedSecret(
  wrapped: string,
  expected: { readonly kid: string; readonly ctx: string; readonly key: WrappingKey },
): void {
  const [header, key, iv, ciphertext, tag, ...more] = wrapped.split('.').map(decodeBase64url);
  if (!header || more.length > 0) throw refused();
  const sizes = [key?.length, iv?.length, ciphertext?.length, tag?.length];
  const right = [encryptedKeyBytes(expected.key), IV_BYTES, SECRET_BYTES, TAG_BYTES];
  if (sizes.some((size, index) => size !== right[index])) throw refused();
  checkWrappedHeader(new TextDecoder().decode(header), expected);
}

function encryptedKeyBytes(key: WrappingKey): number {
  return key.kty === 'RSA' ? (decodeBase64url(key.n)?.length ?? 0) : WRAPPED_KEY_BYTES;
}

const EPHEMERAL_KEYS = {
  'P-256': P256KeySchema,
  'P-384': P384KeySchema,
  X25519: X25519KeySchema,
} as const;

/** Any order of members, but no white space, no repeated member, no other escape. */
function checkWrappedHeader(
  text: string,
  expected: { readonly kid: string; readonly ctx: string; readonly key: WrappingKey },
): void {
  const header: unknown = JSON.parse(text);
  if (typeof header !== 'object' || header === null || JSON.stringify(header) !== text) {
    throw refused();
  }
  const { epk, ...rest } = { epk: undefined, ...header };
  const right = {
    alg: wrappingAlgorithmOf(expected.key),
    ctx: expected.ctx,
    enc: 'A256GCM',
    kid: expected.kid,
    typ: SEGMENT_JWE_TYPE,
  };
  if (!sameKey(rest, right)) throw refused();
  if (expected.key.kty === 'RSA' ? 'epk' in header : !isEphemeralKey(epk, expected.key)) {
    throw refused();
  }
}

/** A public key of the wrapping key's curve (RFC 7518 §4.6.1.1), and no further member. */
function isEphemeralKey(epk: unknown, key: Exclude<WrappingKey, { kty: 'RSA' }>): boolean {
  const point = EPHEMERAL_KEYS[key.crv].safeParse(epk);
  return point.success && importPublicKey(point.data).type === 'public';
}

function refused(): StrongroomError {
  return new StrongroomError('ERR_SEGMENT_UNWRAP');
}
