import { z } from 'zod';
import { Bytes32Schema, Sha256HexSchema } from './fields.ts';

/**
 * In which one spelling a column's values are published, so that what means the same is the same
 * text. The owner's producer brings them into it before it seals them; nobody else ever needs to.
 * A form's name carries its version: what a text becomes never changes under one name. See
 * docs/joins.md.
 */
export const CANONICAL_FORMS = [
  'exact',
  'trimmed/1',
  'case-folded/1',
  'email/1',
  'phone/1',
] as const;
export type CanonicalForm = (typeof CANONICAL_FORMS)[number];

export const CanonicalSchema = z.strictObject({
  form: z.enum(CANONICAL_FORMS),
  /** Of phone numbers that are written without a country: where they are dialled (ISO 3166-1). */
  region: z.exactOptional(z.string().regex(/^[A-Z]{2}$/)),
  /** The values are keyed hashes of that form, by the join key that has this id. */
  hashedWith: z.exactOptional(Sha256HexSchema),
});
export type Canonical = z.infer<typeof CanonicalSchema>;

/** What owners hand to each other: the key, and the id by which contracts name it. */
export const JoinKeyFileSchema = z.strictObject({
  strongroom: z.literal('join-key/v1'),
  keyId: Sha256HexSchema,
  key: Bytes32Schema,
});

interface FormedColumn {
  readonly type: string;
  readonly canonical?: Canonical;
}

/** What makes a column's canonical form impossible; undefined: nothing. */
export function canonicalProblemIn({ type, canonical }: FormedColumn): string | undefined {
  if (!canonical) return undefined;
  const { form, region, hashedWith } = canonical;
  if (type !== 'utf8') return 'a canonical form is one of texts';
  if (form === 'exact' && hashedWith === undefined) return 'exact is the form of every column';
  if (region !== undefined && form !== 'phone/1') return 'a region is one of phone numbers';
  return undefined;
}

/**
 * Columns are comparable where this is equal. The region says how a source is read, and leaves no
 * trace in the form: owners of two countries compare their numbers.
 */
export function formText({ canonical }: Pick<FormedColumn, 'canonical'>): string {
  const { form = 'exact', hashedWith } = canonical ?? {};
  return hashedWith === undefined ? form : `${form}, hashed with ${hashedWith}`;
}
