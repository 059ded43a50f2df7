import { z } from 'zod';
import { StrongroomError } from './errors.ts';
import { ContractIdSchema, CountSchema, Sha256HexSchema } from './fields.ts';
import { joinJson, splitJson } from './json-with-values.ts';

/**
 * A step of the computation as its bytes will leave: results, entries of ledgers, and the
 * checkpoint that covers them. It is written down before any owner is asked and before anything
 * leaves, sealed with the state key, so that whoever goes on says again exactly what was said. The
 * plaintext:
 *
 *   uint32 bytes of the JSON ‖ canonical JSON ‖ value ‖ value ‖ …
 *
 * with the number big-endian, and the values in the order of the JSON's records. The JWE (`dir` +
 * A256GCM) is a compact one whose ciphertext is detached, as RFC 7515 appendix F does with a JWS:
 * the text of the record's `seal` has an empty part in its place, and the ciphertext is the value.
 */

export interface StepRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PreparedStep {
  readonly contract: string;
  /** SHA-256 of the checkpoint's JWE before; of the contract id before the first. */
  readonly from: string;
  /** Of the checkpoint among the records. */
  readonly to: string;
  readonly records: readonly StepRecord[];
}

export const PreparedStepSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  from: Sha256HexSchema,
  to: Sha256HexSchema,
  records: z.array(
    z.strictObject({
      key: z.string().nullable(),
      /** In their order, which is part of the bytes on the log. */
      headers: z.array(z.tuple([z.string(), z.string()])),
      /** Of its value. */
      bytes: CountSchema,
    }),
  ),
});

export const PREPARED_JWE_TYPE = 'strongroom-prepared+jwe';

export function encodePreparedStep(step: PreparedStep): Uint8Array<ArrayBuffer> {
  const records = step.records.map(({ key, headers, value }) => ({
    key,
    headers: Object.entries(headers),
    bytes: value.length,
  }));
  return joinJson(
    { v: 1, ...step, records },
    step.records.map(({ value }) => value),
  );
}

/** @throws ERR_CHECKPOINT_INVALID, whatever is wrong */
export function decodePreparedStep(bytes: Uint8Array): PreparedStep {
  try {
    const { document, rest } = splitJson(bytes);
    const parsed = PreparedStepSchema.parse(document);
    const { contract, from, to } = parsed;
    let at = 0;
    const records = parsed.records.map(({ key, headers, bytes: length }) => {
      const value = rest.slice(at, at + length);
      at += length;
      return { key, headers: Object.fromEntries(headers), value };
    });
    if (at === rest.length) return { contract, from, to, records };
  } catch {
    // One code for all that is wrong with it.
  }
  throw new StrongroomError('ERR_CHECKPOINT_INVALID');
}
