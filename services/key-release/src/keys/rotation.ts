import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { z } from 'zod';
import { transaction } from '../storage/database.ts';
import { daysAtLeast, parseDuration, shifted } from './duration.ts';
import { generateKey, type KeySpecification } from './key-material.ts';
import type { KeyStore, KeyStoreOptions, KeyVersion } from './key-store.ts';
import { callerFact } from './sealed-rows.ts';

/** When a key gets its next version, or its administrators a line in the log. */

/** Azure's smallest: 28 days of life, 7 days from or to an event. */
const EXPIRY_DAYS_MIN = 28;
const TRIGGER_DAYS_MIN = 7;

const duration = (daysMin: number) =>
  z.string().refine((text) => {
    const parsed = parseDuration(text);
    return parsed !== undefined && daysAtLeast(parsed) >= daysMin;
  }, `an ISO 8601 duration of years, months and days, ${daysMin} days at least`);

const ActionSchema = z
  .strictObject({
    trigger: z.strictObject({
      timeAfterCreate: z.exactOptional(duration(TRIGGER_DAYS_MIN)),
      timeBeforeExpiry: z.exactOptional(duration(TRIGGER_DAYS_MIN)),
    }),
    action: z.strictObject({
      type: z
        .string()
        .transform((type) => type.toLowerCase())
        .pipe(z.enum(['rotate', 'notify'])),
    }),
  })
  .refine(
    ({ trigger }) =>
      (trigger.timeAfterCreate === undefined) !== (trigger.timeBeforeExpiry === undefined),
    'either timeAfterCreate or timeBeforeExpiry',
  );

export const RotationPolicySchema = z.strictObject({
  id: z.exactOptional(z.string()),
  lifetimeActions: z.array(ActionSchema).max(2).default([]),
  attributes: z
    .looseObject({ expiryTime: z.exactOptional(duration(EXPIRY_DAYS_MIN)) })
    .default({})
    .transform(({ expiryTime }) => ({ ...(expiryTime === undefined ? {} : { expiryTime }) })),
});
type RotationPolicy = Omit<z.infer<typeof RotationPolicySchema>, 'id'>;

export interface StoredRotationPolicy extends RotationPolicy {
  readonly created: number | null;
  readonly updated: number | null;
}

export interface RotationPolicies {
  /** An empty one when none was set. */
  find(name: string): StoredRotationPolicy;
  set(name: string, policy: RotationPolicy, by: string | undefined): StoredRotationPolicy;
}

const RowSchema = z
  .strictObject({ policy: z.string(), created: z.int(), updated: z.int() })
  .transform(({ policy, ...times }) => ({
    ...RotationPolicySchema.parse(JSON.parse(policy)),
    ...times,
  }));

export function createRotationPolicies(options: KeyStoreOptions): RotationPolicies {
  const { database, auditLog, clock } = options;
  const get = database.prepare(
    'SELECT policy, created, updated FROM rotation_policies WHERE name = ?',
  );
  const put = database.prepare(
    'INSERT OR REPLACE INTO rotation_policies (name, policy, created, updated) VALUES (?, ?, ?, ?)',
  );
  const find = (name: string): StoredRotationPolicy =>
    RowSchema.optional().parse(get.get(name)) ?? {
      ...{ lifetimeActions: [], attributes: {} },
      ...{ created: null, updated: null },
    };
  return {
    find,
    set: (name, { lifetimeActions, attributes }, by) =>
      transaction(database, () => {
        const now = Math.floor(clock.now() / 1_000);
        const text = new TextDecoder().decode(canonicalBytes({ lifetimeActions, attributes }));
        put.run(name, text, find(name).created ?? now, now);
        auditLog.append({ event: 'rotation-policy-set', key: name, ...callerFact(by) });
        return find(name);
      }),
  };
}

export interface RotationOptions {
  readonly keyStore: KeyStore;
  readonly rotationPolicies: RotationPolicies;
  /** Seconds since 1970. */
  readonly seconds: () => number;
}

/**
 * Makes the next version of a key: of the same kind, with the properties of the newest one, valid
 * for as long as the rotation policy says.
 * @throws ERR_KEY_NOT_FOUND
 */
export async function rotateKey(
  name: string,
  { keyStore, rotationPolicies, seconds }: RotationOptions,
  by: string | undefined,
): Promise<KeyVersion> {
  const material = await generateKey(specificationOf(keyStore.find(name)));
  const life = parseDuration(rotationPolicies.find(name).attributes.expiryTime ?? '');
  const expires = life ? shifted(seconds(), life, 1) : null;
  try {
    return keyStore.rotate(name, { material, expires }, by);
  } finally {
    material.secret.fill(0);
  }
}

function specificationOf({ kty, publicKey }: KeyVersion): KeySpecification {
  const { n, crv } = publicKey;
  const keySize = n === undefined ? undefined : Buffer.from(n, 'base64url').length * 8;
  return { kty, keySize, curve: crv };
}

/** What the policies of all keys ask for now. */
export function dueActions(
  key: KeyVersion,
  { lifetimeActions }: StoredRotationPolicy,
  now: number,
): ReadonlySet<'rotate' | 'notify'> {
  const due = lifetimeActions.filter(({ trigger }) => {
    const after = parseDuration(trigger.timeAfterCreate ?? '');
    const before = parseDuration(trigger.timeBeforeExpiry ?? '');
    if (after) return now >= shifted(key.created, after, 1);
    return before !== undefined && key.expires !== null && now >= shifted(key.expires, before, -1);
  });
  return new Set(due.map(({ action }) => action.type));
}
