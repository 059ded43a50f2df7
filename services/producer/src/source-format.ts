import type { SourceFormat } from './row-reader.ts';

/** Enough for every magic number and for the first letter of a line. */
export const FORMAT_BYTES = 16;

/** What the first bytes of a source say about its format: its name may say anything. */
export function detectFormat(start: Uint8Array): SourceFormat {
  const letters = Buffer.from(start).toString('latin1');
  if (letters.startsWith('PAR1')) return 'parquet';
  // An Arrow file's magic, or a stream's continuation indicator (Arrow IPC, encapsulated message).
  if (letters.startsWith('ARROW1') || letters.startsWith('\xff\xff\xff\xff')) return 'arrow';
  return /^(\xef\xbb\xbf)?\s*\{/.test(letters) ? 'ndjson' : 'csv';
}
