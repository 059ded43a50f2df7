import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityExtensions,
  KEY_CERT_SIGN,
  writeRsaCertificate,
} from '@strongroom/attestation/x509/write-certificate';
import { der, sequence } from '@strongroom/attestation/x509/write-der';

/** A certificate authority of one test run, and a server certificate by it, as PEM. */
export function createTls(host: string): { ca: string; cert: string; key: string } {
  const authority = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const server = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const dnsName = sequence(der(0x82, Buffer.from(host)));
  const names = new Map([['2.5.29.17', { critical: false, value: dnsName }]]);
  return {
    ca: certificate(
      'test authority',
      authority,
      authority,
      new Map(authorityExtensions(KEY_CERT_SIGN)),
    ),
    cert: certificate(host, server, authority, names),
    key: String(server.export({ format: 'pem', type: 'pkcs8' })),
  };
}

function certificate(
  subject: string,
  key: KeyObject,
  authority: KeyObject,
  extensions: Parameters<typeof writeRsaCertificate>[0]['extensions'],
): string {
  const bytes = writeRsaCertificate(
    {
      serial: Buffer.concat([Uint8Array.of(1), randomBytes(15)]),
      issuer: [['CN', 'test authority']],
      subject: [['CN', subject]],
      notBefore: Date.now() - 86_400_000,
      notAfter: Date.now() + 86_400_000,
      spki: createPublicKey(key).export({ format: 'der', type: 'spki' }),
      extensions,
    },
    authority,
  );
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
