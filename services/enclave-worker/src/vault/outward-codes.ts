import type { ErrorCode } from '@strongroom/protocol/errors';
import type { DoorVerb } from './door.ts';

/**
 * Codes by which a vault that has rows may end a request. Each follows from what lies on the log,
 * from the contract, or from an owner's answer, as everybody can see them. Of any other it says
 * that it is lost, as if it had been killed, and ends: a row chooses no code that others see. What
 * is wrong with one record is no such end, and told to its owner (quarantine.ts).
 */
const OUTWARD: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  // The log, and what its records say of themselves.
  'ERR_CHECKPOINT_INVALID',
  'ERR_DATASET_UNKNOWN',
  'ERR_MANIFEST_MISMATCH',
  'ERR_PARTIAL_FORKED',
  'ERR_STREAM_FORKED',
  'ERR_STREAM_TRUNCATED',
  // What owners and authorities have said.
  'ERR_CHALLENGE_MALFORMED',
  'ERR_CONTRACT_REVOKED',
  'ERR_CONTRACT_SUPERSEDED',
  'ERR_DEBIT_UNPROVEN',
  'ERR_KEY_NOT_RELEASED',
  'ERR_KEY_SHARES_INVALID',
  'ERR_LEASE_FORKED',
  'ERR_LEASE_INVALID',
  'ERR_LEASE_LOST',
  'ERR_PARTY_UNKNOWN',
  'ERR_RELEASE_INVALID',
  'ERR_TOKEN_INVALID',
  // The vault was lost, whatever the cause.
  'ERR_VAULT_LOST',
]);

/** These are served before a row can be there. */
const ROWLESS: ReadonlySet<DoorVerb> = new Set<DoorVerb>(['open', 'claims', 'proof', 'release']);

export function mayLeave(code: ErrorCode, verb: DoorVerb): boolean {
  return ROWLESS.has(verb) || OUTWARD.has(code);
}
