import { hash } from 'node:crypto';
import { canonicalBytes, type Json } from '@strongroom/protocol/canonical-json';
import type { Dataset } from '@strongroom/protocol/contract';
import { type ColumnMapping, sourceNames } from './column-mapping.ts';
import { type CsvDialect, dialectText } from './csv-dialect.ts';
import type { KnownSource } from './source-format.ts';
import { readRange, type SourceInput } from './source-input.ts';

const SAMPLE_BYTES = 1024 * 1024;

/**
 * By what a source is known again when its publication goes on: its size, its first and its last
 * MiB, its format and the columns that are read from it. Its name and place may change. What is no
 * file says itself what it is known by. A stream has neither size nor end; there it is the caller's
 * word that the same rows come again.
 * @returns SHA-256 in hex
 * @throws ERR_FILE_UNREADABLE
 */
export async function fingerprintSource(
  { input, format }: KnownSource,
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  csv?: CsvDialect,
): Promise<string> {
  const dialect = csv === undefined ? {} : { csv: dialectText(csv) };
  const read = { format, columns: sourceNames(dataset, mapping), ...dialect };
  return hash('sha256', canonicalBytes({ ...read, bytes: await sampleOf(input) }));
}

export async function sampleOf(input: SourceInput): Promise<Json> {
  if (input.type === 'stream') return null;
  if (input.type === 'replayable') return input.knownBy();
  const { path, size } = input;
  const first = await readRange(path, 0, Math.min(size, SAMPLE_BYTES));
  const last = await readRange(path, Math.max(0, size - SAMPLE_BYTES), SAMPLE_BYTES);
  return { size, first: hash('sha256', first), last: hash('sha256', last) };
}
