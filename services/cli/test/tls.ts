import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityExtensions,
  KEY_CERT_SIGN,
  writeRsaCertificate,
} from '@strongroom/attestation/x509/write-certificate';
import { der, sequence } from '@strongroom/attestation/x509/write-der';

type Extensions = Parameters<typeof writeRsaCertificate>[0]['extensions'];

const DAY_MS = 86_400_000;
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const DNS_NAME = 0x82;
const AUTHORITY = 'Strongroom test authority';

/** A server certificate for `host`, its private key, and the authority to trust, as PEM. */
export function createTlsFiles(host: string): { ca: string; cert: string; key: string } {
  const [authority, server] = [rsaKey(), rsaKey()];
  const names = sequence(der(DNS_NAME, Buffer.from(host)));
  return {
    ca: pem(authority, authority, AUTHORITY, new Map(authorityExtensions(KEY_CERT_SIGN))),
    cert: pem(
      server,
      authority,
      host,
      new Map([[SUBJECT_ALTERNATIVE_NAME, { critical: false, value: names }]]),
    ),
    key: String(server.export({ format: 'pem', type: 'pkcs8' })),
  };
}

function rsaKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

function pem(own: KeyObject, issuer: KeyObject, name: string, extensions: Extensions): string {
  const facts = {
    serial: Buffer.concat([Uint8Array.of(1), randomBytes(15)]),
    issuer: [['CN', AUTHORITY]] as const,
    subject: [['CN', name]] as const,
    notBefore: Date.now() - DAY_MS,
    notAfter: Date.now() + DAY_MS,
    spki: createPublicKey(own).export({ format: 'der', type: 'spki' }),
    extensions,
  };
  const base64 = Buffer.from(writeRsaCertificate(facts, issuer)).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}
