import { constants, type KeyObject, sign } from 'node:crypto';
import type { CertificateExtension, DistinguishedName } from './certificate.ts';
import { contextTag, TAGS } from './der.ts';
import { bitString, der, integer, latin, oid, sequence, time } from './write-der.ts';

/** What a certificate says; the simulated platform and the attestation service's own key use it. */
export interface CertificateFacts {
  /** Big-endian; the serial number of an endorsement key's certificate is 0. */
  readonly serial: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: Uint8Array;
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
};

const SHA384 = sequence(oid('2.16.840.1.101.3.4.2.2'), der(TAGS.null));
const PSS_FIELDS = [
  der(contextTag(0), SHA384),
  der(contextTag(1), sequence(oid('1.2.840.113549.1.1.8'), SHA384)),
  der(contextTag(2), integer(Uint8Array.of(48))),
];
const TRAILER = der(contextTag(3), integer(Uint8Array.of(1)));
const PSS_OID = oid('1.2.840.113549.1.1.10');

/**
 * RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes (RFC 4055), in both spellings that
 * occur in AMD's certificates: with the default trailer field written out, and without.
 */
export const PSS_SHA384 = sequence(PSS_OID, sequence(...PSS_FIELDS));
export const PSS_SHA384_WITH_TRAILER = sequence(PSS_OID, sequence(...PSS_FIELDS, TRAILER));
export const PSS_SALT_BYTES = 48;
/** PKCS #1 v1.5 with SHA-256: what Azure Attestation's own signing certificates use. */
export const RSA_SHA256 = sequence(oid('1.2.840.113549.1.1.11'), der(TAGS.null));

/** @returns DER, signed with RSASSA-PSS and SHA-384 */
export function writePssCertificate(
  facts: CertificateFacts,
  issuerKey: KeyObject,
  algorithm = PSS_SHA384_WITH_TRAILER,
): Uint8Array {
  const tbs = writeTbs(facts, algorithm);
  const signature = sign('sha384', tbs, {
    key: issuerKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: PSS_SALT_BYTES,
  });
  return sequence(tbs, algorithm, bitString(signature));
}

/** @returns DER, signed with RSASSA-PKCS1-v1_5 and SHA-256 */
export function writeRsaCertificate(facts: CertificateFacts, issuerKey: KeyObject): Uint8Array {
  const tbs = writeTbs(facts, RSA_SHA256);
  return sequence(tbs, RSA_SHA256, bitString(sign('sha256', tbs, issuerKey)));
}

function writeTbs(facts: CertificateFacts, algorithm: Uint8Array): Uint8Array {
  return sequence(
    der(contextTag(0), integer(Uint8Array.of(2))),
    integer(facts.serial),
    algorithm,
    writeName(facts.issuer),
    sequence(time(facts.notBefore), time(facts.notAfter)),
    writeName(facts.subject),
    facts.spki,
    der(contextTag(3), sequence(...[...facts.extensions].map(writeExtension))),
  );
}

export function writeName(name: DistinguishedName): Uint8Array {
  const parts = name.map(([attribute, value]) => {
    // AMD writes the country as PrintableString and everything else as UTF8String.
    const tag = attribute === 'C' ? TAGS.printableString : TAGS.utf8String;
    const text = der(tag, new TextEncoder().encode(value));
    return der(TAGS.set, sequence(oid(ATTRIBUTES[attribute] ?? attribute), text));
  });
  return sequence(...parts);
}

export function writeExtension([type, extension]: [string, CertificateExtension]): Uint8Array {
  const critical = extension.critical ? [der(TAGS.boolean, Uint8Array.of(0xff))] : [];
  return sequence(oid(type), ...critical, der(TAGS.octetString, extension.value));
}

/** Basic constraints and key usage of a certificate authority (RFC 5280 §4.2.1.9, §4.2.1.3). */
export function authorityExtensions(
  usage: number,
  pathLength?: number,
): [string, CertificateExtension][] {
  const length = pathLength === undefined ? [] : [integer(Uint8Array.of(pathLength))];
  const constraints = sequence(der(TAGS.boolean, Uint8Array.of(0xff)), ...length);
  const unusedBits = Math.clz32(usage & -usage) === 32 ? 0 : 31 - Math.clz32(usage & -usage);
  const bits = der(TAGS.bitString, Uint8Array.of(unusedBits, usage));
  return [
    [BASIC_CONSTRAINTS, { critical: true, value: constraints }],
    [KEY_USAGE, { critical: true, value: bits }],
  ];
}

export const BASIC_CONSTRAINTS = '2.5.29.19';
export const KEY_USAGE = '2.5.29.15';
/** First byte of the KeyUsage bit string: keyCertSign is bit 5, cRLSign bit 6. */
export const KEY_CERT_SIGN = 0x04;
export const CRL_SIGN = 0x02;

export function ia5(text: string): Uint8Array {
  return der(TAGS.ia5String, latin(text));
}
