import { z } from 'zod';
import { Bytes32Schema, ContractIdSchema } from './fields.ts';
import { Ed25519KeySchema, RsaKeySchema } from './public-key.ts';

/**
 * What an attester claims about itself. The canonical bytes of this object are the runtime data of
 * the evidence: REPORT_DATA = SHA-256(bytes) ‖ 32 zero bytes, the binding that Microsoft Azure
 * Attestation uses, so that one form serves every platform (docs/adr/0005).
 */
export const RuntimeClaimsSchema = z.strictObject({
  contract: ContractIdSchema,
  keys: z.tuple([
    /** Released keys are wrapped to it (RSA-OAEP + AES-KWP), one process life long. */
    RsaKeySchema.extend({
      kid: z.literal('transport'),
      key_ops: z.tuple([z.literal('encrypt')]),
    }),
    /** Signs aggregates, one process life long. */
    Ed25519KeySchema.extend({
      kid: z.literal('aggregates'),
      key_ops: z.tuple([z.literal('verify')]),
    }),
  ]),
  nonce: Bytes32Schema,
  purpose: z.literal('strongroom/worker/v1'),
});
export type RuntimeClaims = z.infer<typeof RuntimeClaimsSchema>;

/** Report, certificates and claims as they travel: base64url, PEM, base64url. */
export const EvidenceSchema = z.strictObject({
  /** 1184 bytes, SEV-SNP ABI ATTESTATION_REPORT. */
  report: z.string(),
  /** VCEK or VLEK, then ASK or ASVK, then ARK. The ARK is a hint; roots are pinned. */
  certificateChain: z.string(),
  /** Canonical bytes of RuntimeClaims. */
  runtimeClaims: z.string(),
});
export type Evidence = z.infer<typeof EvidenceSchema>;
