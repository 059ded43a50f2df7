import { z } from 'zod';
import { textOf } from './attestation-fixtures.ts';

const FlattenedSchema = z.looseObject({
  protected: z.string(),
  payload: z.string(),
  signature: z.string(),
});

/** A recorded token, kept as flattened JWS JSON, in its compact form. */
export function compactOf(path: string): string {
  const { protected: header, payload, signature } = FlattenedSchema.parse(JSON.parse(textOf(path)));
  return `${header}.${payload}.${signature}`;
}

/** What a token says, believed by nobody yet. */
export function payloadOf(compact: string): Record<string, unknown> {
  const text = Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString();
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
}
