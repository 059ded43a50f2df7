import { constants, createPublicKey, verify } from 'node:crypto';
import * as page from '@strongroom/browser/crypto';
import { describe, expect, test } from 'vitest';
import { groupsOf, SignatureVector, vectorFolder } from './wycheproof.ts';

/**
 * Wycheproof's signatures through what stands in the place of `node:crypto` in the analyst's page.
 */

const vectors = await vectorFolder();
const folder = 'folder' in vectors ? vectors.folder : '';

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
const P1363 = { dsaEncoding: 'ieee-p1363' } as const;

describe.runIf('folder' in vectors)('the page answers as Node does', () => {
  test.each([
    ['ed25519', null, {}],
    ['ecdsa_secp256r1_sha256_p1363', 'sha256', P1363],
    ['ecdsa_secp384r1_sha384_p1363', 'sha384', P1363],
    ['rsa_signature_2048_sha256', 'sha256', {}],
    ['rsa_signature_4096_sha256', 'sha256', {}],
    ['rsa_pss_2048_sha384_mgf1_48', 'sha384', PSS],
    ['rsa_pss_4096_sha384_mgf1_48', 'sha384', PSS],
    ['rsa_pss_2048_sha256_mgf1_32', 'sha384', PSS],
  ])('%s', (file, hash, how) => {
    const different: string[] = [];
    for (const { group, vectors: all } of groupsOf(folder, file, SignatureVector)) {
      const der = Buffer.from(String(group['publicKeyDer']), 'hex');
      const theirs = createPublicKey({ key: der, format: 'der', type: 'spki' });
      const key = page.createPublicKey({ key: theirs.export({ format: 'jwk' }), format: 'jwk' });
      for (const { tcId, comment, msg, sig } of all) {
        const [data, signature] = [new Uint8Array(msg), new Uint8Array(sig)];
        const expected = verify(hash, data, { key: theirs, ...how }, signature);
        const found = page.verify(hash, data, { key, ...how }, signature);
        if (found !== expected) different.push(`${tcId} ${comment}: ${found}`);
      }
    }
    expect(different).toEqual([]);
  });
});
