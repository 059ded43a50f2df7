import { createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { writeRsaCertificate } from '@strongroom/attestation/x509/write-certificate';

const MODULUS_BITS = 3_072;
const CERTIFICATE_DAYS = 3_650;

export async function makePrivateKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS })).privateKey;
}

/** Carries the key for clients that read `x5c` only; nobody's trust comes from it. */
export function selfSigned(privateKey: KeyObject, now: number): Buffer {
  const name = [['CN', 'Strongroom attestation service']] as const;
  const certificate = writeRsaCertificate(
    {
      serial: randomBytes(16),
      issuer: name,
      subject: name,
      notBefore: now - 60_000,
      notAfter: now + CERTIFICATE_DAYS * 24 * 3_600_000,
      spki: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
      extensions: new Map(),
    },
    privateKey,
  );
  return Buffer.from(certificate);
}
