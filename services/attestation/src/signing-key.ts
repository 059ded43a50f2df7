import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCertificate, publicKeyOf } from '@strongroom/attestation/x509/certificate';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CLOCK_SKEW_SECONDS_MAX, TOKEN_AGE_SECONDS_MAX } from '@strongroom/protocol/limits';
import type { Clock } from '@strongroom/runtime/clock';
import { makePrivateFolder, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { z } from 'zod';
import { makePrivateKey, selfSigned } from './make-signing-key.ts';

/** The key that signs tokens now, and those that tokens may still be signed with. */
export interface TokenSigner {
  readonly privateKey: KeyObject;
  readonly kid: string;
  /** With a self-signed certificate as Azure Attestation publishes it. */
  readonly publicJwk: PublishedKey;
  /** What `GET /certs` shows: the next key, the present one, and old ones with living tokens. */
  published(): readonly PublishedKey[];
  /**
   * Publishes a new key, which signs as soon as every reader can know it. While one waits, no other
   * is made. @throws ERR_FILE_UNWRITABLE, ERR_DISK_FULL
   */
  rotate(): Promise<{ readonly kid: string; readonly signsFrom: number }>;
}

type PublishedKey = Readonly<Record<string, unknown>>;

/** Private halves stay in this file of the data folder, mode 0600. */
const FILE = 'token-signing-keys.json';
/** Where the one key lay before there were several. */
const FILE_BEFORE = 'token-signing-key.pem';
/** Readers of ours remember a key set for 10 minutes. */
const LEAD_MS = 15 * 60_000;
/** No token of an old key is believed longer than this after the key's last signature. */
const LIVING_MS = (TOKEN_AGE_SECONDS_MAX + CLOCK_SKEW_SECONDS_MAX) * 1_000;

const KeySchema = z.strictObject({
  /** DER in base64. */
  certificate: z.base64(),
  /** PKCS #8 in PEM; erased when the key has signed its last token. */
  privateKey: z.nullable(z.string()),
  /** Milliseconds since 1970. */
  signsFrom: z.int().min(0),
});
const FileSchema = z.strictObject({ v: z.literal(1), keys: z.array(KeySchema).min(1) });
type StoredKey = z.infer<typeof KeySchema>;

interface SigningKey {
  readonly stored: StoredKey;
  readonly kid: string;
  readonly publicJwk: PublishedKey;
  readonly privateKey: KeyObject | null;
}

/** Reads the keys, or makes one at the first start. @throws ERR_FILE_*, ERR_CONFIG_INVALID */
export async function openTokenSigner(folder: string, clock: Clock): Promise<TokenSigner> {
  await makePrivateFolder(folder);
  const path = join(folder, FILE);
  let keys = await readKeys(folder, clock);
  const keep = async (changed: readonly SigningKey[]) => {
    const living = withoutEnded(changed, clock.now());
    const file = { v: 1, keys: living.map(({ stored }) => stored) };
    await writeFileAtomic(path, JSON.stringify(file), 0o600);
    keys = living;
  };
  await keep(keys);
  await rm(join(folder, FILE_BEFORE), { force: true });
  const current = () => currentOf(keys, clock.now(), path);
  let rotation = Promise.resolve();
  const rotate = async () => {
    const [last] = keys.slice(-1);
    if (last && last.stored.signsFrom > clock.now()) return;
    const privateKey = await makePrivateKey();
    await keep([...keys, newKey(privateKey, clock.now(), clock.now() + LEAD_MS)]);
  };
  return {
    get privateKey() {
      return current().privateKey;
    },
    get kid() {
      return current().kid;
    },
    get publicJwk() {
      return current().publicJwk;
    },
    published: () => withoutEnded(keys, clock.now()).map(({ publicJwk }) => publicJwk),
    rotate: async () => {
      // One after the other: two that begin together must not make two keys.
      const mine = rotation.then(rotate);
      rotation = mine.catch(() => undefined);
      await mine;
      const next = keys.at(-1) ?? current();
      return { kid: next.kid, signsFrom: next.stored.signsFrom };
    },
  };
}

async function readKeys(folder: string, clock: Clock): Promise<readonly SigningKey[]> {
  const path = join(folder, FILE);
  if (existsSync(path)) return parseKeys(await readTextFile(path), path);
  const before = join(folder, FILE_BEFORE);
  const privateKey = existsSync(before)
    ? privateKeyOf(await readTextFile(before), before)
    : await makePrivateKey();
  return [newKey(privateKey, clock.now(), clock.now())];
}

function parseKeys(text: string, path: string): readonly SigningKey[] {
  try {
    return FileSchema.parse(JSON.parse(text)).keys.map((stored) => toKey(stored, path));
  } catch {
    throw notUsable(path);
  }
}

function newKey(privateKey: KeyObject, now: number, signsFrom: number): SigningKey {
  const certificate = selfSigned(privateKey, now).toString('base64');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return toKey({ certificate, privateKey: pem, signsFrom }, FILE_BEFORE);
}

function toKey(stored: StoredKey, path: string): SigningKey {
  const der = new Uint8Array(Buffer.from(stored.certificate, 'base64'));
  const publicKey = publicKeyOf(parseCertificate(der));
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  if (kty !== 'RSA' || n === undefined || e === undefined) throw notUsable(path);
  const privateKey = stored.privateKey === null ? null : privateKeyOf(stored.privateKey, path);
  if (privateKey && !createPublicKey(privateKey).equals(publicKey)) throw notUsable(path);
  const kid = keyIdOf(publicKey);
  const x5c = [stored.certificate];
  return {
    stored,
    kid,
    privateKey,
    publicJwk: { kty, n, e, kid, alg: 'RS256', use: 'sig', x5c },
  };
}

/** Azure's name of a self-signed key: over the text of its PEM and the NUL byte behind it. */
export function keyIdOf(publicKey: KeyObject): string {
  const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return createHash('sha256').update(`${pem}\0`).digest('base64');
}

/** The last one whose time has come; the first one for a clock that was set back. */
function currentOf(keys: readonly SigningKey[], now: number, path: string) {
  const found = keys.findLast(({ stored }) => stored.signsFrom <= now) ?? keys[0];
  if (!found?.privateKey) throw notUsable(path);
  return { ...found, privateKey: found.privateKey };
}

/** A key ends when its successor signs, and is forgotten when its last token has expired. */
function withoutEnded(keys: readonly SigningKey[], now: number): readonly SigningKey[] {
  return keys.flatMap((each, index) => {
    const end = keys[index + 1]?.stored.signsFrom ?? Number.POSITIVE_INFINITY;
    if (end + LIVING_MS < now) return [];
    if (end > now) return [each];
    return [{ ...each, privateKey: null, stored: { ...each.stored, privateKey: null } }];
  });
}

function privateKeyOf(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw notUsable(path);
  }
}

function notUsable(path: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { path, expected: 'RSA private keys' });
}
