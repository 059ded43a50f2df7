import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { readSpki } from './spki.ts';

/** A public key as JWK (RFC 7517): text members alone. */
export type Jwk = Readonly<Record<string, unknown>>;

export const CURVES = {
  'P-256': { curve: p256, bytes: 32, name: 'prime256v1' },
  'P-384': { curve: p384, bytes: 48, name: 'secp384r1' },
} as const;
export type CurveName = keyof typeof CURVES;

/** What a key is, as numbers and bytes. */
export type KeyMaterial =
  | { readonly type: 'rsa'; readonly n: bigint; readonly e: bigint }
  | { readonly type: 'ec'; readonly curve: CurveName; readonly point: Uint8Array }
  | { readonly type: 'ed25519' | 'x25519'; readonly bytes: Uint8Array };

/**
 * `crypto.KeyObject` of a public key. `jose` knows one by its tag and asks for the JWK, which goes
 * to WebCrypto.
 */
export class PublicKeyObject {
  readonly type = 'public';
  readonly material: KeyMaterial;

  constructor(material: KeyMaterial) {
    this.material = material;
  }

  get [Symbol.toStringTag](): string {
    return 'KeyObject';
  }

  get asymmetricKeyType(): KeyMaterial['type'] {
    return this.material.type;
  }

  get asymmetricKeyDetails() {
    const { material } = this;
    if (material.type === 'ec') return { namedCurve: CURVES[material.curve].name };
    if (material.type !== 'rsa') return {};
    return { modulusLength: material.n.toString(2).length, publicExponent: material.e };
  }

  export(_options: { readonly format: 'jwk' }): Record<string, string> {
    const { material } = this;
    if (material.type === 'rsa') {
      const [n, e] = [material.n, material.e].map((each) => encode(bytesOfNumber(each)));
      return { kty: 'RSA', n: n ?? '', e: e ?? '' };
    }
    if (material.type === 'ec') {
      const { bytes } = CURVES[material.curve];
      const [x, y] = [material.point.slice(1, 1 + bytes), material.point.slice(1 + bytes)];
      return { kty: 'EC', crv: material.curve, x: encode(x), y: encode(y) };
    }
    const crv = material.type === 'ed25519' ? 'Ed25519' : 'X25519';
    return { kty: 'OKP', crv, x: encode(material.bytes) };
  }
}

interface KeyInput {
  readonly key: unknown;
  readonly format?: string;
}

/**
 * `crypto.createPublicKey` of a JWK, or of a SubjectPublicKeyInfo in DER.
 * @throws for anything else, and for a point that is not on its curve
 */
export function createPublicKey({ key, format }: KeyInput): PublicKeyObject {
  if (format === 'jwk' && typeof key === 'object' && key !== null) {
    return new PublicKeyObject(materialOfJwk({ ...key }));
  }
  if (format !== 'der' || !(key instanceof Uint8Array)) throw new Error('no public key');
  const material = readSpki(key);
  if (material.type === 'ec') checkPoint(material.curve, material.point);
  return new PublicKeyObject(material);
}

function materialOfJwk(jwk: Jwk): KeyMaterial {
  const { kty, crv } = jwk;
  if (kty === 'RSA') {
    return { type: 'rsa', n: numberOf(member(jwk, 'n')), e: numberOf(member(jwk, 'e')) };
  }
  if (kty === 'OKP' && crv === 'Ed25519') {
    const bytes = member(jwk, 'x');
    ed25519.Point.fromBytes(bytes);
    return { type: 'ed25519', bytes };
  }
  if (kty === 'OKP' && crv === 'X25519') {
    const bytes = member(jwk, 'x');
    if (bytes.length !== x25519.lengths.publicKey) throw new Error('no X25519 key');
    return { type: 'x25519', bytes };
  }
  if (kty !== 'EC' || (crv !== 'P-256' && crv !== 'P-384'))
    throw new Error('no key of a kind here');
  const point = new Uint8Array(1 + 2 * CURVES[crv].bytes);
  point[0] = UNCOMPRESSED;
  for (const [index, name] of ['x', 'y'].entries()) {
    const coordinate = member(jwk, name);
    if (coordinate.length !== CURVES[crv].bytes)
      throw new Error('a coordinate has its full length');
    point.set(coordinate, 1 + index * coordinate.length);
  }
  checkPoint(crv, point);
  return { type: 'ec', curve: crv, point };
}

/** SEC 1 §2.3.3. */
const UNCOMPRESSED = 4;

/** @throws when it is not on the curve */
function checkPoint(curve: CurveName, point: Uint8Array): void {
  CURVES[curve].curve.Point.fromBytes(point).assertValidity();
}

function member(jwk: Jwk, name: string): Uint8Array {
  const text = jwk[name];
  if (typeof text !== 'string' || !/^[\w-]+$/.test(text)) throw new Error(`no member ${name}`);
  const letters = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

function encode(bytes: Uint8Array): string {
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function numberOf(bytes: Uint8Array): bigint {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return BigInt(`0x${hex}`);
}

function bytesOfNumber(value: bigint): Uint8Array {
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Uint8Array.from(even.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
