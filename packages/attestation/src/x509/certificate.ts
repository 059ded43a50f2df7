import { createPublicKey, type KeyObject } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  contextTag,
  DerError,
  DerReader,
  type DerValue,
  readBits,
  readOid,
  readTime,
  TAGS,
} from './der.ts';

/** One X.509 certificate (RFC 5280), read once, strictly; every later check uses this reading. */
export interface Certificate {
  readonly raw: Uint8Array;
  /** The signed bytes. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier with its tag, equal inside and outside of the signed part. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly serial: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
}

export interface CertificateExtension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Attributes in the order of the certificate, one in each RDN: `[['OU', 'Engineering'], …]`. */
export type DistinguishedName = readonly (readonly [attribute: string, value: string])[];

const ATTRIBUTES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
};

/** @throws ERR_CERTIFICATE_CHAIN when the bytes are not exactly one version 3 certificate */
export function parseCertificate(bytes: Uint8Array): Certificate {
  try {
    const outer = new DerReader(bytes);
    const certificate = outer.inside(TAGS.sequence, (inner) => readCertificate(inner, bytes));
    outer.end();
    return certificate;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new StrongroomError('ERR_CERTIFICATE_CHAIN', {
      check: 'certificate-form',
      problem: error.message,
    });
  }
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING } */
function readCertificate(outer: DerReader, raw: Uint8Array): Certificate {
  return outer.inside(TAGS.sequence, (tbs, tbsValue) => {
    const fields = readTbs(tbs);
    const signatureAlgorithm = outer.next(TAGS.sequence).raw;
    if (!sameBytes(signatureAlgorithm, fields.signatureAlgorithm)) {
      throw new DerError('two signature algorithms');
    }
    const signature = readBits(outer.next(TAGS.bitString));
    return { raw, tbs: tbsValue.raw, signature, ...fields };
  });
}

/**
 * TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject,
 * subjectPublicKeyInfo, [3] extensions }. The unique identifiers [1] and [2] are refused.
 */
function readTbs(tbs: DerReader): Omit<Certificate, 'raw' | 'tbs' | 'signature'> {
  const version = tbs.inside(contextTag(0), (inner) => inner.next(TAGS.integer).content);
  if (version.length !== 1 || version[0] !== 2) throw new DerError('certificate version is not 3');
  const serial = tbs.next(TAGS.integer).content;
  const signatureAlgorithm = tbs.next(TAGS.sequence).raw;
  const issuer = readName(tbs);
  const { notBefore, notAfter } = tbs.inside(TAGS.sequence, (validity) => ({
    notBefore: readTime(validity.optional(TAGS.utcTime) ?? validity.next(TAGS.generalizedTime)),
    notAfter: readTime(validity.optional(TAGS.utcTime) ?? validity.next(TAGS.generalizedTime)),
  }));
  const subject = readName(tbs);
  const spki = tbs.next(TAGS.sequence).raw;
  const extensions = tbs.inside(contextTag(3), (inner) =>
    inner.inside(TAGS.sequence, readExtensions),
  );
  return { serial, signatureAlgorithm, issuer, notBefore, notAfter, subject, spki, extensions };
}

export function readName(from: DerReader): DistinguishedName {
  return from.inside(TAGS.sequence, (name) => {
    const parts: [string, string][] = [];
    while (!name.done) {
      parts.push(name.inside(TAGS.set, (rdn) => rdn.inside(TAGS.sequence, readAttribute)));
    }
    return parts;
  });
}

function readAttribute(attribute: DerReader): [string, string] {
  const type = readOid(attribute.next(TAGS.oid));
  const value =
    attribute.optional(TAGS.utf8String) ??
    attribute.optional(TAGS.ia5String) ??
    attribute.next(TAGS.printableString);
  return [ATTRIBUTES[type] ?? type, readText(value)];
}

function readText(value: DerValue): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value.content);
  } catch {
    throw new DerError('text is not UTF-8');
  }
}

export function readExtensions(list: DerReader): Map<string, CertificateExtension> {
  const extensions = new Map<string, CertificateExtension>();
  while (!list.done) {
    list.inside(TAGS.sequence, (extension) => {
      const type = readOid(extension.next(TAGS.oid));
      const critical = extension.optional(TAGS.boolean);
      // DER writes no default: a critical flag that is there is TRUE (X.690 §11.1, §11.5).
      if (critical && !sameBytes(critical.content, Uint8Array.of(0xff))) {
        throw new DerError('critical flag is not TRUE');
      }
      const value = extension.next(TAGS.octetString).content;
      if (extensions.has(type)) throw new DerError('extension occurs twice');
      extensions.set(type, { critical: critical !== undefined, value });
    });
  }
  return extensions;
}

/** @throws ERR_CERTIFICATE_CHAIN when the key cannot be read */
export function publicKeyOf(certificate: Certificate): KeyObject {
  try {
    const key = Buffer.from(certificate.spki);
    return createPublicKey({ key, format: 'der', type: 'spki' });
  } catch {
    throw new StrongroomError('ERR_CERTIFICATE_CHAIN', { check: 'public-key' });
  }
}

export function commonNameOf(name: DistinguishedName): string | undefined {
  return name.find(([attribute]) => attribute === 'CN')?.[1];
}

export function sameName(left: DistinguishedName, right: DistinguishedName): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
