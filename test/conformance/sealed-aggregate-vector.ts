import { readFileSync } from 'node:fs';
import { SigningKeySchema } from '@strongroom/protocol/public-key';
import { z } from 'zod';

/** schemas/sealed-aggregate/vectors/parts.json. */
export const RESULT_VECTOR = new URL(
  '../../schemas/sealed-aggregate/vectors/parts.json',
  import.meta.url,
);

const ResultVectorSchema = z.strictObject({
  about: z.string(),
  contract: z.looseObject({}),
  contractId: z.string(),
  readingPrivateKey: z.looseObject({}),
  signingKey: SigningKeySchema,
  /** SHA-256 of the attestation proof, which is taken for verified. */
  token: z.string(),
  /** In base64url, as all bytes are here. */
  secret: z.string(),
  content: z.string(),
  /** Of all pieces together. */
  plaintextBytes: z.int(),
  parts: z.array(
    z.strictObject({
      key: z.string(),
      headers: z.record(z.string(), z.string()),
      keyInfo: z.string(),
      dataKey: z.string(),
      ciphertextSha256: z.string(),
      tag: z.string(),
    }),
  ),
});
export type ResultVector = z.infer<typeof ResultVectorSchema>;

export function readResultVector(): ResultVector {
  return ResultVectorSchema.parse(JSON.parse(readFileSync(RESULT_VECTOR, 'utf8')));
}
