import { constants, type KeyObject, verify } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type DecodeOptions, decode, encode } from 'cborg';

/** COSE_Sign1 (RFC 9052 §4.2): strict CBOR, PS384, nothing detached. */
export interface CoseSign1 {
  /** Signed headers by label; what is not signed is not read. */
  readonly headers: ReadonlyMap<unknown, unknown>;
  readonly payload: Uint8Array;
  /** Sig_structure: what the signature covers. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Real endorsements take 6 to 11 KB. */
export const COSE_BYTES_MAX = 65_536;
/** CBOR tag 18 in its one byte. */
const TAG_SIGN1 = 0xd2;
const ALGORITHM = 1;
/** RFC 8230: RSASSA-PSS with SHA-384; the salt is as long as the hash. */
const PS384 = -38;

/** Shortest lengths only, no member twice, nothing of open length, no floats that are no number. */
const STRICT: DecodeOptions = {
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  // Tag 1: seconds since 1970.
  tags: { 1: (inner) => inner() },
};

/** @throws ERR_UVM_ENDORSEMENT with `check`: cose-length, cbor, cose-form, crit */
export function parseCoseSign1(bytes: Uint8Array): CoseSign1 {
  if (bytes.length > COSE_BYTES_MAX) throw refusal('cose-length');
  const message = decodeStrict(bytes[0] === TAG_SIGN1 ? bytes.subarray(1) : bytes);
  if (!Array.isArray(message) || message.length !== 4) throw refusal('cose-form');
  const [protectedBytes, unprotected, payload, signature]: readonly unknown[] = message;
  if (
    !(protectedBytes instanceof Uint8Array) ||
    !(unprotected instanceof Map) ||
    !(payload instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  ) {
    throw refusal('cose-form');
  }
  const headers: unknown = decodeStrict(protectedBytes);
  if (!(headers instanceof Map)) throw refusal('cose-form');
  // RFC 9052 §3.1: a header that says it must be understood is not.
  if (headers.has(2) || unprotected.has(2)) throw refusal('crit');
  const external = new Uint8Array(0);
  const signed = encode(['Signature1', protectedBytes, external, payload]);
  return { headers, payload, signed, signature };
}

/** @throws ERR_UVM_ENDORSEMENT with `check`: algorithm, signature */
export function checkCoseSignature(message: CoseSign1, publicKey: KeyObject): void {
  if (message.headers.get(ALGORITHM) !== PS384) throw refusal('algorithm');
  const key = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
  if (publicKey.asymmetricKeyType !== 'rsa') throw refusal('algorithm');
  if (!verify('sha384', message.signed, key, message.signature)) throw refusal('signature');
}

function decodeStrict(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, STRICT);
  } catch {
    // Also a nesting that is deeper than the stack.
    throw refusal('cbor');
  }
}

function refusal(check: string): StrongroomError {
  return new StrongroomError('ERR_UVM_ENDORSEMENT', { check });
}
