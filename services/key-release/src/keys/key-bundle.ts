import { DELETED_KEY_DAYS } from '@strongroom/protocol/limits';
import type { ReleaseRequest } from '../release-key.ts';
import { purgeTimeOf } from './deleted-keys.ts';
import type { KeyVersion } from './key-store.ts';
import type { StoredRotationPolicy } from './rotation.ts';

/** How keys look in Azure Key Vault's REST answers. */

/** A public half with its attributes: what every answer about a key is. */
export function keyBundle(key: KeyVersion, baseUrl: string) {
  return {
    key: publicJwk(key, baseUrl),
    attributes: attributesOf(key),
    tags: key.tags,
    ...(key.policy ? { release_policy: key.policy } : {}),
  };
}

export function keyItem(key: KeyVersion, kid: string) {
  return { kid, attributes: attributesOf(key), tags: key.tags };
}

export function deletedBundle(key: KeyVersion, baseUrl: string) {
  return { ...keyBundle(key, baseUrl), ...deletionOf(key, baseUrl) };
}

export function deletedItem(key: KeyVersion, baseUrl: string) {
  return { ...keyItem(key, keyUrl(key, baseUrl)), ...deletionOf(key, baseUrl) };
}

function deletionOf({ name, deleted }: KeyVersion, baseUrl: string) {
  const deletedDate = deleted ?? 0;
  return {
    recoveryId: `${baseUrl}/deletedkeys/${name}`,
    deletedDate,
    scheduledPurgeDate: purgeTimeOf(deletedDate),
  };
}

const ACTION_NAMES = { rotate: 'Rotate', notify: 'Notify' } as const;

export function rotationAnswer(name: string, policy: StoredRotationPolicy, baseUrl: string) {
  const { lifetimeActions, attributes, created, updated } = policy;
  return {
    id: `${baseUrl}/keys/${name}/rotationpolicy`,
    lifetimeActions: lifetimeActions.map(({ trigger, action }) => ({
      trigger,
      action: { type: ACTION_NAMES[action.type] },
    })),
    attributes: { ...attributes, ...(created === null ? {} : { created, updated }) },
  };
}

export function listAnswer(
  value: readonly object[],
  url: string,
  maxresults: number,
  next: string | number | undefined,
) {
  const nextLink = `${url}?maxresults=${maxresults}&$skiptoken=${next}`;
  return { value, nextLink: next === undefined ? null : nextLink };
}

export function keyUrl(key: KeyVersion, baseUrl: string): string {
  return `${baseUrl}/keys/${key.name}`;
}

export function versionUrl(key: KeyVersion, baseUrl: string): string {
  return `${keyUrl(key, baseUrl)}/${key.version}`;
}

function publicJwk(key: KeyVersion, baseUrl: string) {
  const { kty, operations, publicKey } = key;
  return { kid: versionUrl(key, baseUrl), kty, key_ops: operations, ...publicKey };
}

function attributesOf(key: KeyVersion) {
  const { enabled, notBefore, expires, created, updated, exportable } = key;
  return {
    enabled,
    ...(notBefore === null ? {} : { nbf: notBefore }),
    ...(expires === null ? {} : { exp: expires }),
    created,
    updated,
    recoveryLevel: 'Recoverable+Purgeable',
    recoverableDays: DELETED_KEY_DAYS,
    exportable,
  };
}

/** The payload of a release, in the shape that Azure's own consumers read. */
export function releaseAnswer(
  key: KeyVersion,
  wrapped: Uint8Array,
  request: ReleaseRequest,
  baseUrl: string,
) {
  const { name, version, algorithm, nonce, apiVersion } = request;
  const kid = version === undefined ? `/keys/${name}` : `/keys/${name}/${version}`;
  const bundle = keyBundle(key, baseUrl);
  const keyHsm = {
    schema_version: '1.0',
    header: { kid: 'transport', alg: 'dir', enc: algorithm },
    ciphertext: Buffer.from(wrapped).toString('base64url'),
  };
  return {
    request: {
      'api-version': apiVersion,
      enc: algorithm,
      kid: `${baseUrl}${kid}`,
      ...(nonce === undefined ? {} : { nonce }),
    },
    response: {
      key: {
        ...bundle,
        key: {
          ...bundle.key,
          key_hsm: Buffer.from(JSON.stringify(keyHsm)).toString('base64url'),
        },
      },
    },
  };
}
