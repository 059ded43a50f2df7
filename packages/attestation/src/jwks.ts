import { createPublicKey } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type IssuerKey,
  P256KeySchema,
  P384KeySchema,
  RsaKeySchema,
} from '@strongroom/protocol/public-key';
import { z } from 'zod';
import { repeatedMember } from './release-policy/repeated-member.ts';
import { type AuthorityKey, algorithmsOfKey, TOKEN_ALGORITHMS } from './token.ts';
import { parseCertificate, publicKeyOf } from './x509/certificate.ts';

/** A JSON Web Key Set (RFC 7517 §5) as text, and what of it may verify a token. */
export interface KeySet {
  readonly keys: readonly AuthorityKey[];
  /** Why each of the others was left out; one bad key does not fail the set. */
  readonly skipped: readonly { readonly kid: string; readonly reason: string }[];
}

const KEYS_MAX = 64;
/** RFC 7518 §3.3. Azure has published RSA-1024 keys beside good ones. */
const MODULUS_BITS_MIN = 2_048;
const MODULUS_BITS_MAX = 8_192;

const KeySetSchema = z.looseObject({ keys: z.array(z.unknown()).max(KEYS_MAX) });
const EntrySchema = z.looseObject({
  kty: z.enum(['RSA', 'EC']),
  kid: z.exactOptional(z.string().min(1).max(256)),
  use: z.exactOptional(z.literal('sig')),
  key_ops: z.exactOptional(z.array(z.string()).refine((all) => all.includes('verify'))),
  alg: z.exactOptional(z.enum(TOKEN_ALGORITHMS)),
  x5c: z.exactOptional(z.array(z.string()).min(1).max(8)),
});
type Entry = z.infer<typeof EntrySchema>;

/**
 * Reads a key set. Azure Attestation publishes certificates only (`x5c`, no `n` and `e`): the key
 * is then the first certificate's, read by our own strict reader. Nothing is concluded from who
 * signed the certificate: whoever fetched the set vouches for where it came from.
 * @throws ERR_TOKEN_INVALID (`check: 'key-set'`) when the text is no key set at all
 */
export function parseKeySet(text: string): KeySet {
  const set = KeySetSchema.safeParse(parseJson(text));
  if (!set.success) throw malformed();
  const keys: AuthorityKey[] = [];
  const skipped: { kid: string; reason: string }[] = [];
  for (const each of set.data.keys) {
    const entry = EntrySchema.safeParse(each);
    const read = entry.success ? readKey(entry.data) : 'shape';
    if (typeof read === 'string') skipped.push({ kid: kidOf(each), reason: read });
    else keys.push(read);
  }
  return { keys, skipped };
}

/** RFC 7518 §6.2.2, §6.3.2, §6.4.1. Whoever publishes one of them signs for everybody. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** @returns the key, or why it is not used */
function readKey(entry: Entry): AuthorityKey | string {
  if (PRIVATE_MEMBERS.some((member) => member in entry)) return 'private';
  const spelled = ['n', 'e', 'crv', 'x', 'y'].some((member) => member in entry);
  const fromMembers = spelled ? membersOf(entry) : undefined;
  if (spelled && !fromMembers) return 'no-key';
  const fromCertificate = entry.x5c ? certificateKey(entry.x5c[0] ?? '') : undefined;
  const found = fromMembers ?? fromCertificate;
  if (!found) return 'no-key';
  // Two keys under one name: each reader would take another one.
  if (fromMembers && entry.x5c && !sameKey(fromMembers, fromCertificate)) return 'two-keys';
  if (found.kty !== entry.kty) return 'kind';
  const problem = weakness(found);
  if (problem !== undefined) return problem;
  const { kid, alg } = entry;
  if (alg !== undefined && !algorithmsOfKey(found).includes(alg)) return 'algorithm';
  return { ...found, ...(kid === undefined ? {} : { kid }), ...(alg === undefined ? {} : { alg }) };
}

function membersOf({ kty, n, e, crv, x, y }: Entry): IssuerKey | undefined {
  const members = kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y };
  return KeySchema.safeParse(members).data;
}

const KeySchema = z.union([RsaKeySchema, P256KeySchema, P384KeySchema]);

/** `x5c` is base64 with padding, not base64url (RFC 7517 §4.7), of exactly one certificate. */
function certificateKey(text: string): IssuerKey | undefined {
  const der = Buffer.from(text, 'base64');
  if (der.toString('base64') !== text) return undefined;
  try {
    const { kty, n, e, crv, x, y } = publicKeyOf(parseCertificate(new Uint8Array(der))).export({
      format: 'jwk',
    });
    return KeySchema.safeParse(kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y }).data;
  } catch {
    return undefined;
  }
}

function weakness(publicKey: IssuerKey): string | undefined {
  if (publicKey.kty === 'EC') return importable(publicKey) ? undefined : 'not-on-curve';
  if (publicKey.e !== 'AQAB') return 'rsa-exponent';
  // A number has one spelling, without zeros before it (RFC 7518 §2): they would count as bits.
  const [first = 0, ...rest] = decodeBase64url(publicKey.n) ?? [];
  if (first === 0) return 'shape';
  const bits = rest.length * 8 + 32 - Math.clz32(first);
  return bits < MODULUS_BITS_MIN || bits > MODULUS_BITS_MAX ? 'rsa-modulus' : undefined;
}

function importable(publicKey: IssuerKey): boolean {
  try {
    createPublicKey({ key: { ...publicKey }, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

function sameKey(left: IssuerKey, right: IssuerKey | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function kidOf(entry: unknown): string {
  const kid = z.looseObject({ kid: z.string() }).safeParse(entry).data?.kid ?? '';
  return kid.slice(0, 64);
}

/** Undefined, which is no key set, for what is no JSON or says a member twice. */
function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return repeatedMember(text) === undefined ? value : undefined;
  } catch {
    return undefined;
  }
}

function malformed(): StrongroomError {
  return new StrongroomError('ERR_TOKEN_INVALID', { check: 'key-set' });
}
