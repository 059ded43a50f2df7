import { type Contract, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  LEASE_STATEMENT_JWS_TYPE,
  type LeaseStatement,
  LeaseStatementSchema,
} from '@strongroom/protocol/lease';
import { verifyCompact } from './compact-jws.ts';
import { parsePayload } from './payload.ts';

const INVALID = 'ERR_LEASE_INVALID';
const CODES = { malformed: INVALID, algorithm: INVALID, signature: INVALID } as const;

/**
 * What an owner's service says about the lease of a contract, signed by the key that the contract
 * pins for it. Where it has the owner keep none, the service with its keys can say that the
 * contract has ended, by the key that signs what it releases.
 * @throws ERR_LEASE_INVALID, also for a party without a service; ERR_PARTY_UNKNOWN
 */
export async function verifyLeaseStatement(
  jws: string,
  at: { readonly contract: Contract; readonly contractId: ContractId; readonly owner: string },
): Promise<LeaseStatement> {
  const { id, keyRelease } = partyOf(at.contract, at.owner);
  const key = keyRelease?.lease?.statementKey ?? keyRelease?.releaseKey;
  if (!key) throw invalid(id, 'a party without a service');
  const payload = await verifyCompact(jws, { typ: LEASE_STATEMENT_JWS_TYPE, kid: id, key }, CODES);
  const statement = parsePayload(payload, LeaseStatementSchema, INVALID);
  if (statement.owner !== id || statement.contract !== at.contractId) {
    throw invalid(id, 'of another contract or owner');
  }
  if (!keyRelease?.lease && statement.state !== 'revoked') {
    throw invalid(id, 'an owner without a lease');
  }
  return statement;
}

function invalid(party: string, problem: string): StrongroomError {
  return new StrongroomError(INVALID, { party, problem });
}
