import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { isSignedBy } from '@strongroom/attestation/snp/chain';
import {
  checkReportSignature,
  checkSignatureRange,
} from '@strongroom/attestation/snp/report-signature';
import { codeOf } from '@strongroom/protocol/errors';
import { SigningKeySchema } from '@strongroom/protocol/public-key';
import { isSignature } from '@strongroom/sealing/compact-jws';
import { hasLowS, isEcdsa } from '@strongroom/sealing/ecdsa-low-s';
import {
  type ReleaseAlgorithm,
  unwrapAtRest,
  unwrapPadded,
  unwrapReleased,
  wrapPadded,
} from '@strongroom/sealing/wrap';
import { describe, expect, test } from 'vitest';
import {
  AeadVector,
  groupsOf,
  KeyWrapVector,
  OaepVector,
  SignatureVector,
  vectorFolder,
} from './wycheproof.ts';

/**
 * Wycheproof's vectors through the functions that ours are verified and opened by. Where a rule of
 * ours is stricter than the algorithm, the rule is part of what is expected.
 *
 * The crate leaves out the JWS and JWE vectors: attestation-tokens.test.ts and the vectors of
 * schemas/sealed-batch stand for them. docs/attestation-cases.md says which files do not apply.
 */

const vectors = await vectorFolder();
if ('missing' in vectors) {
  process.stderr.write(`SKIPPED: no Wycheproof vectors: ${vectors.missing}\n`);
}
const folder = 'folder' in vectors ? vectors.folder : '';

/** Whether `action` comes to its end; every refusal must be one of our codes. */
function passes(action: () => unknown): boolean {
  try {
    return action() !== false;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return false;
  }
}

interface Tally {
  readonly tried: number;
  readonly accepted: number;
  readonly wrong: readonly string[];
}

interface Judged {
  readonly tcId: number;
  readonly comment: string;
}

/** Runs every vector that applies; `expected` may be stricter than the vector's own result. */
function judge<Vector extends Judged>(
  all: readonly Vector[],
  expected: (vector: Vector) => boolean,
  accepted: (vector: Vector) => boolean,
): Tally {
  const wrong: string[] = [];
  let count = 0;
  for (const vector of all) {
    const found = accepted(vector);
    if (found) count += 1;
    if (found !== expected(vector)) wrong.push(`${vector.tcId} ${vector.comment}`);
  }
  return { tried: all.length, accepted: count, wrong };
}

const publicKeyOf = (group: Readonly<Record<string, unknown>>): KeyObject => {
  const key = Buffer.from(String(group['publicKeyDer']), 'hex');
  return createPublicKey({ key, format: 'der', type: 'spki' });
};

/** Every vector of a file of signatures beside the key and the parameters of its group. */
const signatures = (file: string) =>
  groupsOf(folder, file, SignatureVector).flatMap(({ group, vectors: all }) => {
    const key = publicKeyOf(group);
    return all.map((vector) => ({ ...vector, group, key }));
  });

const PKCS1 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

describe.runIf('folder' in vectors)('signatures', () => {
  test('of a report: ECDSA on P-384 with SHA-384', () => {
    // The fields of a report have one width: other lengths cannot be written there.
    const all = signatures('ecdsa_secp384r1_sha384_p1363').filter(({ sig }) => sig.length === 96);
    const tally = judge(
      all,
      ({ result }) => result === 'valid',
      ({ msg, sig, key }) => {
        const [r, s] = [sig.slice(0, 48).reverse(), sig.slice(48).reverse()];
        return passes(() => {
          checkSignatureRange({ r, s });
          checkReportSignature(msg, { r, s }, key);
        });
      },
    );
    expect(tally).toEqual({ tried: 261, accepted: 193, wrong: [] });
  });

  test.each([
    ['ecdsa_secp256r1_sha256_p1363', 262, 103],
    ['ecdsa_secp384r1_sha384_p1363', 280, 105],
    ['ed25519', 151, 88],
  ])('of a seal or contract: %s, ECDSA in its lower form only', (file, tried, accepted) => {
    const all = signatures(file).map((vector) => {
      const { kty, crv, x, y } = vector.key.export({ format: 'jwk' });
      const members = kty === 'OKP' ? { kty, crv, x } : { kty, crv, x, y };
      return { ...vector, jwk: SigningKeySchema.parse(members) };
    });
    const algorithm = file.startsWith('ecdsa') ? (file.includes('384') ? 'ES384' : 'ES256') : '';
    const tally = judge(
      all,
      ({ result, sig }) => result === 'valid' && (!isEcdsa(algorithm) || hasLowS(algorithm, sig)),
      ({ msg, sig, jwk }) => isSignature(msg, sig, jwk),
    );
    expect(tally).toEqual({ tried, accepted, wrong: [] });
  });

  test.each([
    ['rsa_pss_2048_sha384_mgf1_48', 141, 95],
    ['rsa_pss_4096_sha384_mgf1_48', 141, 95],
    ['rsa_pss_misc', 150, 1],
    ['rsa_pss_2048_sha256_mgf1_32', 108, 0],
    ['rsa_pss_4096_sha512_mgf1_64', 179, 0],
  ])('of a certificate: %s, with SHA-384 and 48 bytes of salt only', (file, tried, accepted) => {
    const ours = { sha: 'SHA-384', mgf: 'MGF1', mgfSha: 'SHA-384', sLen: 48 };
    const tally = judge(
      signatures(file),
      ({ result, group }) =>
        result === 'valid' && Object.entries(ours).every(([name, value]) => group[name] === value),
      ({ msg, sig, key }) => isSignedBy({ tbs: msg, signature: sig }, key),
    );
    expect(tally).toEqual({ tried, accepted, wrong: [] });
  });

  /** The library that verifies tokens leaves the arithmetic to this one. */
  test.each<[string, { name: string; hash: string; saltLength?: number }, number, number]>([
    ['rsa_signature_2048_sha256', PKCS1, 258, 9],
    ['rsa_signature_3072_sha256', PKCS1, 258, 8],
    ['rsa_signature_4096_sha256', PKCS1, 257, 7],
    ['rsa_pss_2048_sha256_mgf1_32', { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 }, 108, 63],
    ['rsa_pss_2048_sha384_mgf1_48', { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 }, 141, 95],
    ['ecdsa_secp256r1_sha256_p1363', { name: 'ECDSA', hash: 'SHA-256' }, 262, 173],
    ['ecdsa_secp384r1_sha384_p1363', { name: 'ECDSA', hash: 'SHA-384' }, 280, 193],
  ])('of a token, as Web Crypto verifies it: %s', async (file, algorithm, tried, accepted) => {
    const { subtle } = globalThis.crypto;
    const answers = new Map<number, boolean>();
    const all = signatures(file).filter(({ result }) => result !== 'acceptable');
    for (const { tcId, msg, sig, key } of all) {
      const spki = key.export({ format: 'der', type: 'spki' });
      const namedCurve = file.includes('384') ? 'P-384' : 'P-256';
      const curve = algorithm.name === 'ECDSA' ? { namedCurve } : {};
      const kind = { ...algorithm, ...curve };
      const imported = await subtle.importKey('spki', spki, kind, false, ['verify']);
      answers.set(tcId, await subtle.verify(algorithm, imported, sig, msg));
    }
    const tally = judge(
      all,
      ({ result }) => result === 'valid',
      ({ tcId }) => answers.get(tcId) === true,
    );
    expect(tally).toEqual({ tried, accepted, wrong: [] });
  });
});

const TARGET = Buffer.from('a key that is released');

describe.runIf('folder' in vectors)('keys', () => {
  test('AES key wrap with padding', () => {
    const all = groupsOf(folder, 'aes_kwp', KeyWrapVector).flatMap((each) => each.vectors);
    const tally = judge(
      all,
      ({ result }) => result === 'valid',
      ({ key, ct, msg }) =>
        passes(() => Buffer.from(msg).equals(unwrapPadded(key, ct))) &&
        Buffer.from(ct).equals(wrapPadded(key, msg)),
    );
    expect(tally).toEqual({ tried: 254, accepted: 77, wrong: [] });
  });

  test.each<[string, ReleaseAlgorithm, number, number]>([
    ['rsa_oaep_2048_sha256_mgf1sha256', 'RSA_AES_KEY_WRAP_256', 37, 1],
    ['rsa_oaep_3072_sha256_mgf1sha256', 'RSA_AES_KEY_WRAP_256', 37, 1],
    ['rsa_oaep_4096_sha256_mgf1sha256', 'RSA_AES_KEY_WRAP_256', 37, 1],
    ['rsa_oaep_2048_sha384_mgf1sha384', 'RSA_AES_KEY_WRAP_384', 34, 1],
    ['rsa_oaep_2048_sha1_mgf1sha1', 'CKM_RSA_AES_KEY_WRAP', 36, 1],
    ['rsa_oaep_2048_sha256_mgf1sha1', 'RSA_AES_KEY_WRAP_256', 31, 0],
  ])('%s around a key of 32 bytes, without a label', (file, algorithm, tried, accepted) => {
    const sameHash = !file.endsWith('256_mgf1sha1');
    const all = groupsOf(folder, file, OaepVector).flatMap(({ group, vectors: each }) => {
      const key = Buffer.from(String(group['privateKeyPkcs8']), 'hex');
      const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
      return each.map((vector) => ({ ...vector, privateKey }));
    });
    const fits = (vector: { msg: Uint8Array; label: Uint8Array }) =>
      sameHash && vector.msg.length === 32 && vector.label.length === 0;
    const tally = judge(
      all,
      (vector) => vector.result === 'valid' && fits(vector),
      ({ ct, msg, privateKey }) => {
        const transportKey = msg.length === 32 ? msg : new Uint8Array(32);
        const wrapped = Buffer.concat([ct, wrapPadded(transportKey, TARGET)]);
        return passes(() => TARGET.equals(unwrapReleased(wrapped, privateKey, algorithm)));
      },
    );
    expect(tally).toEqual({ tried, accepted, wrong: [] });
  });

  test('AES-256-GCM with 12 bytes of nonce and 16 of tag, as it is used at rest', () => {
    const all = groupsOf(folder, 'aes_gcm', AeadVector)
      .filter(({ group }) => group['keySize'] === 256 && group['ivSize'] === 96)
      .flatMap((each) => each.vectors)
      .map((vector) => ({ ...vector, context: Buffer.from(vector.aad).toString('utf8') }))
      // What is bound there is a text: other bytes cannot be given.
      .filter(({ aad, context }) => Buffer.from(context).equals(aad));
    const tally = judge(
      all,
      ({ result }) => result === 'valid',
      ({ key, iv, ct, tag, msg, context }) => {
        const stored = Buffer.concat([Uint8Array.of(1), iv, ct, tag]);
        return passes(() => Buffer.from(msg).equals(unwrapAtRest(key, stored, context)));
      },
    );
    expect(tally).toEqual({ tried: 48, accepted: 21, wrong: [] });
  });
});
