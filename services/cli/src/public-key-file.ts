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

/** The schemas strip what is not part of the key: kid, use, alg, x5c. */
const BareKeySchema = z.union(
  [Ed25519KeySchema, X25519KeySchema, P256KeySchema, P384KeySchema, RsaKeySchema].map((each) =>
    z.object(each.shape),
  ),
);
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

function bareKey(value: unknown, path: string): unknown {
  const jwk = KeyFileSchema.safeParse(value);
  if (!jwk.success) throw noKey(path);
  if (PRIVATE_MEMBERS.some((member) => member in jwk.data)) {
    const problem = 'a private key; give the file with its public half';
    throw new StrongroomError('ERR_CONFIG_INVALID', { path, problem });
  }
  const bare = BareKeySchema.safeParse(value);
  if (!bare.success) throw noKey(path);
  return bare.data;
}

function noKey(path: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { path, problem: 'no public key in this file' });
}
