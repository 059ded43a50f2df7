/** Shapes of the second reader: base64url, canonical JSON and members, without any library. */

export type Members = Record<string, unknown>;

/** Undefined for a text that has another spelling of the same bytes, or none. */
export function decode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return Buffer.from(bytes).toString('base64url') === text ? bytes : undefined;
}

/** The object that the bytes are the canonical JSON of, or undefined. */
export function canonicalText(bytes: Uint8Array): Members | undefined {
  const text = Buffer.from(bytes).toString('utf8');
  if (Buffer.compare(Buffer.from(text, 'utf8'), bytes) !== 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || serialise(value) !== text) return undefined;
  return value;
}

/** RFC 8785: members by UTF-16 code units, numbers and texts as ECMAScript writes them. */
function serialise(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(serialise).join()}]`;
  if (!isObject(value)) return Object.is(value, -0) ? '0' : JSON.stringify(value);
  const names = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  return `{${names.map((name) => `${JSON.stringify(name)}:${serialise(value[name])}`).join()}}`;
}

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function hasExactly(value: Members | undefined, names: readonly string[]): value is Members {
  return value !== undefined && Object.keys(value).sort().join() === [...names].sort().join();
}

type Check = (value: unknown) => boolean;

const text =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const whole =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
const bytes =
  (length: number): Check =>
  (value) =>
    typeof value === 'string' && decode(value)?.length === length;

const hash = text(/^[0-9a-f]{64}$/);
const count = whole(0, 2 ** 48);
const milliseconds = whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

function isRange(value: unknown): boolean {
  if (value === null) return true;
  if (!isObject(value) || !hasExactly(value, ['min', 'max'])) return false;
  const { min, max } = value;
  return milliseconds(min) && milliseconds(max) && Number(min) <= Number(max);
}

const STREAM: Record<string, Check> = {
  v: (value) => value === 1,
  contract: hash,
  dataset: text(/^[a-z][a-z0-9-]{0,62}$/),
  stream: (value) => bytes(16)(value) || text(/^[a-z][a-z0-9-]{0,21}$/)(value),
  epoch: count,
};

const BATCH_SEAL: Record<string, Check> = {
  ...STREAM,
  sequence: count,
  previous: hash,
  eventTime: isRange,
  rows: whole(1, 1_048_576),
  plaintextBytes: whole(1, 16_777_216),
  ciphertextSha256: hash,
  commitment: bytes(32),
  segment: text(/^[\w-]+(\.[\w-]+){4}$/),
};

const MANIFEST: Record<string, Check> = {
  ...STREAM,
  sequences: count,
  head: hash,
  rows: count,
  watermark: (value) => value === null || milliseconds(value),
  final: (value) => typeof value === 'boolean',
};

const CONTINUES: Record<string, Check> = {
  epoch: count,
  sequences: count,
  head: hash,
  rows: count,
};
const RETRACTS: Record<string, Check> = { sequence: count, seal: hash };

const OPENING: Record<string, Check> = {
  ...STREAM,
  continues: (value) => isObject(value) && fits(value, CONTINUES),
};

const RETRACTION: Record<string, Check> = {
  ...STREAM,
  sequence: count,
  previous: hash,
  retracts: (value) => isObject(value) && fits(value, RETRACTS),
};

const memberOf = (value: unknown, name: string) => (isObject(value) ? Number(value[name]) : 0);

export const isOpening = (value: Members) =>
  fits(value, OPENING) && Number(value['epoch']) > memberOf(value['continues'], 'epoch');
export const isRetraction = (value: Members) =>
  fits(value, RETRACTION) && Number(value['sequence']) > memberOf(value['retracts'], 'sequence');
export const isBatchSeal = (value: Members) =>
  fits(value, BATCH_SEAL) || fits(value, { ...BATCH_SEAL, compression: (name) => name === 'zstd' });
export const isManifest = (value: Members) => fits(value, MANIFEST);

function fits(value: Members, shape: Record<string, Check>): boolean {
  const names = Object.keys(shape);
  return hasExactly(value, names) && names.every((name) => shape[name]?.(value[name]) === true);
}
