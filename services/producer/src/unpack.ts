import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { unzstd } from './zstd-frames.ts';

/** How a source's bytes are packed, told by the first of them: a name may say anything. */
export type Packing = 'gzip' | 'zstd';

/** RFC 1952 §2.3.1 and RFC 8878 §3.1.1; a skippable frame may come first there (§3.1.2). */
export function packingOf(start: Uint8Array): Packing | undefined {
  const [first, second, third, fourth] = start;
  if (first === 0x1f && second === 0x8b) return 'gzip';
  const isZstd = first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd;
  const isSkippable = (first ?? 0) >> 4 === 5 && second === 0x2a && third === 0x4d;
  return isZstd || (isSkippable && fourth === 0x18) ? 'zstd' : undefined;
}

/**
 * The bytes before they were packed, in pieces: what they unfold to is never in memory as a whole.
 * Several members or frames are one source; an end that is missing or wrong is an error.
 * @throws ERR_SOURCE_MALFORMED, and what reading the packed bytes throws
 */
export async function* unpack(
  bytes: AsyncIterable<Uint8Array>,
  packing: Packing,
): AsyncGenerator<Uint8Array> {
  try {
    yield* packing === 'gzip' ? gunzip(bytes) : unzstd(bytes);
  } catch (error) {
    if (codeOf(error) !== undefined) throw error;
    const problem = 'the compressed bytes are damaged or cut short';
    throw new StrongroomError('ERR_SOURCE_MALFORMED', { format: packing, problem });
  }
}

async function* gunzip(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = createGunzip();
  // A failure of either side reaches whoever reads the decoder.
  pipeline(bytes, decoder, () => undefined);
  yield* decoder;
}
