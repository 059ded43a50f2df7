import { randomBytes } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { BACKUP_BYTES_MAX } from '@strongroom/protocol/limits';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Guards } from '../access/guard.ts';
import { type AddAdminRoute, adminRoutes, type KeyService } from './admin-route.ts';
import { addDeletedKeyRoutes } from './deleted-key-routes.ts';
import {
  keyBundle,
  keyItem,
  keyUrl,
  listAnswer,
  rotationAnswer,
  versionUrl,
} from './key-bundle.ts';
import { generateKey, importKey } from './key-material.ts';
import {
  CreateSchema,
  ImportSchema,
  KeyPathSchema,
  ListQuerySchema,
  newProperties,
  operationsOf,
  RandomSchema,
  RestoreSchema,
  readBytes,
  readChanges,
  readRequest,
  UpdateSchema,
} from './key-requests.ts';
import type { NewKey } from './key-store.ts';
import { RotationPolicySchema, rotateKey } from './rotation.ts';

/** What an administrator may do: everything but see or release a private key. */
export function addKeyRoutes(scope: FastifyInstance, service: KeyService, guards: Guards): void {
  const add = adminRoutes(scope, guards);
  addReadingRoutes(add, service);
  addMakingRoutes(add, service);
  addChangingRoutes(add, service);
  addRotationRoutes(add, service);
  addBackupRoutes(add, service);
  addDeletedKeyRoutes(add, service);
  addUnofferedRoutes(add, service);
}

const pathOf = (request: FastifyRequest) => readRequest(KeyPathSchema, request.params);

function addReadingRoutes(add: AddAdminRoute, { keyStore, baseUrl }: KeyService): void {
  add('GET', '/keys', async (request) => {
    const { maxresults, $skiptoken } = readRequest(ListQuerySchema, request.query);
    const keys = keyStore.list($skiptoken, maxresults);
    const items = keys.map((key) => keyItem(key, keyUrl(key, baseUrl())));
    const next = keys.length === maxresults ? keys.at(-1)?.name : undefined;
    return listAnswer(items, `${baseUrl()}/keys`, maxresults, next);
  });
  add('GET', '/keys/:name/versions', async (request) => {
    const { name } = pathOf(request);
    const { maxresults, $skiptoken } = readRequest(ListQuerySchema, request.query);
    const keys = keyStore.versions(name, Number($skiptoken) || 0, maxresults);
    const items = keys.map((key) => keyItem(key, versionUrl(key, baseUrl())));
    const next = keys.length === maxresults ? keys.at(-1)?.sequence : undefined;
    return listAnswer(items, `${baseUrl()}/keys/${name}/versions`, maxresults, next);
  });
  const readOne = async (request: FastifyRequest) => {
    const { name, version } = pathOf(request);
    return keyBundle(keyStore.find(name, version), baseUrl());
  };
  add('GET', '/keys/:name', readOne);
  add('GET', '/keys/:name/:version', readOne);
}

function addMakingRoutes(add: AddAdminRoute, { keyStore, auditLog, baseUrl }: KeyService): void {
  const store = (key: NewKey, event: 'key-created' | 'key-imported', by: string | undefined) => {
    try {
      return keyBundle(keyStore.add(key, event, by), baseUrl());
    } finally {
      key.material.secret.fill(0);
    }
  };
  add('POST', '/keys/:name/create', async (request, by) => {
    const { name } = pathOf(request);
    const body = readRequest(CreateSchema, request.body);
    const { kty, key_size: keySize, crv: curve } = body;
    const properties = newProperties(body);
    const operations = operationsOf(kty, body.key_ops);
    const material = await generateKey({ kty, keySize, curve });
    return store({ name, kty, material, operations, ...properties }, 'key-created', by);
  });
  add('PUT', '/keys/:name', async (request, by) => {
    const { name } = pathOf(request);
    const body = readRequest(ImportSchema, request.body);
    const { kty, key_ops } = body.key;
    const properties = newProperties(body);
    const operations = operationsOf(kty, key_ops);
    const material = importKey(kty, body.key);
    return store({ name, kty, material, operations, ...properties }, 'key-imported', by);
  });
  add('POST', '/rng', async (request, by) => {
    const { count } = readRequest(RandomSchema, request.body);
    auditLog.append({ event: 'random-read', count, ...(by === undefined ? {} : { caller: by }) });
    return { value: randomBytes(count).toString('base64url') };
  });
}

function addChangingRoutes(add: AddAdminRoute, { keyStore, baseUrl }: KeyService): void {
  const update = async (request: FastifyRequest, by: string | undefined) => {
    const { name, version } = pathOf(request);
    const changes = readChanges(readRequest(UpdateSchema, request.body));
    return keyBundle(keyStore.update(name, version, changes, by), baseUrl());
  };
  add('PATCH', '/keys/:name', update);
  add('PATCH', '/keys/:name/:version', update);
}

function addRotationRoutes(add: AddAdminRoute, service: KeyService): void {
  const { keyStore, rotationPolicies, clock, baseUrl } = service;
  const seconds = () => Math.floor(clock.now() / 1_000);
  add('POST', '/keys/:name/rotate', async (request, by) => {
    const { name } = pathOf(request);
    return keyBundle(await rotateKey(name, { keyStore, rotationPolicies, seconds }, by), baseUrl());
  });
  add('GET', '/keys/:name/rotationpolicy', async (request) => {
    const { name } = keyStore.find(pathOf(request).name);
    return rotationAnswer(name, rotationPolicies.find(name), baseUrl());
  });
  add('PUT', '/keys/:name/rotationpolicy', async (request, by) => {
    const { name } = keyStore.find(pathOf(request).name);
    const policy = readRequest(RotationPolicySchema, request.body);
    return rotationAnswer(name, rotationPolicies.set(name, policy, by), baseUrl());
  });
}

function addBackupRoutes(add: AddAdminRoute, { keyBackups, baseUrl }: KeyService): void {
  add('POST', '/keys/:name/backup', async (request, by) => {
    const backup = keyBackups.backup(pathOf(request).name, by);
    return { value: Buffer.from(backup).toString('base64url') };
  });
  const restore = async (request: FastifyRequest, by: string | undefined) => {
    const { value } = readRequest(RestoreSchema, request.body);
    return keyBundle(keyBackups.restore(readBytes(value, 'value'), by), baseUrl());
  };
  add('POST', '/keys/restore', restore, { bodyLimit: 2 * BACKUP_BYTES_MAX });
}

/** Azure's names of what a vault does with a key in its place; here nothing does. */
export const UNOFFERED = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapkey', 'unwrapkey'] as const;

function addUnofferedRoutes(add: AddAdminRoute, { keyStore }: KeyService): void {
  const refuse = (operation: string) => async (request: FastifyRequest) => {
    const { name, version } = pathOf(request);
    keyStore.find(name, version);
    throw new StrongroomError('ERR_OPERATION_NOT_OFFERED', { key: name, operation });
  };
  for (const each of UNOFFERED) {
    add('POST', `/keys/:name/${each}`, refuse(each));
    add('POST', `/keys/:name/:version/${each}`, refuse(each));
  }
  // An HSM would attest where the key is; this is none.
  add('GET', '/keys/:name/attestation', refuse('attestation'));
  add('GET', '/keys/:name/:version/attestation', refuse('attestation'));
}
