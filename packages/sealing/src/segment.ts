import { encodeBase64url } from '@strongroom/protocol/base64url';
import { type WrappingKey, wrappingAlgorithmOf } from '@strongroom/protocol/public-key';
import { SEGMENT_JWE_TYPE } from '@strongroom/protocol/sealed-batch';
import { CompactEncrypt } from 'jose';
import { SegmentSecret } from './data-key.ts';
import { sha256 } from './digest.ts';
import { importPublicKey } from './public-keys.ts';

/** For whom a secret is wrapped, and what it belongs to. */
export interface SegmentTarget {
  /** The dataset's wrapping key, or the reading key of a party. */
  readonly wrappingKey: WrappingKey;
  /** The dataset's `keyId`, or the party's id. */
  readonly kid: string;
  /** `segmentContext(stream)`, or a format's `contextOf(place)`. */
  readonly context: Uint8Array;
}

/** A fresh secret and its wrapped form, a compact JWE (RFC 7516 §7.1). */
export interface Segment {
  readonly secret: SegmentSecret;
  readonly wrapped: Promise<string>;
}

export function createSegment(target: SegmentTarget): Segment {
  const secret = SegmentSecret.generate();
  return { secret, wrapped: wrapSecret(secret, target) };
}

export async function wrapSecret(secret: SegmentSecret, target: SegmentTarget): Promise<string> {
  const key = importPublicKey(target.wrappingKey);
  // jose adds `epk` for ECDH-ES; the rest is the whole header of schemas/sealed-batch.
  const header = {
    alg: wrappingAlgorithmOf(target.wrappingKey),
    ctx: contextHash(target.context),
    enc: 'A256GCM',
    kid: target.kid,
    typ: SEGMENT_JWE_TYPE,
  };
  return secret.exposeTo((bytes) =>
    new CompactEncrypt(bytes).setProtectedHeader(header).encrypt(key),
  );
}

/** The JWE header `ctx`: base64url of the SHA-256 of what the secret belongs to. */
export function contextHash(context: Uint8Array): string {
  return encodeBase64url(sha256(context));
}
