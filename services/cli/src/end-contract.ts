import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { CompactJwsSchema } from '@strongroom/protocol/fields';
import { verifyLeaseStatement } from '@strongroom/sealing/lease';
import { z } from 'zod';
import type { LeaseService } from './lease-service.ts';
import { askService } from './owner-service.ts';

const AnswerSchema = z.strictObject({ statement: CompactJwsSchema });

/**
 * One owner's word that ends a contract for everybody; as often as it is asked.
 * @throws ERR_LEASE_INVALID unless the owner's service says, signed, that it is ended; the
 *   service's own code; ERR_USAGE where keys are in a vault that knows of no end
 */
export async function endContract(at: LeaseService) {
  const { contract, contractId, owner } = at;
  const answer = AnswerSchema.safeParse(await askToEnd(at));
  if (!answer.success) throw new StrongroomError('ERR_LEASE_INVALID', { party: owner });
  const of = { contract, contractId, owner };
  const statement = await verifyLeaseStatement(answer.data.statement, of);
  if (statement.state === 'revoked') return statement;
  throw new StrongroomError('ERR_LEASE_INVALID', { party: owner, problem: statement.state });
}

async function askToEnd({ contractId, owner, service, keepsLease }: LeaseService) {
  const path = `/leases/${contractId}/revocation`;
  try {
    return await askService(service, { method: 'POST', path, body: {} });
  } catch (error) {
    // It has answered, and is none of ours.
    const isOther =
      codeOf(error) === 'ERR_SERVICE_UNREACHABLE' && 'status' in (error as StrongroomError).facts;
    if (keepsLease || !isOther) throw error;
    const problem = `${owner} keeps no lease, and its vault ends no contract: disable its keys`;
    throw new StrongroomError('ERR_USAGE', { problem });
  }
}
