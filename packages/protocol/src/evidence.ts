import { z } from 'zod';
import { decodeBase64url } from './base64url.ts';
import { Bytes32Schema, ContractIdSchema, PartyIdSchema, Sha256HexSchema } from './fields.ts';
import {
  PCR_COUNT,
  TPM_QUOTE_BYTES_MAX,
  TPM_SIGNATURE_BYTES_MAX,
  UVM_ENDORSEMENT_BYTES_MAX,
  VTPM_RUNTIME_DATA_BYTES_MAX,
} from './limits.ts';
import { Ed25519KeySchema, RsaKeySchema } from './public-key.ts';

/** Signs aggregates and statements, one process life long. */
export const AggregatesKeySchema = Ed25519KeySchema.extend({
  kid: z.literal('aggregates'),
  key_ops: z.tuple([z.literal('verify')]),
});

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
    AggregatesKeySchema,
  ]),
  nonce: Bytes32Schema,
  /** By owner that keeps a lease: the nonce that it gave for this evidence. */
  challenges: z.exactOptional(z.record(PartyIdSchema, Bytes32Schema)),
  purpose: z.literal('strongroom/worker/v1'),
});
export type RuntimeClaims = z.infer<typeof RuntimeClaimsSchema>;

const base64urlUpTo = (bytes: number) =>
  z
    .string()
    .min(1)
    .max(Math.ceil((bytes * 4) / 3))
    .refine((text) => decodeBase64url(text) !== undefined, { error: 'base64url' });

/**
 * What the virtual TPM of an Azure confidential VM adds. There the report binds the paravisor's
 * runtime data and not our claims; the data names the TPM's attestation key, whose quote over the
 * PCRs carries the 64 bytes that REPORT_DATA has elsewhere.
 */
export const VtpmEvidenceSchema = z.strictObject({
  /** JSON of the paravisor, byte for byte: SHA-256 of it is REPORT_DATA. */
  runtimeData: base64urlUpTo(VTPM_RUNTIME_DATA_BYTES_MAX),
  /** TPMS_ATTEST over all PCRs of the SHA-256 bank (TCG TPM 2.0 Library, Part 2). */
  quote: base64urlUpTo(TPM_QUOTE_BYTES_MAX),
  /** RSASSA-PKCS1-v1_5 with SHA-256 by the attestation key. */
  signature: base64urlUpTo(TPM_SIGNATURE_BYTES_MAX),
  /** Values of PCR 0, 1, and so on. */
  pcrs: z.array(Sha256HexSchema).length(PCR_COUNT),
});
export type VtpmEvidence = z.infer<typeof VtpmEvidenceSchema>;

/** Report, certificates and claims as they travel: base64url, PEM, base64url. */
export const EvidenceSchema = z.strictObject({
  /** 1184 bytes, SEV-SNP ABI ATTESTATION_REPORT. */
  report: z.string(),
  /** VCEK or VLEK, then ASK or ASVK, then ARK. The ARK is a hint; roots are pinned. */
  certificateChain: z.string(),
  /** Canonical bytes of RuntimeClaims; of EvidenceClaims in the answer to a challenge. */
  runtimeClaims: z.string(),
  /** Of an Azure confidential VM, and there only. */
  vtpm: z.exactOptional(VtpmEvidenceSchema),
  /** Of Azure confidential containers: a COSE_Sign1 about the utility VM below them. */
  uvmEndorsement: z.exactOptional(base64urlUpTo(UVM_ENDORSEMENT_BYTES_MAX)),
});
export type Evidence = z.infer<typeof EvidenceSchema>;
