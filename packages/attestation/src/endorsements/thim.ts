import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import { decodeHex } from '../strict-text.ts';
import { parsePemCertificates } from '../x509/pem.ts';

/**
 * The answer of Azure's certificate cache (THIM, Trusted Hardware Identity Management), which a VM
 * asks at a link-local address and a container finds in `host-amd-cert-base64`.
 */
export interface ThimCertificates {
  /** DER. */
  readonly leaf: Uint8Array;
  /** ASK and ARK. */
  readonly authorities: readonly Uint8Array[];
  /** TCB_VERSION as the report's bytes have it; null where the answer names none. */
  readonly tcb: Uint8Array | null;
}

export const THIM_CHARACTERS_MAX = 65_536;

const AnswerSchema = z.looseObject({
  vcekCert: z.string(),
  certificateChain: z.string(),
  tcbm: z.exactOptional(z.string()),
});

/** @throws ERR_ENDORSEMENT_UNAVAILABLE with `check: thim-…`, ERR_EVIDENCE_MALFORMED for its PEM */
export function parseThimCertificates(text: string): ThimCertificates {
  const answer = AnswerSchema.safeParse(parseJson(text));
  if (!answer.success) throw refusal('thim-form');
  const { vcekCert, certificateChain, tcbm } = answer.data;
  const [leaf, ...more] = parsePemCertificates(vcekCert);
  if (!leaf || more.length > 0) throw refusal('thim-leaf');
  return {
    leaf,
    authorities: parsePemCertificates(certificateChain),
    tcb: tcbm === undefined ? null : readTcb(tcbm),
  };
}

/** A u64 in hexadecimal, most significant digits first: the report's bytes turned around. */
function readTcb(digits: string): Uint8Array {
  const bytes = digits.length === 16 ? decodeHex(digits) : undefined;
  if (!bytes) throw refusal('thim-tcb');
  return bytes.reverse();
}

function parseJson(text: string): unknown {
  if (text.length > THIM_CHARACTERS_MAX) throw refusal('thim-length');
  try {
    return JSON.parse(text);
  } catch {
    throw refusal('thim-json');
  }
}

function refusal(check: string): StrongroomError {
  return new StrongroomError('ERR_ENDORSEMENT_UNAVAILABLE', { check });
}
