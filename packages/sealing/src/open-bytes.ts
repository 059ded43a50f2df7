import { decodeBase64url } from '@strongroom/protocol/base64url';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { DataKey } from './data-key.ts';
import { sha256Hex } from './digest.ts';

/** The mirror of seal-bytes.ts. */

export function checkCiphertext(ciphertext: Uint8Array, expected: string, code: ErrorCode): void {
  if (sha256Hex(ciphertext) !== expected) throw new StrongroomError(code);
}

/** Commitment, tag and length fail alike. */
export function openBytes(
  dataKey: DataKey,
  sealed: Parameters<typeof openFrame>[1] & {
    readonly seal: { readonly plaintextBytes: number };
  },
  unopenable: ErrorCode,
): Uint8Array {
  const plaintext = openFrame(dataKey, sealed, unopenable);
  if (plaintext.length !== sealed.seal.plaintextBytes) throw new StrongroomError(unopenable);
  return plaintext;
}

/** What was encrypted, which may be a frame that unfolds to more. */
export function openFrame(
  dataKey: DataKey,
  sealed: {
    readonly ciphertext: Uint8Array;
    readonly tag: Uint8Array;
    readonly jws: string;
    readonly seal: { readonly commitment: string };
  },
  unopenable: ErrorCode,
): Uint8Array {
  const { ciphertext, tag, jws, seal } = sealed;
  const opened = dataKey.open({
    ciphertext,
    tag,
    additional: Buffer.from(jws, 'ascii'),
    commitment: decodeBase64url(seal.commitment) ?? new Uint8Array(0),
  });
  if (!opened) throw new StrongroomError(unopenable);
  return opened;
}
