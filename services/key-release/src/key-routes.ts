import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Guard, Guards } from './guard.ts';
import { keyBundle, keyItem, keyUrl, versionUrl } from './key-bundle.ts';
import { generateKey, importKey } from './key-material.ts';
import {
  CreateSchema,
  ImportSchema,
  KeyPathSchema,
  ListQuerySchema,
  newProperties,
  operationsOf,
  readChanges,
  readRequest,
  UpdateSchema,
} from './key-requests.ts';
import type { NewKey } from './key-store.ts';
import type { ReleaseService } from './release-key.ts';

type Service = Pick<ReleaseService, 'keyStore' | 'baseUrl'>;

/** What an administrator may do: everything but see or release a private key. */
export function addKeyRoutes(scope: FastifyInstance, service: Service, guards: Guards): void {
  const guard = guards.demand('administer');
  addReadingRoutes(scope, service, guard);
  addMakingRoutes(scope, service, guard, guards.callerOf);
  addChangingRoutes(scope, service, guard, guards.callerOf);
}

function addReadingRoutes(scope: FastifyInstance, { keyStore, baseUrl }: Service, guard: Guard) {
  both(scope, 'GET', '/keys', guard, async (request) => {
    const { maxresults, $skiptoken } = readRequest(ListQuerySchema, request.query);
    const keys = keyStore.list($skiptoken, maxresults);
    const items = keys.map((key) => keyItem(key, keyUrl(key, baseUrl())));
    const next = keys.length === maxresults ? keys.at(-1)?.name : undefined;
    return listAnswer(items, `${baseUrl()}/keys`, maxresults, next);
  });
  both(scope, 'GET', '/keys/:name/versions', guard, async (request) => {
    const { name } = readRequest(KeyPathSchema, request.params);
    const { maxresults, $skiptoken } = readRequest(ListQuerySchema, request.query);
    const keys = keyStore.versions(name, Number($skiptoken) || 0, maxresults);
    const items = keys.map((key) => keyItem(key, versionUrl(key, baseUrl())));
    const next = keys.length === maxresults ? keys.at(-1)?.sequence : undefined;
    return listAnswer(items, `${baseUrl()}/keys/${name}/versions`, maxresults, next);
  });
  const readOne = async (request: FastifyRequest) => {
    const { name, version } = readRequest(KeyPathSchema, request.params);
    return keyBundle(keyStore.find(name, version), baseUrl());
  };
  both(scope, 'GET', '/keys/:name', guard, readOne);
  both(scope, 'GET', '/keys/:name/:version', guard, readOne);
}

function listAnswer(
  value: readonly object[],
  url: string,
  maxresults: number,
  next: string | number | undefined,
) {
  const nextLink = `${url}?maxresults=${maxresults}&$skiptoken=${next}`;
  return { value, nextLink: next === undefined ? null : nextLink };
}

function addMakingRoutes(
  scope: FastifyInstance,
  { keyStore, baseUrl }: Service,
  guard: Guard,
  callerOf: Guards['callerOf'],
) {
  const add = (key: NewKey, event: 'key-created' | 'key-imported', request: FastifyRequest) => {
    const added = keyStore.add(key, event, callerOf(request));
    key.material.secret.fill(0);
    return keyBundle(added, baseUrl());
  };
  both(scope, 'POST', '/keys/:name/create', guard, async (request) => {
    const { name } = readRequest(KeyPathSchema, request.params);
    const body = readRequest(CreateSchema, request.body);
    const { kty, key_size: keySize, crv: curve } = body;
    const properties = newProperties(body);
    const operations = operationsOf(kty, body.key_ops);
    const material = await generateKey({ kty, keySize, curve });
    return add({ name, kty, material, operations, ...properties }, 'key-created', request);
  });
  both(scope, 'PUT', '/keys/:name', guard, async (request) => {
    const { name } = readRequest(KeyPathSchema, request.params);
    const body = readRequest(ImportSchema, request.body);
    const { kty, key_ops } = body.key;
    const properties = newProperties(body);
    const operations = operationsOf(kty, key_ops);
    const material = importKey(kty, body.key);
    return add({ name, kty, material, operations, ...properties }, 'key-imported', request);
  });
}

function addChangingRoutes(
  scope: FastifyInstance,
  { keyStore, baseUrl }: Service,
  guard: Guard,
  callerOf: Guards['callerOf'],
) {
  const update = async (request: FastifyRequest) => {
    const { name, version } = readRequest(KeyPathSchema, request.params);
    const changes = readChanges(readRequest(UpdateSchema, request.body));
    return keyBundle(keyStore.update(name, version, changes, callerOf(request)), baseUrl());
  };
  both(scope, 'PATCH', '/keys/:name', guard, update);
  both(scope, 'PATCH', '/keys/:name/:version', guard, update);
  both(scope, 'DELETE', '/keys/:name', guard, async (request) => {
    const { name } = readRequest(KeyPathSchema, request.params);
    return keyBundle(keyStore.remove(name, callerOf(request)), baseUrl());
  });
}

/** Azure's client asks for `/keys/{name}/` when it names no version. */
function both(
  scope: FastifyInstance,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  guard: Guard,
  handler: (request: FastifyRequest) => Promise<object>,
): void {
  for (const spelled of [url, `${url}/`]) scope.route({ method, url: spelled, ...guard, handler });
}
