import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { DeletedKeys } from './deleted-keys.ts';
import type { Guards } from './guard.ts';
import type { KeyBackups } from './key-backup.ts';
import type { ReleaseService } from './release-key.ts';
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
 * version, so each answers with a slash at the end too. What is read is in the audit log before it
 * is answered; what changes something writes its own entry, in the same transaction.
 */
export function adminRoutes(
  scope: FastifyInstance,
  { auditLog }: Pick<KeyService, 'auditLog'>,
  guards: Guards,
): AddAdminRoute {
  const guard = guards.demand('administer');
  return (method, url, handle, options = {}) => {
    const handler = async (request: FastifyRequest, reply: FastifyReply) => {
      const by = guards.callerOf(request);
      const answer = await handle(request, by, reply);
      if (method === 'GET') {
        auditLog.append({
          event: 'keys-read',
          route: url,
          ...(by === undefined ? {} : { caller: by }),
        });
      }
      return answer;
    };
    for (const spelled of [url, `${url}/`]) {
      scope.route({ method, url: spelled, ...guard, ...options, handler });
    }
  };
}
