import {
  createHash,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';
import { beforeAll, describe, expect, test } from 'vitest';
import { RootSet, SIMULATED_MARKER } from '../roots.ts';
import type { CertificateExtension, DistinguishedName } from '../x509/certificate.ts';
import {
  authorityExtensions,
  BASIC_CONSTRAINTS,
  type CertificateFacts,
  CRL_SIGN,
  KEY_CERT_SIGN,
  KEY_USAGE,
  PSS_SHA384,
  PSS_SHA384_WITH_TRAILER,
  writePssCertificate,
  writeRsaCertificate,
} from '../x509/write-certificate.ts';
import { checkChainFields, checkChainSignatures, selectChain } from './chain.ts';

/** A chain made by hand, one certificate of it wrong in one way at a time. */

const NOW = Date.parse('2026-03-01T00:00:00Z');
const NAMES = new RootSet('simulated', {}).names;
const MARKER: [string, CertificateExtension] = [
  SIMULATED_MARKER,
  { critical: false, value: new Uint8Array(0) },
];

let root: KeyObject;
let authority: KeyObject;
let short: KeyObject;
const leaf = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
const leafOfOtherCurve = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

beforeAll(async () => {
  const make = (modulusLength: number) => promisify(generateKeyPair)('rsa', { modulusLength });
  const pairs = await Promise.all([make(4096), make(4096), make(2048)]);
  [root = leaf, authority = leaf, short = leaf] = pairs.map(({ privateKey }) => privateKey);
}, 60_000);

const spki = (privateKey: KeyObject) =>
  createPublicKey(privateKey).export({ format: 'der', type: 'spki' });

type Role = 'leaf' | 'intermediate' | 'root';
interface Change {
  facts?: Partial<CertificateFacts>;
  without?: string;
  and?: [string, CertificateExtension][];
  signedBy?: KeyObject;
  write?: typeof writePssCertificate;
}

function certificate(
  subject: DistinguishedName,
  issuer: DistinguishedName,
  subjectKey: KeyObject,
  issuerKey: KeyObject,
  change: Change = {},
  isAuthority = true,
): Uint8Array {
  const usage = isAuthority ? authorityExtensions(KEY_CERT_SIGN) : [];
  const all = [...usage, MARKER, ...(change.and ?? [])];
  const facts = {
    serial: Uint8Array.of(1),
    issuer,
    subject,
    notBefore: NOW - 1_000,
    notAfter: NOW + 1_000,
    spki: spki(subjectKey),
    extensions: new Map(all.filter(([type]) => type !== change.without)),
    ...change.facts,
  };
  return (change.write ?? writePssCertificate)(facts, change.signedBy ?? issuerKey);
}

/** The check that refuses the chain, or "accepted". */
function answer(changes: Partial<Record<Role, Change>>, now = NOW): unknown {
  const ark = changes.root?.facts?.spki ?? spki(root);
  const roots = new RootSet('simulated', {
    Genoa: [createHash('sha256').update(ark).digest('hex')],
  });
  const supplied = [
    certificate(NAMES.vcek, NAMES.ask('Genoa'), leaf, authority, changes.leaf, false),
    certificate(NAMES.ask('Genoa'), NAMES.ark('Genoa'), authority, root, changes.intermediate),
    certificate(NAMES.ark('Genoa'), NAMES.ark('Genoa'), root, root, changes.root),
  ];
  try {
    const chain = selectChain(supplied, 'vcek', roots);
    checkChainFields(chain, roots, now);
    checkChainSignatures(chain);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return [error.facts['check'], error.facts['role']].filter((each) => each).join(' ');
  }
}

const extension = (type: string, ...value: number[]): [string, CertificateExtension] => [
  type,
  { critical: true, value: Uint8Array.from(value) },
];

describe('a chain', () => {
  test.each([
    ['with the trailer field', PSS_SHA384_WITH_TRAILER],
    ['without the trailer field', PSS_SHA384],
  ])('is accepted in the spelling %s', (_name, algorithm) => {
    const write: Change['write'] = (facts, issuerKey) =>
      writePssCertificate(facts, issuerKey, algorithm);
    expect(answer({ leaf: { write }, intermediate: { write }, root: { write } })).toBe('accepted');
  });

  test('is accepted to the millisecond of its validity', () => {
    expect([-1_001, -1_000, 1_000, 1_001].map((shift) => answer({}, NOW + shift))).toEqual([
      'not-yet-valid leaf',
      'accepted',
      'accepted',
      'expired leaf',
    ]);
  });

  test.each(['leaf', 'intermediate', 'root'] as const)('is refused for its %s', (role) => {
    const past = { facts: { notBefore: NOW - 9_000, notAfter: NOW - 5_000 } };
    expect(answer({ [role]: past })).toBe(`expired ${role}`);
    expect(answer({ [role]: { write: writeRsaCertificate } })).toBe(`signature-algorithm ${role}`);
    expect(answer({ [role]: { signedBy: role === 'leaf' ? root : authority } })).toBe(
      `signature ${role}`,
    );
    const unknown = { and: [extension('1.2.3', 5, 0)] };
    expect(answer({ [role]: unknown })).toBe(`critical-extension ${role}`);
  });

  test.each(['intermediate', 'root'] as const)('needs an authority as its %s', (role) => {
    const constraints = (...value: number[]) => ({ and: [extension(BASIC_CONSTRAINTS, ...value)] });
    const no = `not-an-authority ${role}`;
    expect(answer({ [role]: { without: BASIC_CONSTRAINTS } })).toBe(no);
    expect(answer({ [role]: constraints(0x30, 0) })).toBe(no);
    expect(answer({ [role]: constraints(0x30, 3, 1, 1, 0) })).toBe(no);
    expect(answer({ [role]: constraints(0x30, 3, 1, 1, 0xff, 0) })).toBe(no);
    expect(answer({ [role]: { without: KEY_USAGE } })).toBe(`key-usage ${role}`);
    const crlOnly = { and: [extension(KEY_USAGE, 3, 2, 1, CRL_SIGN)] };
    expect(answer({ [role]: crlOnly })).toBe(`key-usage ${role}`);
    const trailing = { and: [extension(KEY_USAGE, 3, 2, 1, KEY_CERT_SIGN, 0)] };
    expect(answer({ [role]: trailing })).toBe(`key-usage ${role}`);
    const otherForm = { and: [extension(KEY_USAGE, 4, 2, 1, KEY_CERT_SIGN)] };
    expect(answer({ [role]: otherForm })).toBe(`key-usage ${role}`);
    expect(answer({ [role]: constraints(0x30, 6, 1, 1, 0xff, 2, 1, 0) })).toBe('accepted');
    expect(answer({ [role]: constraints(0x30, 5, 1, 1, 0xff, 5, 0) })).toBe(no);
    expect(answer({ [role]: constraints(0x30, 4, 1, 2, 0xff, 0xff) })).toBe(no);
  });

  test('is refused when names do not follow one another', () => {
    const issuer = NAMES.ark('Milan');
    expect(answer({ leaf: { facts: { issuer } } })).toBe('leaf-issuer');
    expect(answer({ intermediate: { facts: { issuer } } })).toBe('intermediate-issuer');
    expect(answer({ root: { facts: { issuer } } })).toBe('root-issuer');
    const doubled = [...NAMES.vcek, ...NAMES.vcek];
    expect(answer({ leaf: { facts: { subject: doubled } } })).toBe('missing leaf');
  });

  test('is refused when a key is of another kind or size', () => {
    expect(answer({ leaf: { facts: { spki: spki(leafOfOtherCurve) } } })).toBe('leaf-key');
    expect(answer({ leaf: { facts: { spki: spki(root) } } })).toBe('leaf-key');
    const weak = { facts: { spki: spki(short) } };
    expect(answer({ intermediate: weak, leaf: { signedBy: short } })).toBe(
      'authority-key intermediate',
    );
    const weakRoot = { intermediate: { signedBy: short }, root: { ...weak, signedBy: short } };
    expect(answer(weakRoot)).toBe('authority-key root');
    const noKey = { facts: { spki: Uint8Array.of(0x30, 0) } };
    expect(answer({ leaf: noKey })).toBe('public-key');
  });
});
