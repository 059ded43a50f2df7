import { StrongroomError } from '@strongroom/protocol/errors';
import { CompactJwsSchema } from '@strongroom/protocol/fields';
import { verifyLeaseStatement } from '@strongroom/sealing/lease';
import { z } from 'zod';
import type { LeaseService } from './lease-service.ts';
import { askService } from './owner-service.ts';

const AnswerSchema = z.strictObject({ statement: CompactJwsSchema });

/**
 * One owner's word that ends a contract for everybody; as often as it is asked.
 * @throws ERR_LEASE_INVALID unless the owner's service says, signed, that it is ended; the
 *   service's own code
 */
export async function endContract({ contract, contractId, owner, service }: LeaseService) {
  const path = `/leases/${contractId}/revocation`;
  const answer = AnswerSchema.safeParse(
    await askService(service, { method: 'POST', path, body: {} }),
  );
  if (!answer.success) throw new StrongroomError('ERR_LEASE_INVALID', { party: owner });
  const at = { contract, contractId, owner };
  const statement = await verifyLeaseStatement(answer.data.statement, at);
  if (statement.state === 'revoked') return statement;
  throw new StrongroomError('ERR_LEASE_INVALID', { party: owner, problem: statement.state });
}
