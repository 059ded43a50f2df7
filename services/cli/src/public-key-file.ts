import { StrongroomError } from '@strongroom/protocol/errors';
import {
  Ed25519KeySchema,
  P256KeySchema,
  P384KeySchema,
  RsaKeySchema,
  X25519KeySchema,
} from '@strongroom/protocol/public-key';
import { z } from 'zod';

/**
 * Finds the public key in a file that another command or service wrote: a JWK, a JWK under a
 * member of that name (`identity new --json`), or one under `key` (`key show --json`). Only the
 * members that make up the key are kept, since a contract has one form for a key.
 * @throws ERR_CONFIG_INVALID for no key, for several, and for a private key
 */
export function publicKeyOf(document: unknown, member: string, path: string): unknown {
  const parsed = KeyFileSchema.safeParse(document);
  if (!parsed.success) throw noKey(path);
  const file = parsed.data;
  return bareKey(file[member] ?? file['key'] ?? file, path);
}

/** The keys of a JWK set (an attestation service's /certs), or one key alone. */
export function publicKeysOf(document: unknown, path: string): unknown[] {
  const parsed = KeySetSchema.safeParse(document);
  return parsed.success
    ? parsed.data.keys.map((each) => bareKey(each, path))
    : [publicKeyOf(document, 'key', path)];
}

const KeyFileSchema = z.record(z.string(), z.unknown());
const KeySetSchema = z.looseObject({ keys: z.array(z.unknown()).min(1) });

const KEY_SCHEMAS = [
  Ed25519KeySchema,
  X25519KeySchema,
  P256KeySchema,
  P384KeySchema,
  RsaKeySchema,
] as const;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

function bareKey(value: unknown, path: string): unknown {
  const jwk = KeyFileSchema.safeParse(value);
  if (!jwk.success) throw noKey(path);
  if (PRIVATE_MEMBERS.some((member) => member in jwk.data)) {
    const problem = 'a private key; give the file with its public half';
    throw new StrongroomError('ERR_CONFIG_INVALID', { path, problem });
  }
  for (const keySchema of KEY_SCHEMAS) {
    // What is not part of the key (kid, use, alg, x5c) is left behind.
    const members = Object.keys(keySchema.shape).map((member) => [member, jwk.data[member]]);
    const bare = keySchema.safeParse(Object.fromEntries(members));
    if (bare.success) return bare.data;
  }
  throw noKey(path);
}

function noKey(path: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { path, problem: 'no public key in this file' });
}
