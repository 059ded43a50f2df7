import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { isIP } from 'node:net';
import type { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { writeRsaCertificate } from '@strongroom/attestation/x509/write-certificate';
import { der, sequence } from '@strongroom/attestation/x509/write-der';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { RsaKeySchema } from '@strongroom/protocol/public-key';
import type { Clock } from '@strongroom/runtime/clock';
import { CompactSign } from 'jose';
import { z } from 'zod';
import type { AuditLog } from './audit/audit-log.ts';
import type { AtRest } from './master-key/at-rest.ts';
import { transaction } from './storage/database.ts';

/**
 * The key that signs releases. A contract pins it, so it is made once, at the first start, and kept
 * with the keys, wrapped like them. The certificate around it is only the shape that Azure's
 * clients read the key from; it is written anew at each start for the name of the day.
 */
export interface ReleaseIdentity {
  readonly publicKey: z.infer<typeof RsaKeySchema>;
  /** A compact JWS, RS256, in the shape of Azure Key Vault's release answer. */
  sign(payload: Readonly<Record<string, unknown>>): Promise<string>;
  /** A compact JWS of ours: canonical payload, type and owner in the header, no certificate. */
  signAs(typ: string, payload: Readonly<Record<string, unknown>>): Promise<string>;
}

export interface ReleaseIdentityOptions {
  readonly database: DatabaseSync;
  readonly owner: string;
  readonly atRest: AtRest;
  readonly auditLog: AuditLog;
  readonly clock: Clock;
  /** The host that clients know this service by. */
  readonly hostname: string;
}

const RELEASE_KEY_BITS = 3072;
const makeKeyPair = promisify(generateKeyPair);

const RowSchema = z.strictObject({
  owner: z.string(),
  wrapped: z.instanceof(Uint8Array),
});

/**
 * Opens the identity, or makes it when there is none.
 * @throws ERR_CONFIG_INVALID for another owner's database, ERR_STORE_SEALED for another master key
 */
export async function openReleaseIdentity(
  options: ReleaseIdentityOptions,
): Promise<ReleaseIdentity> {
  const privateKey = readPrivateKey(options) ?? (await makePrivateKey(options));
  const { kty, n, e } = createPublicKey(privateKey).export({ format: 'jwk' });
  const certificate = selfSigned(privateKey, options);
  const header = headerOf(certificate);
  return {
    publicKey: RsaKeySchema.parse({ kty, n, e }),
    sign: (payload) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
        .setProtectedHeader(header)
        .sign(privateKey),
    signAs: (typ, payload) =>
      new CompactSign(canonicalBytes(payload))
        .setProtectedHeader({ alg: 'RS256', kid: options.owner, typ })
        .sign(privateKey),
  };
}

interface RewrapIdentityOptions {
  readonly database: DatabaseSync;
  readonly owner: string;
  readonly before: AtRest;
  readonly after: AtRest;
}

/** @throws ERR_CONFIG_INVALID, ERR_STORE_SEALED, as opening does */
export function rewrapReleaseIdentity(options: RewrapIdentityOptions): void {
  const { database, owner, before, after } = options;
  const privateKey = readPrivateKey({ database, owner, atRest: before });
  if (!privateKey) return;
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
  const wrapped = after.wrap(secret, contextOf(owner));
  secret.fill(0);
  database.prepare('UPDATE identity SET wrapped = ? WHERE id = 1').run(wrapped);
}

function readPrivateKey({
  database,
  owner,
  atRest,
}: Pick<ReleaseIdentityOptions, 'database' | 'owner' | 'atRest'>): KeyObject | undefined {
  const row = RowSchema.optional().parse(
    database.prepare('SELECT owner, wrapped FROM identity WHERE id = 1').get(),
  );
  if (!row) return undefined;
  if (row.owner !== owner) {
    throw new StrongroomError('ERR_CONFIG_INVALID', { setting: 'owner', expected: row.owner });
  }
  const secret = Buffer.from(atRest.unwrap(row.wrapped, contextOf(owner)));
  const privateKey = createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' });
  secret.fill(0);
  return privateKey;
}

async function makePrivateKey(options: ReleaseIdentityOptions): Promise<KeyObject> {
  const { database, owner, atRest, auditLog } = options;
  const { privateKey } = await makeKeyPair('rsa', { modulusLength: RELEASE_KEY_BITS });
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
  const publicKey = JSON.stringify(createPublicKey(privateKey).export({ format: 'jwk' }));
  transaction(database, () => {
    database
      .prepare('INSERT INTO identity (id, owner, public_key, wrapped) VALUES (1, ?, ?, ?)')
      .run(owner, publicKey, atRest.wrap(secret, contextOf(owner)));
    auditLog.append({ event: 'service-created' });
  });
  secret.fill(0);
  return privateKey;
}

function contextOf(owner: string): string {
  return `strongroom/release-key-at-rest/v1 ${owner}`;
}

const ONE_DAY_MS = 86_400_000;
const CERTIFICATE_DAYS = 825;
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
/** GeneralName choices (RFC 5280 §4.2.1.6). */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

function selfSigned(privateKey: KeyObject, options: ReleaseIdentityOptions): Uint8Array {
  const { hostname, owner, clock } = options;
  const name = [
    ['O', owner],
    ['CN', hostname],
  ] as const;
  const now = clock.now();
  const alternative = { critical: false, value: sequence(generalName(hostname)) };
  const facts = {
    // At most 20 bytes and positive (RFC 5280 §4.1.2.2).
    serial: Buffer.concat([Uint8Array.of(1), randomBytes(15)]),
    issuer: name,
    subject: name,
    notBefore: now - ONE_DAY_MS,
    notAfter: now + CERTIFICATE_DAYS * ONE_DAY_MS,
    spki: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
    extensions: new Map([[SUBJECT_ALTERNATIVE_NAME, alternative]]),
  };
  return writeRsaCertificate(facts, privateKey);
}

function generalName(hostname: string): Uint8Array {
  if (isIP(hostname) === 4) return der(IP_ADDRESS, Uint8Array.from(hostname.split('.'), Number));
  return der(DNS_NAME, Buffer.from(hostname, 'latin1'));
}

/** RFC 7515 §4.1.6 to §4.1.8: `x5c` is standard base64, thumbprints are base64url. */
function headerOf(certificate: Uint8Array) {
  const thumbprint = (hash: string) => createHash(hash).update(certificate).digest('base64url');
  return {
    alg: 'RS256',
    kid: thumbprint('sha1'),
    typ: 'JWT',
    x5t: thumbprint('sha1'),
    'x5t#S256': thumbprint('sha256'),
    x5c: [Buffer.from(certificate).toString('base64')],
  };
}
