import { compileReleasePolicy } from '@strongroom/attestation/release-policy';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PROOF_BYTES_MAX } from '@strongroom/protocol/limits';
import { RELEASE_ALGORITHMS } from '@strongroom/sealing/wrap';
import { z } from 'zod';
import { KEY_TYPES, type KeyType } from './key-material.ts';
import type { KeyChanges, StoredPolicy } from './key-store.ts';

/** The bodies of Azure Key Vault's requests, as strict shapes: an unknown member is refused. */

const KEY_OPERATIONS = [
  'encrypt',
  'decrypt',
  'sign',
  'verify',
  'wrapKey',
  'unwrapKey',
  'import',
  'export',
] as const;

/** Azure's own limits of names and tags. */
const KeyNameSchema = z.string().regex(/^[A-Za-z0-9-]{1,127}$/);
const VersionSchema = z.string().regex(/^[0-9a-f]{32}$/);
const TagsSchema = z
  .record(z.string().max(256), z.string().max(256))
  .refine((tags) => Object.keys(tags).length <= 15, 'at most 15 tags');
const OperationsSchema = z.array(z.enum(KEY_OPERATIONS)).max(KEY_OPERATIONS.length);
const secondsSchema = z
  .int()
  .min(0)
  .max(2 ** 40);
const AttributesSchema = z.strictObject({
  enabled: z.exactOptional(z.boolean()),
  nbf: z.exactOptional(secondsSchema),
  exp: z.exactOptional(secondsSchema),
  exportable: z.exactOptional(z.boolean()),
});
const PolicySchema = z.strictObject({
  contentType: z.exactOptional(z.string().regex(/^application\/json(; *charset=utf-8)?$/i)),
  data: z.string(),
  immutable: z.exactOptional(z.boolean()),
});
const common = {
  attributes: z.exactOptional(AttributesSchema),
  tags: z.exactOptional(TagsSchema),
  release_policy: z.exactOptional(PolicySchema),
};

export const CreateSchema = z.strictObject({
  kty: z.enum(KEY_TYPES),
  key_size: z.exactOptional(z.int()),
  crv: z.exactOptional(z.string()),
  public_exponent: z.exactOptional(z.literal(65_537)),
  key_ops: z.exactOptional(OperationsSchema),
  ...common,
});

const member = z.exactOptional(z.string().max(2_048));
const rsa = { n: member, e: member, d: member, p: member, q: member };
const members = {
  ...rsa,
  dp: member,
  dq: member,
  qi: member,
  k: member,
  crv: member,
  x: member,
  y: member,
};
export const ImportSchema = z.strictObject({
  key: z.strictObject({
    kty: z.enum(KEY_TYPES),
    kid: z.exactOptional(z.string()),
    key_ops: z.exactOptional(OperationsSchema),
    ...members,
  }),
  // Azure's specification and its client differ in the first letter.
  hsm: z.exactOptional(z.boolean()),
  Hsm: z.exactOptional(z.boolean()),
  ...common,
});

export const UpdateSchema = z.strictObject({
  key_ops: z.exactOptional(OperationsSchema),
  ...common,
});

/** A proof in base64url; a token has a limit of its own. */
const TARGET_CHARACTERS_MAX = Math.ceil(PROOF_BYTES_MAX / 3) * 4;

/** An attestation token or proof. */
export const TargetSchema = z.string().min(1).max(TARGET_CHARACTERS_MAX);

export const ReleaseSchema = z.strictObject({
  target: TargetSchema,
  // What Azure takes when nothing is said.
  enc: z.enum(RELEASE_ALGORITHMS).default('CKM_RSA_AES_KEY_WRAP'),
  nonce: z.exactOptional(z.string().max(1_024)),
});

export const RestoreSchema = z.strictObject({ value: z.string().min(1) });

/** Azure gives 128 bytes at most. */
export const RandomSchema = z.strictObject({ count: z.int().min(1).max(128) });

export const KeyPathSchema = z.strictObject({
  name: KeyNameSchema,
  version: z.exactOptional(VersionSchema),
});

export const ListQuerySchema = z.looseObject({
  maxresults: z.coerce.number().int().min(1).max(25).default(25),
  $skiptoken: z.string().max(256).default(''),
});

/** Clients send `api-version` or `api%2Dversion`; both arrive under one name when decoded. */
export const ApiVersionSchema = z
  .looseObject({
    'api-version': z
      .string()
      .regex(/^\d[\w.-]{0,31}$/)
      .default('2025-07-01'),
  })
  .transform((query) => query['api-version']);

/** @throws ERR_REQUEST_INVALID with the first member that is wrong; never with its value */
export function readRequest<T>(shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const member = issue?.path.map(String).join('.') || '(body)';
  // Messages of zod quote names of unknown members, and no values.
  throw new StrongroomError('ERR_REQUEST_INVALID', { member, expected: issue?.message ?? '' });
}

/** @throws ERR_REQUEST_INVALID */
export function readBytes(text: string, member: string): Uint8Array {
  const bytes = decodeBase64url(text);
  if (bytes) return bytes;
  const expected = 'base64url without padding';
  throw new StrongroomError('ERR_REQUEST_INVALID', { member, expected });
}

const DEFAULT_OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  EC: ['sign', 'verify'],
  oct: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
};

export function operationsOf(kty: KeyType, wanted: readonly string[] | undefined) {
  return wanted ?? DEFAULT_OPERATIONS[kty.replace('-HSM', '')] ?? [];
}

type Policy = z.infer<typeof PolicySchema>;

const DEFAULT_CONTENT_TYPE = 'application/json; charset=utf-8';

/**
 * A policy is compiled here, when it is set; one that is not understood is never stored.
 * @throws ERR_POLICY_MALFORMED
 */
function readPolicy(policy: Policy): StoredPolicy {
  const bytes = decodeBase64url(policy.data);
  if (!bytes) throw badPolicy('base64url without padding');
  let json: string;
  try {
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badPolicy('UTF-8');
  }
  compileReleasePolicy(json);
  return {
    contentType: policy.contentType ?? DEFAULT_CONTENT_TYPE,
    data: policy.data,
    immutable: policy.immutable ?? false,
  };
}

function badPolicy(problem: string): StrongroomError {
  return new StrongroomError('ERR_POLICY_MALFORMED', { place: 'data', problem });
}

interface Properties {
  readonly attributes?: z.infer<typeof AttributesSchema> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly release_policy?: Policy | undefined;
}

/**
 * What a new key has beside its material. As in Azure, a key that may leave has a policy and only
 * such a key has one.
 */
export function newProperties({ attributes = {}, tags = {}, release_policy }: Properties) {
  const exportable = attributes.exportable ?? false;
  if (exportable !== (release_policy !== undefined)) {
    const expected = 'an exportable key has a release policy, and no other key has one';
    throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'release_policy', expected });
  }
  return {
    enabled: attributes.enabled ?? true,
    notBefore: attributes.nbf ?? null,
    expires: attributes.exp ?? null,
    exportable,
    tags,
    policy: release_policy ? readPolicy(release_policy) : null,
  };
}

/** Only what the request names; what it does not name stays. */
export function readChanges(body: z.infer<typeof UpdateSchema>): KeyChanges {
  const { enabled, nbf, exp, exportable } = body.attributes ?? {};
  if (exportable !== undefined) {
    const expected = 'exportable is set when a key is made, and stays';
    throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'attributes.exportable', expected });
  }
  return {
    ...(enabled === undefined ? {} : { enabled }),
    ...(nbf === undefined ? {} : { notBefore: nbf }),
    ...(exp === undefined ? {} : { expires: exp }),
    ...(body.tags === undefined ? {} : { tags: body.tags }),
    ...(body.key_ops === undefined ? {} : { operations: body.key_ops }),
    ...(body.release_policy === undefined ? {} : { policy: readPolicy(body.release_policy) }),
  };
}
