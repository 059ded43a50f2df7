import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityExtensions,
  KEY_CERT_SIGN,
  writeRsaCertificate,
} from '@strongroom/attestation/x509/write-certificate';
import { der, sequence } from '@strongroom/attestation/x509/write-der';

/** A certificate authority of one test run, and a server certificate by it, as PEM. */
export function createTls(host: string): { ca: string; cert: string; key: string } {
  const authority = createCertificateAuthority();
  return { ca: authority.ca, ...authority.issue(host) };
}

export function createCertificateAuthority() {
  const authority = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const own = new Map(authorityExtensions(KEY_CERT_SIGN));
  return {
    ca: certificate('test authority', authority, authority, own),
    issue: (name: string, validFrom = Date.now() - DAY_MS) => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const dnsName = sequence(der(0x82, Buffer.from(name)));
      const names = new Map([['2.5.29.17', { critical: false, value: dnsName }]]);
      return {
        cert: certificate(name, privateKey, authority, names, validFrom),
        key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
      };
    },
  };
}

const DAY_MS = 86_400_000;

function certificate(
  subject: string,
  key: KeyObject,
  authority: KeyObject,
  extensions: Parameters<typeof writeRsaCertificate>[0]['extensions'],
  validFrom = Date.now() - DAY_MS,
): string {
  const bytes = writeRsaCertificate(
    {
      serial: Buffer.concat([Uint8Array.of(1), randomBytes(15)]),
      issuer: [['CN', 'test authority']],
      subject: [['CN', subject]],
      notBefore: validFrom,
      notAfter: validFrom + 2 * DAY_MS,
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
