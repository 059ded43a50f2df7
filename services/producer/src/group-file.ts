import { createHash, hash } from 'node:crypto';
import type { LogRecord } from '@strongroom/record-log/log';
import { z } from 'zod';
import { corruptState, type StreamState, StreamStateSchema } from './stream-state.ts';

/**
 * Sealed records on their way to the log, and the state that they lead to: one file, so that both
 * are there or neither is.
 *
 *   4 bytes        length of the head, big-endian
 *   head           UTF-8 JSON: {state, records: [{key, headers, bytes}]}
 *   values         of the records, end to end
 *   32 bytes       SHA-256 of everything before
 */
export interface SealedGroup {
  /** Where the stream stands when these records are in the log. */
  readonly state: StreamState;
  readonly records: readonly LogRecord[];
}

const HeadSchema = z.strictObject({
  state: StreamStateSchema,
  records: z.array(
    z.strictObject({
      key: z.string().nullable(),
      headers: z.record(z.string(), z.string()),
      bytes: z.int().min(0),
    }),
  ),
});

const LENGTH_BYTES = 4;
const HASH_BYTES = 32;

export function encodeGroup({ state, records }: SealedGroup): Uint8Array {
  const heads = records.map(({ key, headers, value }) => ({ key, headers, bytes: value.length }));
  const head = Buffer.from(JSON.stringify({ state, records: heads }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(head.length);
  const parts = [length, head, ...records.map(({ value }) => value)];
  const sha256 = createHash('sha256');
  for (const part of parts) sha256.update(part);
  return Buffer.concat([...parts, sha256.digest()]);
}

/** @throws ERR_STATE_CORRUPT */
export function decodeGroup(bytes: Uint8Array, file: string): SealedGroup {
  const body = Buffer.from(bytes.subarray(0, -HASH_BYTES));
  const expected = hash('sha256', body, 'buffer');
  if (body.length < LENGTH_BYTES || !expected.equals(bytes.subarray(-HASH_BYTES))) {
    throw corruptState(file, 'changed');
  }
  const end = LENGTH_BYTES + body.readUInt32BE();
  const head = HeadSchema.safeParse(parseJson(body.toString('utf8', LENGTH_BYTES, end)));
  if (!head.success) throw corruptState(file, 'not what this producer writes');
  let at = end;
  const records = head.data.records.map(({ key, headers, bytes: length }) => {
    at += length;
    return { key, headers, value: body.subarray(at - length, at) };
  });
  if (at !== body.length) throw corruptState(file, 'not what this producer writes');
  return { state: head.data.state, records };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
