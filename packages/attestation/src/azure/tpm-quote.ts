import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PCR_COUNT } from '@strongroom/protocol/limits';
import { sameBytes } from '../x509/certificate.ts';

/**
 * TPM2_Quote (TCG TPM 2.0 Library, Part 2): TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE, big-endian.
 * What a quote says is worth as much as the key that signed it: see `vm-evidence.ts`.
 */
export interface TpmQuote {
  /** extraData: what the challenger gave. */
  readonly nonce: Uint8Array;
  /** Indices of the selected PCRs of the SHA-256 bank, ascending. */
  readonly selection: readonly number[];
  /** SHA-256 over the selected PCRs in ascending order. */
  readonly pcrDigest: Uint8Array;
}

const MAGIC = 0xff544347;
const TYPE_QUOTE = 0x8018;
const ALGORITHM_SHA256 = 0x000b;
/** clockInfo (clock u64, resetCount u32, restartCount u32, safe u8) and firmwareVersion u64. */
const CLOCK_AND_FIRMWARE_BYTES = 17 + 8;
const SELECTION_BYTES = 3;
const PCR_BYTES = 32;
export const ALL_PCRS = Array.from({ length: PCR_COUNT }, (_, index) => index);
/** Names of keys and extraData are hashes with an algorithm at most. */
const SIZED_BYTES_MAX = 68;

/** @throws ERR_EVIDENCE_MALFORMED with `check: tpm-…` */
export function parseTpmQuote(message: Uint8Array): TpmQuote {
  const reader = new BigEndianReader(message);
  if (reader.unsigned(4) !== MAGIC) throw malformed('tpm-magic');
  if (reader.unsigned(2) !== TYPE_QUOTE) throw malformed('tpm-type');
  reader.sized();
  const nonce = reader.sized();
  reader.take(CLOCK_AND_FIRMWARE_BYTES);
  // More than one bank would leave open which of them the digest covers.
  if (reader.unsigned(4) !== 1) throw malformed('tpm-selection');
  if (reader.unsigned(2) !== ALGORITHM_SHA256) throw malformed('tpm-bank');
  if (reader.unsigned(1) !== SELECTION_BYTES) throw malformed('tpm-selection');
  const selection = indicesOf(reader.take(SELECTION_BYTES));
  const pcrDigest = reader.sized();
  if (pcrDigest.length !== PCR_BYTES) throw malformed('tpm-digest');
  reader.end();
  return { nonce, selection, pcrDigest };
}

/** PCR n is bit n mod 8 of byte n div 8. */
function indicesOf(bitmap: Uint8Array): number[] {
  return ALL_PCRS.filter((index) => ((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1);
}

export interface TpmQuoteDemand {
  /** The attestation key that the report binds: base64url of modulus and exponent. */
  readonly attestationKey: { readonly n: string; readonly e: string };
  /** Exactly these PCRs: a quote over fewer would cover nothing of the rest. */
  readonly selection: readonly number[];
  /** Values of the selected PCRs in ascending order, 32 bytes each. */
  readonly pcrs: readonly Uint8Array[];
}

/**
 * Is the quote genuine? What its nonce answers is for the caller to compare.
 * @param signature RSASSA-PKCS1-v1_5 with SHA-256
 * @throws ERR_EVIDENCE_MALFORMED, ERR_VTPM_EVIDENCE with `check`: signature, selection, pcrs
 */
export function verifyTpmQuote(
  message: Uint8Array,
  signature: Uint8Array,
  demand: TpmQuoteDemand,
): TpmQuote {
  const quote = parseTpmQuote(message);
  const publicKey = rsaKeyOf(demand.attestationKey);
  const key = { key: publicKey, padding: constants.RSA_PKCS1_PADDING };
  if (!verify('sha256', message, key, signature)) throw refusal('signature');
  if (quote.selection.join() !== demand.selection.toSorted((a, b) => a - b).join()) {
    throw refusal('selection');
  }
  const digest = createHash('sha256');
  for (const pcr of demand.pcrs) digest.update(pcr);
  const whole =
    demand.pcrs.length === quote.selection.length &&
    demand.pcrs.every((pcr) => pcr.length === PCR_BYTES);
  if (!whole || !sameBytes(digest.digest(), quote.pcrDigest)) throw refusal('pcrs');
  return quote;
}

/** Azure's attestation keys are RSA-2048. */
function rsaKeyOf({ n, e }: { readonly n: string; readonly e: string }): KeyObject {
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
  } catch {
    throw refusal('attestation-key');
  }
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < 2_048 || bits > 4_096) throw refusal('attestation-key');
  return publicKey;
}

/**
 * The signature in the forms in which it travels: bare, or as TPMT_SIGNATURE {algorithm u16 RSASSA,
 * hash u16 SHA-256, size u16, signature}.
 */
export function bareSignature(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isWrapped =
    bytes.length > 6 && view.getUint32(0) === 0x0014_000b && view.getUint16(4) === bytes.length - 6;
  return isWrapped ? bytes.slice(6) : bytes;
}

class BigEndianReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('tpm-length');
    const taken = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return taken;
  }

  unsigned(length: 1 | 2 | 4): number {
    return this.take(length).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** TPM2B: a length of 16 bits, then so many bytes. */
  sized(): Uint8Array {
    const length = this.unsigned(2);
    if (length > SIZED_BYTES_MAX) throw malformed('tpm-length');
    return this.take(length);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed('tpm-length');
  }
}

function refusal(check: string): StrongroomError {
  return new StrongroomError('ERR_VTPM_EVIDENCE', { check });
}

function malformed(check: string): StrongroomError {
  return new StrongroomError('ERR_EVIDENCE_MALFORMED', { check });
}
