import { z } from 'zod';
import { Bytes32Schema, CompactJweSchema, Sha256HexSchema } from './fields.ts';
import { PLAINTEXT_BYTES_MAX } from './limits.ts';
import type { RecordShape } from './record.ts';

/** What the ciphertext contributes to every seal: members of its payload. */
export const SEALED_PARTS = {
  /** Of a batch what its producer sealed; of what a vault seals one of few sizes (padding.ts). */
  plaintextBytes: z.int().min(1).max(PLAINTEXT_BYTES_MAX),
  /** Over the ciphertext without its tag: the tag covers this seal. */
  ciphertextSha256: Sha256HexSchema,
  /** Which data key opens the ciphertext: AES-GCM alone would let one ciphertext have two. */
  commitment: Bytes32Schema,
  /** The secret, a compact JWE to whom it is for. */
  segment: CompactJweSchema,
} as const;

/**
 * A kind of object that a vault seals once to one party, under a secret of its own, and signs with
 * the key that its attestation names: results, uses, quarantined records.
 *
 *   record.value   = ciphertext ‖ tag     AES-256-GCM, as a sealed batch's, over a padded text
 *   header `seal`  = compact JWS          `typ` says which kind; payload = the seal
 */
export interface OnceFormat<Seal extends At, At> {
  readonly typ: string;
  readonly sealSchema: z.ZodType<Seal>;
  readonly sealBytesMax: number;
  /** Which the padded plaintext may have, in rising order. */
  readonly sizes: readonly number[];
  /** What the secret is wrapped for. */
  readonly contextOf: (at: At) => Uint8Array;
  /** HKDF info of the data key. */
  readonly keyInfoOf: (at: At) => Uint8Array;
  /** Key and headers of the record, which follow from the seal. */
  readonly shapeOf: (seal: Seal) => RecordShape;
}
