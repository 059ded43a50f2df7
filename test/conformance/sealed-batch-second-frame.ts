import { decompress } from 'fzstd';

/** Part 6.1 of the page, with a decoder of its own: fzstd, which is written in JavaScript. */

/** @returns undefined for anything but one frame that unfolds to so many bytes */
export function unfold(frame: Uint8Array, length: number): Uint8Array | undefined {
  const header = headerOf(frame);
  if (header === undefined || header.says !== BigInt(length) || header.window > 2 ** 24) {
    return undefined;
  }
  const content = contentOf(frame.subarray(header.bytes));
  // fzstd would leave out what does not fit into the length that a frame says.
  if (content === undefined || content.least > length || content.most < length) return undefined;
  try {
    const plaintext = decompress(frame);
    return plaintext.length === length ? plaintext : undefined;
  } catch {
    return undefined;
  }
}

interface Header {
  readonly bytes: number;
  readonly says: bigint;
  readonly window: number;
}

function headerOf(frame: Uint8Array): Header | undefined {
  const [a, b, c, d, descriptor, window = 0] = frame;
  if (a !== 0x28 || b !== 0xb5 || c !== 0x2f || d !== 0xfd || descriptor === undefined) {
    return undefined;
  }
  const flags = descriptor.toString(2).padStart(8, '0');
  if (!flags.endsWith('00000')) return undefined;
  const single = flags[2] === '1';
  const sizes: Record<string, number> = { '00': single ? 1 : 0, '01': 2, '10': 4, '11': 8 };
  const size = sizes[flags.slice(0, 2)] ?? 0;
  const bytes = (single ? 5 : 6) + size;
  if (size === 0 || frame.length < bytes) return undefined;
  const number = [...frame.subarray(bytes - size, bytes)]
    .reverse()
    .reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const exponent = 10 + Math.floor(window / 8);
  return {
    bytes,
    says: size === 2 ? number + 256n : number,
    window: single ? 0 : 2 ** exponent + (window % 8) * 2 ** (exponent - 3),
  };
}

/** The blocks up to the last one, which ends with the bytes: between what lengths they unfold. */
function contentOf(
  blocks: Uint8Array,
): { readonly least: number; readonly most: number } | undefined {
  let rest = blocks;
  let least = 0;
  for (let most = 0; ; ) {
    const [low, middle, high] = rest;
    if (low === undefined || middle === undefined || high === undefined) return undefined;
    const size = Math.floor((low + 256 * middle + 65_536 * high) / 8);
    const kind = Math.floor(low / 2) % 4;
    if (kind === 3 || size > 131_072) return undefined;
    const bytes = 3 + (kind === 1 ? 1 : size);
    if (rest.length < bytes) return undefined;
    least += kind === 2 ? 0 : size;
    most += kind === 2 ? 131_072 : size;
    rest = rest.subarray(bytes);
    if (low % 2 === 1) return rest.length === 0 ? { least, most } : undefined;
  }
}
