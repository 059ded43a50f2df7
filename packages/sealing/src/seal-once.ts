import assert from 'node:assert/strict';
import { StrongroomError } from '@strongroom/protocol/errors';
import { padTo } from '@strongroom/protocol/padding';
import type { WrappingKey } from '@strongroom/protocol/public-key';
import { SEAL_HEADER } from '@strongroom/protocol/record';
import { cutToParts } from '@strongroom/protocol/result-sizes';
import {
  AGGREGATE_KID,
  type AggregatePosition,
  type AggregateSeal,
} from '@strongroom/protocol/sealed-aggregate';
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

interface SealedOnce<Seal> {
  readonly seal: Seal;
  readonly jws: string;
  readonly record: SealedRecord;
}

/**
 * Seals one plaintext to one party, padded, under a secret that is used for nothing else.
 * @throws ERR_LIMIT_EXCEEDED for a plaintext that no size holds, and for a seal that no reader
 *   would take
 */
export async function sealOnce<Seal extends At, At extends object>(
  format: OnceFormat<Seal, At>,
  options: SealOnceOptions<At>,
): Promise<SealedOnce<Seal>> {
  const { plaintext, sizes = format.sizes, at } = options;
  const piece = padTo(sizes, plaintext);
  const [sealed] = await sealPieces(format, [{ piece, at }], options);
  assert(sealed, 'one record of one piece');
  return sealed;
}

/**
 * The same of a result, which may be larger than a record: it is padded as a whole and cut. Each
 * piece has a key of its own, from the one secret, and a seal that says which of how many it is.
 * @throws as `sealOnce`
 */
export async function sealInParts(
  format: OnceFormat<AggregateSeal, AggregatePosition>,
  options: SealOnceOptions<Omit<AggregatePosition, 'part'>>,
): Promise<SealedOnce<AggregateSeal>[]> {
  const { plaintext, sizes = format.sizes, at } = options;
  const pieces = cutToParts(padTo(sizes, plaintext)).map((piece, index, { length: count }) => ({
    piece,
    at: { ...at, part: { index, count } },
  }));
  return await sealPieces(format, pieces, options);
}

interface Piece<At> {
  readonly piece: Uint8Array;
  readonly at: At;
}

async function sealPieces<Seal extends At, At extends object>(
  format: OnceFormat<Seal, At>,
  pieces: readonly Piece<At>[],
  { members, to, signer }: Pick<SealOnceOptions<At>, 'members' | 'to' | 'signer'>,
): Promise<SealedOnce<Seal>[]> {
  const [first] = pieces;
  assert(first, 'something is sealed');
  // What the secret is wrapped for is the same for all pieces.
  const { secret, wrapped } = createSegment({ ...to, context: format.contextOf(first.at) });
  try {
    const sealed: SealedOnce<Seal>[] = [];
    for (const { piece, at } of pieces) {
      const encrypted = encryptBytes(piece, secret, format.keyInfoOf(at));
      const { seal, jws, value } = await signAndTag(encrypted, {
        ...{ wrapped, signer, kid: AGGREGATE_KID, typ: format.typ },
        payload: (parts) => format.sealSchema.parse({ v: 1, ...at, ...members, ...parts }),
      });
      if (jws.length > format.sealBytesMax) {
        throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'seal', bytes: jws.length });
      }
      const { key, headers } = format.shapeOf(seal);
      const record = { key, value, headers: { ...headers, [SEAL_HEADER]: jws } };
      sealed.push({ seal, jws, record });
    }
    return sealed;
  } finally {
    secret.destroy();
  }
}
