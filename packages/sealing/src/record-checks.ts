import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { CIPHERTEXT_BYTES_MAX, TAG_BYTES } from '@strongroom/protocol/limits';
import { RECORD_TYPES, type RecordShape, SEAL_HEADER } from '@strongroom/protocol/record';

/** What `record-log` reads: by shape, since neither package loads the other. */
export interface ReadRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Ciphertext and tag of a record's value. */
export interface SplitValue {
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * What the record claims to be; to choose a reader for it, never to believe it.
 * @returns undefined for a type that no record of a contract has
 */
export function recordTypeOf(record: ReadRecord): keyof typeof RECORD_TYPES | undefined {
  const type = record.headers['ce_type'];
  for (const [name, value] of Object.entries(RECORD_TYPES)) {
    if (value === type && isRecordType(name)) return name;
  }
  return undefined;
}

function isRecordType(name: string): name is keyof typeof RECORD_TYPES {
  return Object.hasOwn(RECORD_TYPES, name);
}

/** The `seal` header, present and not over its limit. */
export function sealOf(record: ReadRecord, bytesMax: number, malformed: ErrorCode): string {
  const jws = Object.hasOwn(record.headers, SEAL_HEADER) ? record.headers[SEAL_HEADER] : undefined;
  if (jws === undefined || jws.length > bytesMax) {
    throw new StrongroomError(malformed, { part: 'seal header' });
  }
  return jws;
}

/** @throws ERR_LIMIT_EXCEEDED, and `unopenable` when there is no room for a tag and one byte */
export function splitValue(value: Uint8Array, unopenable: ErrorCode): SplitValue {
  if (value.length > CIPHERTEXT_BYTES_MAX + TAG_BYTES) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'CIPHERTEXT_BYTES_MAX' });
  }
  if (value.length <= TAG_BYTES) throw new StrongroomError(unopenable);
  const end = value.length - TAG_BYTES;
  return { ciphertext: value.subarray(0, end), tag: value.subarray(end) };
}

/**
 * The record's key and headers must be those that its seal implies, and no other.
 * @throws ERR_RECORD_HEADERS with the name of ours that is wrong
 */
export function checkRecordShape(record: ReadRecord, shape: RecordShape): void {
  if (record.key !== shape.key) throw wrong('key');
  for (const [name, value] of Object.entries(shape.headers)) {
    if (!Object.hasOwn(record.headers, name) || record.headers[name] !== value) throw wrong(name);
  }
  const expected = Object.keys(shape.headers).length + 1;
  if (Object.keys(record.headers).length !== expected) throw wrong('an unknown header');
}

function wrong(header: string): StrongroomError {
  return new StrongroomError('ERR_RECORD_HEADERS', { header });
}
