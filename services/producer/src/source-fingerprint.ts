import { hash } from 'node:crypto';
import { canonicalBytes, type Json } from '@strongroom/protocol/canonical-json';
import type { Dataset } from '@strongroom/protocol/contract';
import { CountSchema, Sha256HexSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';
import { type ColumnMapping, sourceNames } from './column-mapping.ts';
import { type CsvDialect, dialectText } from './csv-dialect.ts';
import type { KnownSource } from './source-format.ts';
import { readRange, type SourceInput, sizeOf } from './source-input.ts';

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
  return sampleOfFile(input.path, await sizeOf(input.path));
}

/** What a file is known by, as far as it reaches now. */
export async function fileSample(input: SourceInput): Promise<FileSample | undefined> {
  if (input.type !== 'file') return undefined;
  return sampleOfFile(input.path, await sizeOf(input.path));
}

/** Whether a file begins with all that another one, or the same one earlier, has held. */
export async function goesOn(input: SourceInput, before: FileSample): Promise<boolean> {
  if (input.type !== 'file' || (await sizeOf(input.path)) <= before.size) return false;
  const { first, last } = await sampleOfFile(input.path, before.size);
  return first === before.first && last === before.last;
}

export const FileSampleSchema = z.strictObject({
  size: CountSchema,
  first: Sha256HexSchema,
  last: Sha256HexSchema,
});
export type FileSample = z.infer<typeof FileSampleSchema>;

async function sampleOfFile(path: string, size: number): Promise<FileSample> {
  const length = Math.min(size, SAMPLE_BYTES);
  const first = await readRange(path, 0, length);
  const last = await readRange(path, size - length, length);
  return { size, first: sha256(first), last: sha256(last) };
}

const sha256 = (bytes: Uint8Array) => Sha256HexSchema.parse(hash('sha256', bytes));
