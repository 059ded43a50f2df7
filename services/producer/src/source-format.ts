import { CSV_HEADER_BYTES_MAX } from './csv-header.ts';
import type { SourceFormat } from './row-reader.ts';
import { peek, readRange, type SourceInput, type StreamInput } from './source-input.ts';

/** A source of which the first bytes were looked at. */
export interface KnownSource {
  /** A stream still gives all of its bytes, those included. */
  readonly input: SourceInput;
  readonly format: SourceFormat;
  /** CSV_HEADER_BYTES_MAX bytes, or all of the source. */
  readonly start: Uint8Array;
}

/** @throws ERR_FILE_UNREADABLE */
export async function identifySource(
  input: SourceInput,
  format: SourceFormat | 'auto',
): Promise<KnownSource> {
  const looked =
    input.type === 'file'
      ? { input, start: await readRange(input.path, 0, CSV_HEADER_BYTES_MAX) }
      : await peekInto(input);
  return { ...looked, format: format === 'auto' ? detectFormat(looked.start) : format };
}

async function peekInto(input: StreamInput) {
  const { start, bytes } = await peek(input.bytes, CSV_HEADER_BYTES_MAX);
  return { start, input: { ...input, bytes } };
}

/** What the first bytes of a source say about its format: its name may say anything. */
function detectFormat(start: Uint8Array): SourceFormat {
  const letters = Buffer.from(start.subarray(0, 1_024)).toString('latin1');
  if (letters.startsWith('PAR1')) return 'parquet';
  // An Arrow file's magic, or a stream's continuation indicator (Arrow IPC, encapsulated message).
  if (letters.startsWith('ARROW1') || letters.startsWith('\xff\xff\xff\xff')) return 'arrow';
  return /^(\xef\xbb\xbf)?\s*\{/.test(letters) ? 'ndjson' : 'csv';
}
