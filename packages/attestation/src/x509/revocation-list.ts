import { StrongroomError } from '@strongroom/protocol/errors';
import { type DistinguishedName, readExtensions, readName, sameBytes } from './certificate.ts';
import { contextTag, DerError, DerReader, readBits, readTime, TAGS } from './der.ts';

/** One certificate revocation list (RFC 5280 §5), version 2, read strictly. */
export interface RevocationList {
  /** The signed bytes. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier with its tag, equal inside and outside of the signed part. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly issuer: DistinguishedName;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers as the content of their INTEGERs. */
  readonly revoked: readonly Uint8Array[];
}

/** @throws ERR_CERTIFICATE_CHAIN with `check: crl-form` when the bytes are not exactly one list */
export function parseRevocationList(bytes: Uint8Array): RevocationList {
  try {
    const outer = new DerReader(bytes);
    const list = outer.inside(TAGS.sequence, readList);
    outer.end();
    return list;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new StrongroomError('ERR_CERTIFICATE_CHAIN', {
      check: 'crl-form',
      problem: error.message,
    });
  }
}

/** CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue BIT STRING } */
function readList(outer: DerReader): RevocationList {
  return outer.inside(TAGS.sequence, (tbs, tbsValue) => {
    const fields = readTbs(tbs);
    const signatureAlgorithm = outer.next(TAGS.sequence).raw;
    if (!sameBytes(signatureAlgorithm, fields.signatureAlgorithm)) {
      throw new DerError('two signature algorithms');
    }
    return { tbs: tbsValue.raw, signature: readBits(outer.next(TAGS.bitString)), ...fields };
  });
}

/**
 * TBSCertList ::= SEQUENCE { version 2, signature, issuer, thisUpdate, nextUpdate,
 * revokedCertificates OPTIONAL, [0] crlExtensions }. A list without nextUpdate never ends and one
 * of version 1 has no extensions: both are refused, as RFC 5280 §5.1 forbids to issue them.
 */
function readTbs(tbs: DerReader): Omit<RevocationList, 'tbs' | 'signature'> {
  const version = tbs.next(TAGS.integer).content;
  if (version.length !== 1 || version[0] !== 1) throw new DerError('list version is not 2');
  const signatureAlgorithm = tbs.next(TAGS.sequence).raw;
  const issuer = readName(tbs);
  const thisUpdate = readTime(tbs.optional(TAGS.utcTime) ?? tbs.next(TAGS.generalizedTime));
  const nextUpdate = readTime(tbs.optional(TAGS.utcTime) ?? tbs.next(TAGS.generalizedTime));
  const revoked = tbs.peek() === TAGS.sequence ? tbs.inside(TAGS.sequence, readRevoked) : [];
  tbs.inside(contextTag(0), (inner) => inner.inside(TAGS.sequence, refuseCritical));
  return { signatureAlgorithm, issuer, thisUpdate, nextUpdate, revoked };
}

/** Whatever the reason and the date, such as a hold: who is on the list is revoked. */
function readRevoked(list: DerReader): Uint8Array[] {
  const serials: Uint8Array[] = [];
  while (!list.done) {
    list.inside(TAGS.sequence, (entry) => {
      serials.push(entry.next(TAGS.integer).content);
      readTime(entry.optional(TAGS.utcTime) ?? entry.next(TAGS.generalizedTime));
      if (!entry.done) entry.inside(TAGS.sequence, refuseCritical);
    });
  }
  return serials;
}

/** An indirect or partial list says so in a critical extension (RFC 5280 §5.2.4 to §5.3.3). */
function refuseCritical(extensions: DerReader): void {
  for (const [type, { critical }] of readExtensions(extensions)) {
    if (critical) throw new DerError(`critical extension ${type}`);
  }
}
