import { createHash } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { parseThimCertificates, type ThimCertificates } from '../endorsements/thim.ts';
import { decodeBase64 } from '../strict-text.ts';
import { COSE_BYTES_MAX } from './cose-sign1.ts';

/** What Azure's confidential containers find beside them: three base64 texts. */
export interface SecurityContextTexts {
  readonly securityPolicy: string;
  readonly hostAmdCertificate?: string | undefined;
  readonly referenceInfo?: string | undefined;
}

export interface SecurityContext {
  /** SHA-256 of the decoded policy: HOST_DATA of the report. */
  readonly hostData: Uint8Array;
  /** Whatever the host says; hints, which verification proves. */
  readonly certificates: ThimCertificates | null;
  /** A COSE_Sign1, judged by `verifyUvmEndorsement`. */
  readonly uvmEndorsement: Uint8Array | null;
}

/** Generated policies of large container groups reach some hundred kilobytes. */
export const SECURITY_POLICY_CHARACTERS_MAX = 4 * 1024 * 1024;

/** @throws ERR_EVIDENCE_MALFORMED with `check: security-context-…`, ERR_ENDORSEMENT_UNAVAILABLE */
export function parseSecurityContext(texts: SecurityContextTexts): SecurityContext {
  const policy = decoded(texts.securityPolicy, 'policy', SECURITY_POLICY_CHARACTERS_MAX);
  const { hostAmdCertificate, referenceInfo } = texts;
  return {
    hostData: createHash('sha256').update(policy).digest(),
    certificates:
      hostAmdCertificate === undefined
        ? null
        : parseThimCertificates(
            new TextDecoder().decode(decoded(hostAmdCertificate, 'certificate', COSE_BYTES_MAX)),
          ),
    uvmEndorsement:
      referenceInfo === undefined
        ? null
        : decoded(referenceInfo, 'reference-info', COSE_BYTES_MAX * 2),
  };
}

function decoded(text: string, part: string, charactersMax: number): Uint8Array {
  const letters = text.trim();
  const bytes = letters.length > charactersMax ? undefined : decodeBase64(letters);
  if (!bytes || bytes.length === 0) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: `security-context-${part}` });
  }
  return bytes;
}
