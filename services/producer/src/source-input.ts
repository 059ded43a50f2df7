import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Json } from '@strongroom/protocol/canonical-json';
import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ColumnMapping } from './column-mapping.ts';

/** Where the bytes of one source come from. */
export type SourceInput = FileInput | ReplayableInput | StreamInput;

/** A regular file: it has an end, may be read twice and in any order. */
export interface FileInput {
  readonly type: 'file';
  readonly path: string;
  readonly size: number;
}

/** A packed file, an object of a store, a query: may be read again, but only from its start. */
export interface ReplayableInput {
  readonly type: 'replayable';
  /** Reads it once more. */
  bytes(): AsyncIterable<Uint8Array>;
  /** By what it is known again, beside its format and columns. */
  knownBy(): Promise<Json>;
}

/** Standard input, a named pipe, a terminal: read once, from the start. */
export interface StreamInput {
  readonly type: 'stream';
  /** Not yet read. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Ends a read that waits for bytes that may never come: it rejects. */
  cancel(): void;
}

/** Files of a folder or objects of a store that are published one after the other, each once. */
export interface CollectionInput {
  readonly type: 'collection';
  /** All that are there now, in an order that stays: by name, letter by letter. */
  items(): Promise<readonly CollectionItem[]>;
}

export interface CollectionItem {
  /** Within the collection: what it is remembered by. */
  readonly name: string;
  /** Another one says that the item may have changed; the same, that it has not. */
  readonly version: string;
  open(): Promise<SourceInput>;
}

/** A query, a topic: what it gives grows, and each run publishes what came since the last one. */
export interface GrowingInput {
  readonly type: 'growing';
  /** By what it is known again, whatever it gives. */
  readonly knownBy: Json;
  /** Whether more is waited for, until the run is told to stop. */
  readonly follow: boolean;
  /**
   * What is to be published next; undefined when there is nothing new.
   * @param before where an earlier portion has left off; undefined at the beginning
   */
  next(before: Standing | undefined, wanted: WantedColumns): Promise<Portion | undefined>;
  close(): Promise<void>;
}

/** Where a stream stands in a source that grows. */
export interface Standing {
  readonly position: Json;
  /** Rows of the portion that are in the stream. */
  readonly cursor: number;
  /** All of the portion is. */
  readonly complete: boolean;
}

export interface WantedColumns {
  readonly dataset: Dataset;
  readonly mapping: ColumnMapping | undefined;
}

/** A part of what grows that has an end, and can be read again. */
export interface Portion {
  readonly input: ReplayableInput;
  readonly format: 'csv' | 'ndjson';
  /** The first bytes, as in KnownSource. */
  readonly start: Uint8Array;
  /** Rows of it that are in the stream already, and are read again to be left out. */
  readonly cursor: number;
  /** What the state keeps while it is published, and after. */
  readonly position: Json;
  /** Where the position moves row by row: the one behind so many rows of the portion. */
  readonly positionAt?: (rows: number) => Json;
  /** Where a row stands, counted from 1, if its owner knows it by more than that number. */
  readonly placeOf?: (row: number) => Readonly<Record<string, string | number>> | undefined;
}

/** What `--source` says for standard input. */
const STANDARD_INPUT = '-';
const READ_BYTES = 1024 * 1024;

/** @throws ERR_FILE_UNREADABLE */
export async function openInput(source: string): Promise<SourceInput> {
  if (source === STANDARD_INPUT) return streamInput(process.stdin, source);
  const found = await readable(source, () => stat(source));
  if (found.isDirectory()) throw unreadable(source, 'EISDIR');
  if (!found.isFile()) return streamInput(createReadStream(source), source);
  // Readable now is better than unreadable when the engine, whose words we drop, comes to it.
  await (await readable(source, () => open(source))).close();
  return { type: 'file', path: source, size: found.size };
}

/** Of a file, now. @throws ERR_FILE_UNREADABLE */
export async function sizeOf(path: string): Promise<number> {
  return (await readable(path, () => stat(path))).size;
}

/** @param name for errors */
export function streamInput(stream: Readable, name: string): StreamInput {
  return { type: 'stream', bytes: streamOf(stream, name), cancel: () => stream.destroy() };
}

/** All bytes of a source from its start; of a stream, once. @throws ERR_FILE_UNREADABLE */
export function bytesOf(input: SourceInput): AsyncIterable<Uint8Array> {
  if (input.type === 'file') return fileBytes(input.path);
  return input.type === 'stream' ? input.bytes : input.bytes();
}

function fileBytes(path: string): AsyncIterable<Uint8Array> {
  return streamOf(createReadStream(path, { highWaterMark: READ_BYTES }), path);
}

/** Up to `length` bytes at `position`. @throws ERR_FILE_UNREADABLE */
export async function readRange(path: string, position: number, length: number) {
  const file: FileHandle = await readable(path, () => open(path));
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await readable(path, () => file.read(bytes, 0, length, position));
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The first bytes of a stream, `length` or all of it, and the whole stream, those included. */
export async function peek(
  bytes: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ start: Uint8Array; bytes: AsyncIterable<Uint8Array> }> {
  const pieces: Uint8Array[] = [];
  const source = bytes[Symbol.asyncIterator]();
  let seen = 0;
  while (seen < length) {
    const next = await source.next();
    if (next.done === true) break;
    pieces.push(next.value);
    seen += next.value.length;
  }
  const start = Buffer.concat(pieces);
  return { start: start.subarray(0, length), bytes: withStart(start, source) };
}

async function* withStart(start: Uint8Array, rest: AsyncIterator<Uint8Array>) {
  try {
    if (start.length > 0) yield start;
    for (;;) {
      const next = await rest.next();
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

async function* streamOf(stream: AsyncIterable<Uint8Array>, path: string) {
  try {
    yield* stream;
  } catch (error) {
    throw unreadable(path, systemCode(error));
  }
}

async function readable<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw unreadable(path, systemCode(error));
  }
}

function unreadable(path: string, reason: string): StrongroomError {
  return new StrongroomError('ERR_FILE_UNREADABLE', { path, reason });
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}
