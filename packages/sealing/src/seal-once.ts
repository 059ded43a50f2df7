import { StrongroomError } from '@strongroom/protocol/errors';
import { padTo } from '@strongroom/protocol/padding';
import type { WrappingKey } from '@strongroom/protocol/public-key';
import { SEAL_HEADER } from '@strongroom/protocol/record';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import type { OnceFormat } from '@strongroom/protocol/sealed-once';
import { encryptBytes, type SealedRecord, signAndTag } from './seal-bytes.ts';
import { createSegment } from './segment.ts';
import type { Signer } from './sign.ts';

export interface SealOnceOptions<At> {
  readonly plaintext: Uint8Array;
  /** Which the padded plaintext may have; default: those of its format. */
  readonly sizes?: readonly number[] | undefined;
  /** Where it stands: no two plaintexts stand at one place. */
  readonly at: At;
  /** What its seal says besides. */
  readonly members: object;
  /** To whom: a party and its reading key. */
  readonly to: { readonly kid: string; readonly wrappingKey: WrappingKey };
  readonly signer: Signer;
}

/**
 * Seals one plaintext to one party, padded, under a secret that is used for nothing else.
 * @throws ERR_LIMIT_EXCEEDED for a plaintext that no size holds, and for a seal that no reader
 *   would take
 */
export async function sealOnce<Seal extends At, At extends object>(
  format: OnceFormat<Seal, At>,
  { plaintext, sizes = format.sizes, at, members, to, signer }: SealOnceOptions<At>,
): Promise<{ seal: Seal; jws: string; record: SealedRecord }> {
  const { secret, wrapped } = createSegment({ ...to, context: format.contextOf(at) });
  try {
    const encrypted = encryptBytes(padTo(sizes, plaintext), secret, format.keyInfoOf(at));
    const { seal, jws, value } = await signAndTag(encrypted, {
      ...{ wrapped, signer, kid: AGGREGATE_KID, typ: format.typ },
      payload: (parts) => format.sealSchema.parse({ v: 1, ...at, ...members, ...parts }),
    });
    if (jws.length > format.sealBytesMax) {
      throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'seal', bytes: jws.length });
    }
    const { key, headers } = format.shapeOf(seal);
    return { seal, jws, record: { key, value, headers: { ...headers, [SEAL_HEADER]: jws } } };
  } finally {
    secret.destroy();
  }
}
