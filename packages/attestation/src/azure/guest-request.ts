import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  CERTIFICATE_CHAIN_CHARACTERS_MAX,
  PCR_COUNT,
  RUNTIME_CLAIMS_BYTES_MAX,
} from '@strongroom/protocol/limits';
import { z } from 'zod';
import { repeatedMember } from '../release-policy/repeated-member.ts';
import type { AzureVmEvidence } from './vm-evidence.ts';

/**
 * The body of our `POST /attest/AzureGuest`. Azure's own body is `attestationInfo` too, but what is
 * inside of it is a conversation with its client library (TCG log, a key certified by the TPM, an
 * encrypted answer). This is the part of it that evidence needs: services/attestation/README.md
 * says what a client of Azure cannot do here.
 */
export interface GuestRequest {
  readonly evidence: AzureVmEvidence;
  /** PEM: VCEK, then ASK and ARK. */
  readonly certificateChain: string;
  /**
   * What the quote's extraData is about: runtime data, whose hash it is (`reportDataOf`), or a
   * challenge of at most 64 bytes, which it repeats.
   */
  readonly bound:
    | { readonly runtimeData: Uint8Array; readonly dataType: 'JSON' | 'Binary' }
    | { readonly challenge: Uint8Array };
  /** Echoed in the token. */
  readonly nonce?: string;
}

/** extraData of a quote holds no more (TPM2B_DATA). */
const CHALLENGE_BYTES_MAX = 64;
const NONCE_CHARACTERS_MAX = 256;

const bytes = z.string().transform((text, context) => {
  const decoded = decodeBase64url(text);
  if (decoded) return decoded;
  context.addIssue({ code: 'custom', message: 'base64url was expected' });
  return z.NEVER;
});

const sized = (min: number, max: number) =>
  bytes.refine(({ length }) => length >= min && length <= max, 'another length was expected');

const BodySchema = z.strictObject({
  /** base64url of the JSON below. */
  attestationInfo: bytes,
  runtimeData: z.exactOptional(
    z.strictObject({
      data: sized(0, RUNTIME_CLAIMS_BYTES_MAX),
      dataType: z.enum(['JSON', 'Binary']),
    }),
  ),
  challenge: z.exactOptional(sized(1, CHALLENGE_BYTES_MAX)),
  /** Azure's clients write a number now and then. */
  nonce: z.exactOptional(z.union([z.string().max(NONCE_CHARACTERS_MAX), z.int()])),
});

const InfoSchema = z.strictObject({
  hclReport: bytes,
  vcekCertChain: sized(0, CERTIFICATE_CHAIN_CHARACTERS_MAX),
  quote: z.strictObject({ message: bytes, signature: bytes }),
  pcrs: z.array(sized(32, 32)).length(PCR_COUNT),
  aikCertificate: z.exactOptional(bytes),
});

/** @throws ERR_EVIDENCE_MALFORMED with the first place that is wrong */
export function parseGuestRequest(body: unknown): GuestRequest {
  const request = parse(BodySchema, body, 'body');
  const info = parse(InfoSchema, parseJson(request.attestationInfo), 'attestationInfo');
  const { vcekCertChain, ...evidence } = info;
  return {
    evidence,
    certificateChain: new TextDecoder().decode(vcekCertChain),
    bound: boundOf(request),
    ...(request.nonce === undefined ? {} : { nonce: String(request.nonce) }),
  };
}

/** Exactly one: with both, or none, nobody could say what the quote stands for. */
function boundOf({ runtimeData, challenge }: z.infer<typeof BodySchema>): GuestRequest['bound'] {
  if (runtimeData && !challenge) {
    return { runtimeData: runtimeData.data, dataType: runtimeData.dataType };
  }
  if (challenge && !runtimeData) return { challenge };
  throw malformed('body.runtimeData');
}

/** The body that a worker sends; `parseGuestRequest` gives the same evidence back. */
export function writeGuestRequest({ evidence, certificateChain, bound, nonce }: GuestRequest) {
  const text = (value: string) => encodeBase64url(new TextEncoder().encode(value));
  const info = {
    hclReport: encodeBase64url(evidence.hclReport),
    vcekCertChain: text(certificateChain),
    quote: {
      message: encodeBase64url(evidence.quote.message),
      signature: encodeBase64url(evidence.quote.signature),
    },
    pcrs: evidence.pcrs.map(encodeBase64url),
    ...(evidence.aikCertificate
      ? { aikCertificate: encodeBase64url(evidence.aikCertificate) }
      : {}),
  };
  return {
    attestationInfo: text(JSON.stringify(info)),
    ...('challenge' in bound
      ? { challenge: encodeBase64url(bound.challenge) }
      : { runtimeData: { data: encodeBase64url(bound.runtimeData), dataType: bound.dataType } }),
    ...(nonce === undefined ? {} : { nonce }),
  };
}

function parseJson(encoded: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(encoded);
    const value: unknown = JSON.parse(text);
    if (repeatedMember(text) === undefined) return value;
  } catch {
    throw malformed('attestationInfo');
  }
  throw malformed('repeated-member');
}

function parse<S extends z.ZodType>(shape: S, value: unknown, place: string): z.infer<S> {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join('.') ?? '';
  throw malformed(path ? `${place}.${path}` : place);
}

function malformed(check: string): StrongroomError {
  return new StrongroomError('ERR_EVIDENCE_MALFORMED', { check });
}
