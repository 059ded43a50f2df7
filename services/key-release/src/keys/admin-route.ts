import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { Guards } from '../access/guard.ts';
import type { ReleaseService } from '../release-key.ts';
import type { DeletedKeys } from './deleted-keys.ts';
import type { KeyBackups } from './key-backup.ts';
import type { RotationPolicies } from './rotation.ts';

/** What an administrator's routes work on. */
export interface KeyService
  extends Pick<ReleaseService, 'keyStore' | 'auditLog' | 'clock' | 'baseUrl'> {
  readonly deletedKeys: DeletedKeys;
  readonly keyBackups: KeyBackups;
  readonly rotationPolicies: RotationPolicies;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** `by` is the name of who asks, for the audit entry. */
type Handler = (
  request: FastifyRequest,
  by: string | undefined,
  reply: FastifyReply,
) => Promise<object | undefined>;

export type AddAdminRoute = (
  method: Method,
  url: string,
  handler: Handler,
  options?: Pick<RouteShorthandOptions, 'bodyLimit'>,
) => void;

/**
 * Routes for the right `administer`. Azure's client asks for `/keys/{name}/` when it names no
 * version, so each answers with a slash at the end too. What changes something writes its own audit
 * entry, in the same transaction.
 */
export function adminRoutes(scope: FastifyInstance, guards: Guards): AddAdminRoute {
  const guard = guards.demand('administer');
  return (method, url, handle, options = {}) => {
    const handler = (request: FastifyRequest, reply: FastifyReply) =>
      handle(request, guards.callerOf(request), reply);
    for (const spelled of [url, `${url}/`]) {
      scope.route({ method, url: spelled, ...guard, ...options, handler });
    }
  };
}
