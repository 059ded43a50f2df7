import type { CsvEncoding } from './csv-dialect.ts';
import { malformedSource } from './row-reader.ts';

/** No letter belongs to these bytes; decoders make control characters of them. */
const UNASSIGNED: Partial<Record<CsvEncoding, RegExp>> = {
  'windows-1252': /[\u0081\u008d\u008f\u0090\u009d]/,
};

/** The same text in UTF-8. @throws ERR_SOURCE_MALFORMED */
export async function* inUtf8(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  encoding: CsvEncoding,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const encoder = new TextEncoder();
  const decode = (piece?: Uint8Array) => {
    try {
      const text = piece ? decoder.decode(piece, { stream: true }) : decoder.decode();
      if (!UNASSIGNED[encoding]?.test(text)) return encoder.encode(text);
    } catch {
      // Said below.
    }
    throw malformedSource('csv', { problem: `bytes that ${encoding} does not have` });
  };
  for await (const piece of bytes) yield decode(piece);
  yield decode();
}

/** The first bytes of a text in UTF-8; what is cut in the middle is left out. */
export function startInUtf8(start: Uint8Array, encoding: CsvEncoding): Uint8Array {
  return new TextEncoder().encode(new TextDecoder(encoding).decode(start, { stream: true }));
}
