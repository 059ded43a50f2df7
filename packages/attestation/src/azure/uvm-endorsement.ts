import { StrongroomError } from '@strongroom/protocol/errors';
import { repeatedMember } from '../release-policy/repeated-member.ts';
import { publicKeyOf, sameBytes } from '../x509/certificate.ts';
import { type CoseSign1, checkCoseSignature, parseCoseSign1 } from './cose-sign1.ts';
import { resolveDidX509 } from './did-x509.ts';

/**
 * Microsoft's signed statement that a launch measurement is that of its utility VM (UVM), the Linux
 * below Azure's confidential containers. Without it a measurement names code that nobody vouches
 * for; HOST_DATA only says which containers that code was told to start.
 */
export interface UvmDemand {
  /** did:x509 of who may endorse. */
  readonly issuer: string;
  /** Any feed of the issuer unless it is named. */
  readonly feed?: string;
  readonly minimumSvn?: number;
  /** 48 bytes: MEASUREMENT of the report. */
  readonly measurement: Uint8Array;
}

export interface UvmEndorsement {
  readonly issuer: string;
  readonly feed: string;
  readonly svn: number;
  readonly measurement: Uint8Array;
  /** Milliseconds since 1970, as the signer says. */
  readonly signedAt: number;
}

/** Who endorses the utility VMs of Azure Container Instances and AKS; seen in every real one. */
export const MICROSOFT_UVM_ISSUER =
  'did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2';
export const CONFIDENTIAL_ACI_FEED = 'ContainerPlat-AMD-UVM';

const MEASUREMENT_BYTES = 48;

/**
 * @throws ERR_UVM_ENDORSEMENT with `check`: cbor, cose-…, crit, headers, payload, issuer, feed,
 * did, chain-…, eku, algorithm, signature, svn, measurement
 */
export function verifyUvmEndorsement(bytes: Uint8Array, demand: UvmDemand): UvmEndorsement {
  const message = parseCoseSign1(bytes);
  const claims = readClaims(message);
  // Names first: they cost nothing, and a stranger's chain is not worth five signatures.
  if (claims.issuer !== demand.issuer) throw refusal('issuer');
  if (claims.feed !== (demand.feed ?? claims.feed)) throw refusal('feed');
  const leaf = resolveDidX509(claims.issuer, readChain(message), claims.signedAt);
  checkCoseSignature(message, publicKeyOf(leaf));
  if (claims.svn < (demand.minimumSvn ?? 0)) throw refusal('svn');
  if (!sameBytes(claims.measurement, demand.measurement)) throw refusal('measurement');
  return claims;
}

/** Labels of RFC 9052, RFC 9360, RFC 9597 and the hash envelope (258, 259). */
const CONTENT_TYPE = 3;
const CWT_CLAIMS = 15;
const X5CHAIN = 33;
const PAYLOAD_HASH_ALGORITHM = 258;
/** IANA COSE Algorithms: SHA-384. */
const SHA384 = -43;

/** The form says which: claims of RFC 9597 since version 0.2.10, bare names before. */
function readClaims(message: CoseSign1): UvmEndorsement {
  const { headers } = message;
  if (headers.has(CWT_CLAIMS) === headers.has('iss')) throw refusal('headers');
  return headers.has(CWT_CLAIMS) ? readHashEnvelope(message) : readLegacy(message);
}

/** The payload is the measurement itself, which the header calls a SHA-384. */
function readHashEnvelope({ headers, payload }: CoseSign1): UvmEndorsement {
  const claims = headers.get(CWT_CLAIMS);
  if (!(claims instanceof Map)) throw refusal('headers');
  if (headers.get(PAYLOAD_HASH_ALGORITHM) !== SHA384) throw refusal('payload');
  if (payload.length !== MEASUREMENT_BYTES) throw refusal('payload');
  return {
    ...namesOf(claims.get(1), claims.get(2), claims.get(6)),
    svn: numberOf(claims.get('svn')),
    measurement: payload.slice(),
  };
}

function readLegacy({ headers, payload }: CoseSign1): UvmEndorsement {
  if (headers.get(CONTENT_TYPE) !== 'application/json') throw refusal('payload');
  const members = readJson(payload);
  const measurement = members['x-ms-sevsnpvm-launchmeasurement'];
  const svn = members['x-ms-sevsnpvm-guestsvn'];
  if (typeof measurement !== 'string' || !/^[0-9a-f]{96}$/.test(measurement)) {
    throw refusal('payload');
  }
  if (typeof svn !== 'string' || !/^(0|[1-9]\d{0,9})$/.test(svn)) throw refusal('payload');
  return {
    ...namesOf(headers.get('iss'), headers.get('feed'), headers.get('signingtime')),
    svn: numberOf(Number(svn)),
    measurement: new Uint8Array(Buffer.from(measurement, 'hex')),
  };
}

function namesOf(issuer: unknown, feed: unknown, signedAt: unknown) {
  if (typeof issuer !== 'string' || typeof feed !== 'string') throw refusal('headers');
  return { issuer, feed, signedAt: numberOf(signedAt) * 1_000 };
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw refusal('headers');
  }
  return value;
}

function readJson(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    value = JSON.parse(text);
    if (repeatedMember(text) !== undefined) throw new SyntaxError('repeated member');
  } catch {
    throw refusal('payload');
  }
  if (typeof value !== 'object' || value === null) throw refusal('payload');
  return { ...value };
}

function readChain({ headers }: CoseSign1): Uint8Array[] {
  const chain: unknown = headers.get(X5CHAIN);
  if (!Array.isArray(chain)) throw refusal('headers');
  return chain.map((each: unknown) => {
    if (!(each instanceof Uint8Array)) throw refusal('headers');
    return each.slice();
  });
}

function refusal(check: string): StrongroomError {
  return new StrongroomError('ERR_UVM_ENDORSEMENT', { check });
}
