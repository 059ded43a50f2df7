import { StrongroomError } from './errors.ts';

/**
 * What is sealed has one of few sizes, so that a length tells little of what is inside:
 *
 *   uint32 bytes of the content ‖ content ‖ zero bytes
 *
 * with the number big-endian. Whoever opens it refuses every other form: what stood in the padding
 * would be a message that nobody looks at.
 */

const LENGTH_BYTES = 4;

/**
 * The content, padded to the smallest of the sizes that holds it.
 * @param sizes in rising order
 * @throws ERR_LIMIT_EXCEEDED when none does
 */
export function padTo(sizes: readonly number[], content: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = sizes.find((each) => fits(each, content.length));
  if (size === undefined) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', {
      limit: 'padded size',
      bytes: content.length,
    });
  }
  const padded = new Uint8Array(size);
  new DataView(padded.buffer).setUint32(0, content.length);
  padded.set(content, LENGTH_BYTES);
  return padded;
}

/** Whether so many bytes of content have room in that size. */
export function fits(size: number, contentBytes: number): boolean {
  return LENGTH_BYTES + contentBytes <= size;
}

/** @returns undefined for a size that is none of these, a length that is wrong, or no zeros */
export function unpad(sizes: readonly number[], padded: Uint8Array): Uint8Array | undefined {
  if (!sizes.includes(padded.length)) return undefined;
  const view = new DataView(padded.buffer, padded.byteOffset, padded.length);
  const end = LENGTH_BYTES + view.getUint32(0);
  if (end > padded.length) return undefined;
  // A loop: results have up to 28 million of them, and a call for each takes six times as long.
  for (let at = end; at < padded.length; at += 1) if (padded[at] !== 0) return undefined;
  return padded.subarray(LENGTH_BYTES, end);
}
