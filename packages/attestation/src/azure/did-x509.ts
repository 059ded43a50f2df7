import { createHash, verify } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type Certificate,
  parseCertificate,
  publicKeyOf,
  sameBytes,
  sameName,
} from '../x509/certificate.ts';
import { DerError, DerReader, readOid, TAGS } from '../x509/der.ts';
import { BASIC_CONSTRAINTS } from '../x509/write-certificate.ts';

/**
 * did:x509:0:sha256:<fingerprint of an authority>::eku:<usage of the leaf>: a name for "whoever
 * this authority certified for this purpose" (the did:x509 method, version 0). Of its predicates
 * only `eku` is known here.
 */
const DID = /^did:x509:0:sha256:([A-Za-z0-9_-]{43})::eku:([0-9]+(?:\.[0-9]+)+)$/;
const EXTENDED_KEY_USAGE = '2.5.29.37';
/** sha384WithRSAEncryption with NULL parameters (RFC 4055 §5): what Microsoft's authorities use. */
const SHA384_WITH_RSA = Buffer.from('300d06092a864886f70d01010c0500', 'hex');
const CHAIN_MIN = 2;
const CHAIN_MAX = 5;

/**
 * Resolves the name against a chain: leaf first, each signed by the next, one authority with that
 * fingerprint. Validity is judged at `at`, because such leaves live a year and what they signed
 * does not.
 * @param at milliseconds since 1970, the time of signing
 * @returns the leaf
 * @throws ERR_UVM_ENDORSEMENT with `check`: did, chain-…, eku
 */
export function resolveDidX509(did: string, chain: readonly Uint8Array[], at: number): Certificate {
  const [, fingerprint, usage] = DID.exec(did) ?? [];
  if (fingerprint === undefined || usage === undefined) throw refusal('did');
  if (chain.length < CHAIN_MIN || chain.length > CHAIN_MAX) throw refusal('chain-length');
  const anchored = chain
    .slice(1)
    .some((each) => createHash('sha256').update(each).digest('base64url') === fingerprint);
  if (!anchored) throw refusal('chain-fingerprint');
  const certificates = chain.map(readCertificate);
  for (const [index, certificate] of certificates.entries()) {
    checkLink(certificate, certificates[index + 1], at);
  }
  const [leaf] = certificates;
  if (!leaf || !usagesOf(leaf).includes(usage)) throw refusal('eku');
  return leaf;
}

function readCertificate(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof StrongroomError) throw refusal('chain-form');
    throw error;
  }
}

/** The last one has to sign itself: an end that nobody signed would prove nothing. */
function checkLink(certificate: Certificate, next: Certificate | undefined, at: number): void {
  const issuer = next ?? certificate;
  if (at < certificate.notBefore || at > certificate.notAfter) throw refusal('chain-validity');
  if (!sameName(certificate.issuer, issuer.subject)) throw refusal('chain-names');
  if (!isAuthority(issuer)) throw refusal('chain-authority');
  if (!sameBytes(certificate.signatureAlgorithm, SHA384_WITH_RSA)) {
    throw refusal('chain-algorithm');
  }
  const issuerKey = publicKeyOf(issuer);
  if (issuerKey.asymmetricKeyType !== 'rsa') throw refusal('chain-algorithm');
  if (!verify('sha384', certificate.tbs, issuerKey, certificate.signature)) {
    throw refusal('chain-signature');
  }
}

/** BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, … } */
function isAuthority(certificate: Certificate): boolean {
  const value = certificate.extensions.get(BASIC_CONSTRAINTS)?.value;
  if (!value) return false;
  try {
    const flag = new DerReader(new DerReader(value).next(TAGS.sequence).content).next(TAGS.boolean);
    return sameBytes(flag.content, Uint8Array.of(0xff));
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

/** ExtKeyUsageSyntax ::= SEQUENCE OF OBJECT IDENTIFIER */
function usagesOf(certificate: Certificate): string[] {
  const value = certificate.extensions.get(EXTENDED_KEY_USAGE)?.value;
  if (!value) return [];
  try {
    const list = new DerReader(new DerReader(value).next(TAGS.sequence).content);
    const usages: string[] = [];
    while (!list.done) usages.push(readOid(list.next(TAGS.oid)));
    return usages;
  } catch (error) {
    if (error instanceof DerError) return [];
    throw error;
  }
}

function refusal(check: string): StrongroomError {
  return new StrongroomError('ERR_UVM_ENDORSEMENT', { check });
}
