import { createHash } from 'node:crypto';

interface AnyRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Names a record by all of its bytes: histories compare values, never offsets alone. */
export function fingerprint({ key, value, headers }: AnyRecord): string {
  const named = Object.entries(headers).sort(([left], [right]) => (left < right ? -1 : 1));
  const hash = createHash('sha256')
    .update(JSON.stringify([key, named]))
    .update(value);
  return hash.digest('hex').slice(0, 32);
}
