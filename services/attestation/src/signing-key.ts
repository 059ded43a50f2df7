import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeRsaCertificate } from '@strongroom/attestation/x509/write-certificate';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';
import { makePrivateFolder, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { calculateJwkThumbprint, exportJWK } from 'jose';

/** The key that signs tokens. Its private half is in one file of the data folder, mode 0600. */
export interface TokenSigner {
  readonly privateKey: KeyObject;
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  /** What `GET /certs` shows, with a self-signed certificate as Azure Attestation does it. */
  readonly publicJwk: Readonly<Record<string, unknown>>;
}

const FILE = 'token-signing-key.pem';
const MODULUS_BITS = 3_072;
const CERTIFICATE_DAYS = 3_650;

/** Reads the key, or makes it at the first start. @throws ERR_FILE_*, ERR_CONFIG_INVALID */
export async function openTokenSigner(folder: string, clock: Clock): Promise<TokenSigner> {
  await makePrivateFolder(folder);
  const path = join(folder, FILE);
  const privateKey = existsSync(path) ? await readPrivateKey(path) : await makePrivateKey(path);
  const { kty, n, e } = await exportJWK(createPublicKey(privateKey));
  if (kty !== 'RSA' || n === undefined || e === undefined) throw notUsable(path);
  const kid = await calculateJwkThumbprint({ kty, n, e });
  const x5c = [selfSigned(privateKey, clock.now()).toString('base64')];
  return { privateKey, kid, publicJwk: { kty, n, e, kid, alg: 'RS256', use: 'sig', x5c } };
}

async function readPrivateKey(path: string): Promise<KeyObject> {
  const pem = await readTextFile(path);
  try {
    return createPrivateKey(pem);
  } catch {
    throw notUsable(path);
  }
}

async function makePrivateKey(path: string): Promise<KeyObject> {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS });
  await writeFileAtomic(path, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }), 0o600);
  return pair.privateKey;
}

/** Carries the key for clients that read `x5c` only; nobody's trust comes from it. */
function selfSigned(privateKey: KeyObject, now: number): Buffer {
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

function notUsable(path: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { path, expected: 'an RSA private key' });
}
