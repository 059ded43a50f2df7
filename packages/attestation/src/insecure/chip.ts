import assert from 'node:assert/strict';
import { createECDH, createHash, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import { type Product, serializeTcb, type Tcb } from '../snp/tcb.ts';
import { joined, latin } from '../x509/write-der.ts';

/**
 * The secrets of a simulated chip, from one seed. As on hardware the endorsement key depends on the
 * security versions: other firmware, other key.
 */

/** @returns 64 bytes; on Turin 8 and then zeros */
export function chipIdOf(seed: Uint8Array, product: Product): Uint8Array {
  const id = createHash('sha512')
    .update(seed)
    .update(latin(`chip-id ${product}`))
    .digest();
  const chipId = new Uint8Array(64);
  chipId.set(product === 'Turin' ? id.subarray(0, 8) : id);
  return chipId;
}

/** P-384; candidates outside of 1 … n-1 are skipped (NIST SP 800-186 asks for no bias). */
export function endorsementKeyOf(
  seed: Uint8Array,
  kind: 'vcek' | 'vlek',
  product: Product,
  tcb: Tcb,
): KeyObject {
  const context = joined([latin(`${kind} ${product} `), serializeTcb(tcb, product)]);
  for (let attempt = 0; attempt < 256; attempt += 1) {
    const info = joined([context, Uint8Array.of(attempt)]);
    const scalar = Buffer.from(hkdfSync('sha384', seed, new Uint8Array(0), info, 48));
    const endorsementKey = privateKeyOf(scalar);
    if (endorsementKey) return endorsementKey;
  }
  assert.fail('no endorsement key in 256 attempts');
}

function privateKeyOf(scalar: Buffer): KeyObject | undefined {
  const curve = createECDH('secp384r1');
  try {
    curve.setPrivateKey(scalar);
  } catch {
    return undefined;
  }
  const point = curve.getPublicKey();
  const jwk = {
    kty: 'EC',
    crv: 'P-384',
    d: scalar.toString('base64url'),
    x: point.subarray(1, 49).toString('base64url'),
    y: point.subarray(49).toString('base64url'),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}
