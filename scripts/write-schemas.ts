/**
 * The JSON Schemas under schemas/control, made from the zod schemas that the code itself uses:
 *
 *   node --conditions=strongroom:source scripts/write-schemas.ts
 *
 * A test compares the committed files with what this would write.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AttestationProofSchema } from '@strongroom/protocol/attestation-proof';
import {
  AuditConsistencySchema,
  AuditHeadSchema,
  AuditReceiptSchema,
} from '@strongroom/protocol/audit';
import { CheckpointSchema } from '@strongroom/protocol/checkpoint';
import { ContractSchema, SignedContractSchema } from '@strongroom/protocol/contract';
import { EvidenceSchema, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import {
  EvidenceAnswerSchema,
  EvidenceChallengeSchema,
  EvidenceClaimsSchema,
  EvidenceRefusalSchema,
  EvidenceStatementSchema,
} from '@strongroom/protocol/evidence-answer';
import { LeaseStatementSchema, LeaseStepSchema } from '@strongroom/protocol/lease';
import { DebitSchema } from '@strongroom/protocol/ledger';
import { PartialSchema } from '@strongroom/protocol/partial';
import { PreparedStepSchema } from '@strongroom/protocol/prepared-step';
import { ProofBundleSchema } from '@strongroom/protocol/proof-bundle';
import { QuarantineEntrySchema, QuarantineSealSchema } from '@strongroom/protocol/quarantine-entry';
import { SavedResultSchema } from '@strongroom/protocol/saved-result';
import { AggregateContentSchema, AggregateSealSchema } from '@strongroom/protocol/sealed-aggregate';
import {
  BatchSealSchema,
  ManifestSchema,
  OpeningSchema,
  RetractionSchema,
} from '@strongroom/protocol/sealed-batch';
import { StopNoticeSchema } from '@strongroom/protocol/stop-notice';
import { UseEntrySchema, UseSealSchema } from '@strongroom/protocol/use-entry';
import { z } from 'zod';

const DOCUMENTS = {
  contract: [ContractSchema, 'A contract; its id is the SHA-256 of its RFC 8785 bytes.'],
  'signed-contract': [SignedContractSchema, 'A contract file: general JWS JSON, RFC 7515 §7.2.1.'],
  'batch-seal': [BatchSealSchema, 'Payload of the JWS in the `seal` header of a sealed batch.'],
  manifest: [ManifestSchema, 'Payload of the JWS in the `seal` header of a manifest record.'],
  opening: [OpeningSchema, 'Payload of the JWS in the `seal` header of an opening.'],
  retraction: [RetractionSchema, 'Payload of the JWS in the `seal` header of a retraction.'],
  'aggregate-seal': [AggregateSealSchema, 'Payload of the JWS in the `seal` header of a result.'],
  'aggregate-content': [
    AggregateContentSchema,
    'The JSON at the head of what a result seals; an Arrow IPC stream and zero bytes follow.',
  ],
  'proof-bundle': [ProofBundleSchema, 'What proves to others how an owner was dealt with.'],
  'saved-result': [SavedResultSchema, 'One result with its proof, as `analyst save` writes it.'],
  'runtime-claims': [RuntimeClaimsSchema, 'What the attestation report binds: REPORT_DATA.'],
  evidence: [EvidenceSchema, 'Report, certificate chain and runtime claims as they travel.'],
  'attestation-proof': [
    AttestationProofSchema,
    'The value of a token record: what proves a worker.',
  ],
  'evidence-challenge': [EvidenceChallengeSchema, 'A question to the running worker.'],
  'evidence-answer': [EvidenceAnswerSchema, 'The answer to a challenge, on the log and over HTTP.'],
  'evidence-claims': [
    EvidenceClaimsSchema,
    "What the report of an answer binds; a start's differ.",
  ],
  'evidence-statement': [EvidenceStatementSchema, 'Payload of the JWS `statement` of an answer.'],
  'evidence-refusal': [EvidenceRefusalSchema, 'Unsigned: challenges that got no answer, and why.'],
  debit: [
    DebitSchema,
    'Payload of the JWS by which a worker debits budgets: before a result leaves.',
  ],
  'audit-head': [AuditHeadSchema, 'Payload of the JWS over the size and root of an audit log.'],
  'audit-receipt': [AuditReceiptSchema, 'Proof that an entry is in the log of a signed head.'],
  'audit-consistency': [AuditConsistencySchema, 'Proof that a log only grew since a head.'],
  'lease-step': [LeaseStepSchema, 'Payload of the JWS by which a vault asks to go on.'],
  'lease-statement': [LeaseStatementSchema, "Payload of an owner's JWS about its lease."],
  'use-seal': [UseSealSchema, "Payload of the JWS over an entry of an owner's ledger of uses."],
  'use-entry': [UseEntrySchema, "What an entry of an owner's ledger of uses holds, sealed to it."],
  'quarantine-seal': [
    QuarantineSealSchema,
    "Payload of the JWS over an entry of an owner's quarantine.",
  ],
  'quarantine-entry': [
    QuarantineEntrySchema,
    "What an entry of an owner's quarantine holds, sealed to it.",
  ],
  'stop-notice': [StopNoticeSchema, 'Payload of the JWS that is the last word of a vault.'],
  checkpoint: [CheckpointSchema, 'Plaintext of the checkpoint; only the vault sees it.'],
  partial: [
    PartialSchema,
    'The JSON at the head of what a slice tells; an Arrow IPC stream and zero bytes may follow.',
  ],
  'prepared-step': [PreparedStepSchema, 'The JSON at the head of a prepared step; values follow.'],
} as const;

/** File paths from the root, and what each must hold. */
export function controlSchemas(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, [schemaOf, description]] of Object.entries(DOCUMENTS)) {
    // Checks between fields and of decoded bytes stay in the code; JSON Schema cannot say them.
    const made = z.toJSONSchema(schemaOf, { target: 'draft-2020-12', reused: 'inline' });
    const titled = { $schema: made.$schema, title: name, description, ...made };
    files.set(`schemas/control/${name}.schema.json`, `${JSON.stringify(titled, null, 2)}\n`);
  }
  return files;
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  for (const [path, text] of controlSchemas()) writeFileSync(join(root, path), text);
}
