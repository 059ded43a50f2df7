import type { FastifyRequest } from 'fastify';
import type { AddAdminRoute, KeyService } from './admin-route.ts';
import { deletedBundle, deletedItem, keyBundle, listAnswer } from './key-bundle.ts';
import { KeyPathSchema, ListQuerySchema, readRequest } from './key-requests.ts';

/** Deletion, and the way back from it. */
export function addDeletedKeyRoutes(add: AddAdminRoute, service: KeyService): void {
  const { deletedKeys, baseUrl } = service;
  const nameOf = (request: FastifyRequest) => readRequest(KeyPathSchema, request.params).name;
  add('DELETE', '/keys/:name', async (request, by) =>
    deletedBundle(deletedKeys.remove(nameOf(request), by), baseUrl()),
  );
  add('GET', '/deletedkeys', async (request) => {
    const { maxresults, $skiptoken } = readRequest(ListQuerySchema, request.query);
    const keys = deletedKeys.list($skiptoken, maxresults);
    const items = keys.map((key) => deletedItem(key, baseUrl()));
    const next = keys.length === maxresults ? keys.at(-1)?.name : undefined;
    return listAnswer(items, `${baseUrl()}/deletedkeys`, maxresults, next);
  });
  add('GET', '/deletedkeys/:name', async (request) =>
    deletedBundle(deletedKeys.find(nameOf(request)), baseUrl()),
  );
  add('POST', '/deletedkeys/:name/recover', async (request, by) =>
    keyBundle(deletedKeys.recover(nameOf(request), by), baseUrl()),
  );
  add('DELETE', '/deletedkeys/:name', async (request, by, reply) => {
    deletedKeys.purge(nameOf(request), by);
    reply.code(204);
    return undefined;
  });
}
