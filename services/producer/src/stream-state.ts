import { hash } from 'node:crypto';
import { canonicalBytes, type Json } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type ContractId,
  ContractIdSchema,
  CountSchema,
  type DatasetId,
  DatasetIdSchema,
  MillisecondsSchema,
  Sha256HexSchema,
  type StreamId,
  StreamIdSchema,
} from '@strongroom/protocol/fields';
import { newStreamId, streamStart } from '@strongroom/sealing/seal';
import { z } from 'zod';
import { FileSampleSchema } from './source-fingerprint.ts';

const JsonSchema: z.ZodType<Json> = z.json();

/**
 * What a producer has to know to go on: where its stream stands, and how far its source was read.
 * One value, written as one: a stream that is ahead of its source repeats rows, one that is behind
 * loses them.
 */
export const StreamStateSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  dataset: DatasetIdSchema,
  stream: StreamIdSchema,
  epoch: CountSchema,
  /** Groups of records that were written to the outbox so far. */
  group: CountSchema,
  point: z.strictObject({ sequence: CountSchema, head: Sha256HexSchema, rows: CountSchema }),
  /** The newest event time of all rows so far. */
  newestEventTime: MillisecondsSchema.nullable(),
  /** What the newest manifest says. */
  watermark: MillisecondsSchema.nullable(),
  final: z.boolean(),
  /** The source that is being published or was published last; null before the first. */
  source: z
    .strictObject({
      fingerprint: Sha256HexSchema,
      /** Rows of it that are in the stream. */
      cursor: CountSchema,
      /** All of it is in the stream. */
      complete: z.boolean(),
      /** What a file was known by: one that has grown begins with it. */
      sample: z.exactOptional(FileSampleSchema),
      /** Which item of a collection it is. */
      item: z.exactOptional(z.strictObject({ name: z.string(), version: z.string() })),
      /** Where it stands in a source that grows, in that source's own terms. */
      position: z.exactOptional(JsonSchema),
    })
    .nullable(),
  /** How far the list of finished items goes that stands beside (finished-items.ts). */
  finished: z.exactOptional(z.strictObject({ count: CountSchema, head: Sha256HexSchema })),
});
export type StreamState = z.infer<typeof StreamStateSchema>;

const StateFileSchema = z.strictObject({ state: StreamStateSchema, sha256: Sha256HexSchema });

/** A person can read the file; the hash finds what a person or a disk has changed in it. */
export function encodeState(state: StreamState): string {
  return `${JSON.stringify({ state, sha256: hash('sha256', canonicalBytes(state)) }, null, 2)}\n`;
}

/** @throws ERR_STATE_CORRUPT */
export function decodeState(text: string, file: string): StreamState {
  const parsed = StateFileSchema.safeParse(parseJson(text));
  if (!parsed.success) throw corruptState(file, 'not what this producer writes');
  const { state, sha256 } = parsed.data;
  if (hash('sha256', canonicalBytes(state)) !== sha256) throw corruptState(file, 'changed');
  return state;
}

/** The first state of a new stream, of which nothing was sent; without an id its name is random. */
export function newStream(
  at: { contractId: ContractId; dataset: { id: DatasetId } },
  stream: StreamId = newStreamId(),
): StreamState {
  const position = {
    contract: at.contractId,
    dataset: at.dataset.id,
    stream,
    epoch: 0,
  };
  return {
    v: 1,
    ...position,
    group: 0,
    point: streamStart(position),
    newestEventTime: null,
    watermark: null,
    final: false,
    source: null,
  };
}

/** @throws ERR_STATE_CORRUPT when the folder belongs to another contract, dataset or stream */
export function checkStream(
  state: StreamState,
  at: { contractId: ContractId; dataset: { id: DatasetId } },
  stream: StreamId = state.stream,
): void {
  if (state.contract !== at.contractId) throw corruptState('state.json', 'of another contract');
  if (state.dataset !== at.dataset.id) throw corruptState('state.json', 'of another dataset');
  if (state.stream !== stream) throw corruptState('state.json', 'of another stream');
}

export function corruptState(file: string, problem: string): StrongroomError {
  return new StrongroomError('ERR_STATE_CORRUPT', { file, problem });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
