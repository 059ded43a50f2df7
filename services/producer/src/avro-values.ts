import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { AVRO_SCHEMA_BYTES_MAX } from '@strongroom/protocol/limits';
import type { HiddenText } from '@strongroom/record-log/hidden-text';
import avro from 'avsc';
import { z } from 'zod';
import type { ValueDecoder } from './topic-source.ts';

/**
 * Values as Confluent's serialisers write them: a zero, the number of the writer's schema in four
 * bytes, then Avro's binary form. The schema comes from a registry, by its number.
 */
const HEAD_BYTES = 5;
const ANSWER_MS_MAX = 10_000;

const AnswerSchema = z.looseObject({
  schema: z.string().max(AVRO_SCHEMA_BYTES_MAX),
  schemaType: z.exactOptional(z.literal('AVRO')),
  references: z.exactOptional(z.array(z.unknown()).max(0)),
});

/**
 * @param registry its base URL
 * @param authorization as the header of HTTP says it
 */
export function avroDecoder(registry: URL, authorization?: HiddenText): ValueDecoder {
  const writers = new Map<number, Promise<avro.Type>>();
  return async (value) => {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (bytes.length < HEAD_BYTES || bytes[0] !== 0) throw malformed('no number of a schema');
    const id = bytes.readUInt32BE(1);
    const known = writers.get(id) ?? writerOf(registry, id, authorization);
    writers.set(id, known);
    return lineOf(await known, bytes.subarray(HEAD_BYTES));
  };
}

/** @throws ERR_SOURCE_UNREACHABLE, ERR_SOURCE_REFUSED */
async function writerOf(
  registry: URL,
  id: number,
  authorization: HiddenText | undefined,
): Promise<avro.Type> {
  const base = registry.href.replace(/\/$/, '');
  const answer = await fetchText(`${base}/schemas/ids/${id}`, authorization);
  try {
    const { schema } = AnswerSchema.parse(JSON.parse(answer));
    const type = avro.Type.forSchema(JSON.parse(schema), {
      registry: { long: LONG },
      logicalTypes: LOGICAL_TYPES,
      wrapUnions: true,
    });
    if (type instanceof avro.types.RecordType) return type;
  } catch {
    // Said below: a schema is not ours to quote.
  }
  const problem = 'a schema that is not understood';
  throw new StrongroomError('ERR_SOURCE_REFUSED', { source: 'schema registry', id, problem });
}

async function fetchText(url: string, authorization?: HiddenText): Promise<string> {
  const source = 'schema registry';
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const headers = authorization === undefined ? {} : { authorization: authorization.reveal() };
    // To be sent elsewhere would show the password there.
    const response = await fetch(url, { signal, headers, redirect: 'error' });
    if (response.ok) return await response.text();
    const { status } = response;
    const code = status >= 500 ? 'ERR_SOURCE_UNREACHABLE' : 'ERR_SOURCE_REFUSED';
    throw new StrongroomError(code, { source, status });
  } catch (error) {
    if (codeOf(error) !== undefined) throw error;
    throw new StrongroomError('ERR_SOURCE_UNREACHABLE', { source });
  }
}

/** One JSON object in the spellings that the reader of JSON lines takes. */
function lineOf(type: avro.Type, bytes: Buffer): string {
  if (!(type instanceof avro.types.RecordType)) throw malformed('no record');
  const record = decoded(type, bytes);
  const members = type.fields.map(({ name, type: itsType }) => {
    const value = record[name];
    const isUnion = itsType instanceof avro.types.WrappedUnionType && value !== null;
    return `${JSON.stringify(name)}:${spelling(isUnion ? only(value) : value)}`;
  });
  return `{${members.join(',')}}`;
}

function decoded(type: avro.Type, bytes: Buffer): Record<string, unknown> {
  try {
    return type.fromBuffer(bytes);
  } catch {
    throw malformed('a value that its schema does not describe');
  }
}

/** A union of one type and null comes as an object with the type's name. */
function only(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? Object.values(value)[0] : value;
}

/** What is no single value becomes an object, which no column of a contract takes. */
function spelling(value: unknown): string {
  if (value === null || typeof value === 'boolean') return `${value}`;
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'number') return '{}';
  if (Number.isFinite(value)) return JSON.stringify(value);
  throw malformed('a float that JSON cannot say');
}

/** 64 bits as they are: a double would round them. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left < right ? -1 : left > right ? 1 : 0),
});

const MICROSECONDS = 1_000_000n;

function timeText(microseconds: bigint, zone: 'Z' | ''): string {
  const rest = ((microseconds % MICROSECONDS) + MICROSECONDS) % MICROSECONDS;
  const seconds = new Date(Number((microseconds - rest) / 1_000n));
  if (Number.isNaN(seconds.getTime())) throw malformed('a time beyond all calendars');
  return `${seconds.toISOString().slice(0, -5)}.${`${rest}`.padStart(6, '0')}${zone}`;
}

/** How values of a logical type are spelled (Avro 1.11, Logical Types). */
function spelled(text: (value: never, scale: number) => string) {
  return class extends avro.types.LogicalType {
    readonly #scale: number;

    constructor(declared: avro.Schema, options?: unknown) {
      super(declared, options);
      const scale = typeof declared === 'object' && 'scale' in declared ? declared['scale'] : 0;
      this.#scale = Number(scale ?? 0);
    }

    protected override _fromValue(value: never): string {
      return text(value, this.#scale);
    }

    protected override _toValue(): never {
      throw malformed('nothing is written here');
    }
  };
}

/** Below a logical type the library reads 64 bits itself, and refuses what no double holds. */
type Long = number | bigint;
const DAY_MS = 86_400_000;
const LOGICAL_TYPES = {
  decimal: spelled(decimalText),
  date: spelled((days: number) => new Date(days * DAY_MS).toISOString().slice(0, 10)),
  'timestamp-millis': spelled((value: Long) => timeText(BigInt(value) * 1_000n, 'Z')),
  'timestamp-micros': spelled((value: Long) => timeText(BigInt(value), 'Z')),
  'local-timestamp-millis': spelled((value: Long) => timeText(BigInt(value) * 1_000n, '')),
  'local-timestamp-micros': spelled((value: Long) => timeText(BigInt(value), '')),
};

/** Two's complement, the highest byte first. */
function decimalText(bytes: Uint8Array, scale: number): string {
  const unsigned = BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
  const value = BigInt.asIntN(8 * Math.max(1, bytes.length), unsigned);
  const digits = `${value < 0n ? -value : value}`.padStart(scale + 1, '0');
  const sign = value < 0n ? '-' : '';
  if (scale === 0) return `${sign}${digits}`;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function malformed(problem: string): StrongroomError {
  return new StrongroomError('ERR_SOURCE_MALFORMED', { format: 'avro', problem });
}
