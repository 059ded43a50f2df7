import { constants, createHash, type KeyObject, verify } from 'node:crypto';
import { PRODUCTS } from '@strongroom/protocol/contract';
import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import { type RootSet, SIMULATED_MARKER } from '../roots.ts';
import {
  type Certificate,
  type DistinguishedName,
  parseCertificate,
  publicKeyOf,
  sameBytes,
  sameName,
} from '../x509/certificate.ts';
import { DerError, DerReader, readByteInteger, TAGS } from '../x509/der.ts';
import {
  BASIC_CONSTRAINTS,
  CRL_SIGN,
  KEY_CERT_SIGN,
  KEY_USAGE,
  PSS_SALT_BYTES,
  PSS_SHA384,
  PSS_SHA384_WITH_TRAILER,
} from '../x509/write-certificate.ts';
import type { Product } from './tcb.ts';

/** ARK -> ASK -> VCEK, or ARK -> ASVK -> VLEK. */
export interface EndorsementChain {
  readonly product: Product;
  readonly leaf: Certificate;
  readonly intermediate: Certificate;
  readonly root: Certificate;
}

/**
 * Picks the three certificates by name. Their order does not matter, and what the chain does not
 * need can only make the answer worse.
 * @throws ERR_ROOT_KIND, ERR_CERTIFICATE_CHAIN
 */
export function selectChain(
  certificates: readonly Uint8Array[],
  signer: 'vcek' | 'vlek',
  roots: RootSet,
): EndorsementChain {
  const supplied = certificates.map(parseCertificate);
  checkMarkers(supplied, roots);
  const leaf = named(supplied, roots.names[signer], 'leaf');
  const authority = signer === 'vcek' ? roots.names.ask : roots.names.asvk;
  const product = PRODUCTS.find((each) => sameName(authority(each), leaf.issuer));
  if (product === undefined) throw refusal('leaf-issuer');
  const intermediate = named(supplied, authority(product), 'intermediate');
  const root = named(supplied, roots.names.ark(product), 'root');
  if (!sameName(intermediate.issuer, root.subject)) throw refusal('intermediate-issuer');
  if (!sameName(root.issuer, root.subject)) throw refusal('root-issuer');
  return { product, leaf, intermediate, root };
}

/** The one rule by which simulated and real differ: marker present if and only if simulated. */
function checkMarkers(certificates: readonly Certificate[], roots: RootSet): void {
  for (const certificate of certificates) {
    const simulated = certificate.extensions.has(SIMULATED_MARKER);
    if (simulated !== (roots.kind === 'simulated')) {
      const found = simulated ? 'simulated' : 'amd';
      throw new StrongroomError('ERR_ROOT_KIND', { expected: roots.kind, found });
    }
  }
}

function named(
  certificates: readonly Certificate[],
  subject: DistinguishedName,
  role: string,
): Certificate {
  const found = certificates.filter((each) => sameName(each.subject, subject));
  const [first] = found;
  if (!first) throw refusal('missing', { role });
  if (!found.every((each) => sameBytes(each.raw, first.raw))) throw refusal('ambiguous', { role });
  return first;
}

/** Validity at `now` (milliseconds), use, and the pin: everything that needs no signature. */
export function checkChainFields(chain: EndorsementChain, roots: RootSet, now: number): void {
  for (const [role, certificate] of rolesOf(chain)) {
    if (now < certificate.notBefore) throw refusal('not-yet-valid', { role });
    if (now > certificate.notAfter) throw refusal('expired', { role });
    checkAlgorithm(certificate, role);
    checkCritical(certificate, role);
    if (role !== 'leaf') checkAuthority(certificate, role);
  }
  if (chain.leaf.extensions.has(BASIC_CONSTRAINTS)) throw refusal('leaf-is-authority');
  const pin = createHash('sha256').update(chain.root.spki).digest('hex');
  if (!roots.trusts(chain.product, pin)) throw refusal('root-not-pinned');
}

function rolesOf(chain: EndorsementChain): [string, Certificate][] {
  return [
    ['leaf', chain.leaf],
    ['intermediate', chain.intermediate],
    ['root', chain.root],
  ];
}

function checkAlgorithm(certificate: Certificate, role: string): void {
  if (!isPssAlgorithm(certificate.signatureAlgorithm)) {
    throw refusal('signature-algorithm', { role });
  }
}

/** Both spellings of the one algorithm that AMD signs with. */
export function isPssAlgorithm(identifier: Uint8Array): boolean {
  return [PSS_SHA384, PSS_SHA384_WITH_TRAILER].some((each) => sameBytes(each, identifier));
}

/** RFC 5280 §4.2: a critical extension that is not understood refuses the certificate. */
function checkCritical(certificate: Certificate, role: string): void {
  for (const [type, extension] of certificate.extensions) {
    const known = type === BASIC_CONSTRAINTS || type === KEY_USAGE;
    if (extension.critical && !known) throw refusal('critical-extension', { role });
  }
}

function checkAuthority(certificate: Certificate, role: string): void {
  const constraints = certificate.extensions.get(BASIC_CONSTRAINTS);
  const usage = certificate.extensions.get(KEY_USAGE);
  if (!constraints || !isAuthority(constraints.value)) throw refusal('not-an-authority', { role });
  if (!usage || !hasUsage(usage.value, KEY_CERT_SIGN)) throw refusal('key-usage', { role });
}

/** Whether this certificate may sign revocation lists. */
export function maySignLists({ extensions }: Certificate): boolean {
  const usage = extensions.get(KEY_USAGE);
  return usage !== undefined && hasUsage(usage.value, CRL_SIGN);
}

/** BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint OPTIONAL } */
function isAuthority(value: Uint8Array): boolean {
  return wellFormed(() => {
    const reader = new DerReader(value);
    const authority = reader.inside(TAGS.sequence, (inner) => {
      const flag = inner.next(TAGS.boolean).content;
      if (!inner.done) readByteInteger(inner.next(TAGS.integer));
      return flag.length === 1 && flag[0] === 0xff;
    });
    reader.end();
    return authority;
  });
}

/** KeyUsage ::= BIT STRING; the first byte of the content counts unused bits. */
function hasUsage(value: Uint8Array, usage: number): boolean {
  return wellFormed(() => {
    const reader = new DerReader(value);
    const bits = reader.next(TAGS.bitString).content;
    reader.end();
    return ((bits[1] ?? 0) & usage) !== 0;
  });
}

function wellFormed(read: () => boolean): boolean {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

/** @returns the endorsement key, proved to come from the pinned root */
export function checkChainSignatures(chain: EndorsementChain): KeyObject {
  const rootKey = authorityKeyOf(chain.root, 'root');
  const intermediateKey = authorityKeyOf(chain.intermediate, 'intermediate');
  checkSignature(chain.root, rootKey, 'root');
  checkSignature(chain.intermediate, rootKey, 'intermediate');
  checkSignature(chain.leaf, intermediateKey, 'leaf');
  const leafKey = publicKeyOf(chain.leaf);
  const curve = leafKey.asymmetricKeyDetails?.namedCurve;
  if (leafKey.asymmetricKeyType !== 'ec' || curve !== 'secp384r1') throw refusal('leaf-key');
  return leafKey;
}

/** ARK, ASK and ASVK are RSA-4096 with the exponent 65537. */
function authorityKeyOf(certificate: Certificate, role: string): KeyObject {
  const publicKey = publicKeyOf(certificate);
  const details = publicKey.asymmetricKeyDetails;
  const right =
    publicKey.asymmetricKeyType === 'rsa' &&
    details?.modulusLength === 4096 &&
    details.publicExponent === 65_537n;
  if (!right) throw refusal('authority-key', { role });
  return publicKey;
}

function checkSignature(certificate: Certificate, issuerKey: KeyObject, role: string): void {
  if (!isSignedBy(certificate, issuerKey)) throw refusal('signature', { role });
}

/** RSASSA-PSS with SHA-384; the salt's length is part of what is checked. */
export function isSignedBy(
  signed: { readonly tbs: Uint8Array; readonly signature: Uint8Array },
  issuerKey: KeyObject,
): boolean {
  const options = {
    key: issuerKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: PSS_SALT_BYTES,
  };
  return verify('sha384', signed.tbs, options, signed.signature);
}

function refusal(check: string, more: ErrorFacts = {}): StrongroomError {
  return new StrongroomError('ERR_CERTIFICATE_CHAIN', { check, ...more });
}
