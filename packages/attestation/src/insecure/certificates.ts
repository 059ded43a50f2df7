import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { RootSet, SIMULATED_MARKER } from '../roots.ts';
import { EXTENSIONS } from '../snp/endorsement.ts';
import type { Product, Tcb } from '../snp/tcb.ts';
import type { CertificateExtension } from '../x509/certificate.ts';
import { contextTag, TAGS } from '../x509/der.ts';
import {
  authorityExtensions,
  type CertificateFacts,
  CRL_SIGN,
  ia5,
  KEY_CERT_SIGN,
  PSS_SHA384,
  writePssCertificate,
} from '../x509/write-certificate.ts';
import { der, integer, latin, sequence } from '../x509/write-der.ts';

/** Certificates with the structure of AMD's, under names that say what they are. */

const NAMES = new RootSet('simulated', {}).names;
const VALIDITY_MS = 30 * 24 * 3_600_000;
const PRODUCT_SERIALS = { Milan: 1, Genoa: 2, Turin: 3 } as const satisfies Record<Product, number>;

/** ARK, and the ASK and ASVK that it signs. */
export type AuthorityRole = 'ark' | 'ask' | 'asvk';
const ROLE_SERIALS = { ark: [0, 0], ask: [0, 1], asvk: [1, 1] } as const;

export function writeAuthority(options: {
  readonly role: AuthorityRole;
  readonly product: Product;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly now: number;
}): Uint8Array {
  const { role, product } = options;
  const usage = role === 'ark' ? KEY_CERT_SIGN | CRL_SIGN : KEY_CERT_SIGN;
  const authority = createPublicKey(options.issuerKey);
  const facts: CertificateFacts = {
    serial: Uint8Array.of(PRODUCT_SERIALS[product], ...ROLE_SERIALS[role]),
    issuer: NAMES.ark(product),
    subject: NAMES[role](product),
    // A minute back: the clock of who verifies first may be a little behind.
    notBefore: options.now - 60_000,
    notAfter: options.now + VALIDITY_MS,
    spki: spkiOf(options.publicKey),
    extensions: new Map([
      ['2.5.29.14', plain(der(TAGS.octetString, keyIdentifier(options.publicKey)))],
      // AMD's root does not say who signed it.
      ...(role === 'ark' ? [] : [pair('2.5.29.35', issuedBy(authority))]),
      ...authorityExtensions(usage, role === 'ark' ? undefined : 0),
      ['2.5.29.31', plain(crlAddress(role, product))],
      MARKER,
    ]),
  };
  return writePssCertificate(facts, options.issuerKey);
}

/** What the certificate of an endorsement key says; a test may change it before it is signed. */
export function endorsementFacts(options: {
  readonly kind: 'vcek' | 'vlek';
  readonly product: Product;
  readonly tcb: Tcb;
  readonly chipId: Uint8Array;
  readonly publicKey: KeyObject;
  readonly validity: { readonly notBefore: number; readonly notAfter: number };
}): CertificateFacts {
  const { kind, product } = options;
  return {
    serial: Uint8Array.of(0),
    issuer: kind === 'vcek' ? NAMES.ask(product) : NAMES.asvk(product),
    subject: NAMES[kind],
    ...options.validity,
    spki: spkiOf(options.publicKey),
    extensions: new Map([...endorsementExtensions(options), MARKER]),
  };
}

/** Without the trailer field, like the certificates that Azure serves. */
export function writeEndorsement(facts: CertificateFacts, issuerKey: KeyObject): Uint8Array {
  return writePssCertificate(facts, issuerKey, PSS_SHA384);
}

function endorsementExtensions(options: {
  readonly kind: 'vcek' | 'vlek';
  readonly product: Product;
  readonly tcb: Tcb;
  readonly chipId: Uint8Array;
}): [string, CertificateExtension][] {
  const { tcb, product } = options;
  const turin = product === 'Turin';
  const name = product === 'Milan' && options.kind === 'vcek' ? 'Milan-B0' : product;
  const of = (number: number) => plain(integer(Uint8Array.of(number)));
  return [
    [EXTENSIONS.structVersion, of(turin ? 1 : 0)],
    [EXTENSIONS.productName, plain(ia5(name))],
    [EXTENSIONS.bootLoader, of(tcb.bootLoader)],
    [EXTENSIONS.tee, of(tcb.tee)],
    ...(turin ? [] : [pair(EXTENSIONS.spl4, of(0))]),
    [EXTENSIONS.spl5, of(0)],
    [EXTENSIONS.spl6, of(0)],
    [EXTENSIONS.spl7, of(0)],
    [EXTENSIONS.snp, of(tcb.snp)],
    [EXTENSIONS.microcode, of(tcb.microcode)],
    ...(turin ? [pair(EXTENSIONS.fmc, of(tcb.fmc ?? 0))] : []),
    options.kind === 'vcek'
      ? pair(EXTENSIONS.hardwareId, plain(options.chipId.subarray(0, turin ? 8 : 64)))
      : pair(EXTENSIONS.cspId, plain(ia5('CN=cloud.simulated.invalid'))),
  ];
}

function pair(type: string, extension: CertificateExtension): [string, CertificateExtension] {
  return [type, extension];
}

const MARKER = pair(
  SIMULATED_MARKER,
  plain(der(TAGS.utf8String, latin('SIMULATED - NOT HARDWARE'))),
);

function plain(value: Uint8Array): CertificateExtension {
  return { critical: false, value };
}

/** CRLDistributionPoints with one URI (RFC 5280 §4.2.1.13), which by its name leads nowhere. */
function crlAddress(role: AuthorityRole, product: Product): Uint8Array {
  const kind = role === 'asvk' ? 'vlek' : 'vcek';
  const uri = latin(`https://kds.simulated.invalid/${kind}/v1/${product}/crl`);
  const name = der(contextTag(0), der(contextTag(6, false), uri));
  return sequence(sequence(der(contextTag(0), name)));
}

/** AuthorityKeyIdentifier with the identifier alone (RFC 5280 §4.2.1.1). */
function issuedBy(authority: KeyObject): CertificateExtension {
  return plain(sequence(der(contextTag(0, false), keyIdentifier(authority))));
}

function keyIdentifier(publicKey: KeyObject): Uint8Array {
  return createHash('sha1').update(spkiOf(publicKey)).digest();
}

export function spkiOf(publicKey: KeyObject): Uint8Array {
  return publicKey.export({ format: 'der', type: 'spki' });
}
