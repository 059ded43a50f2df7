import { z } from 'zod';
import {
  Bytes32Schema,
  type ContractId,
  ContractIdSchema,
  CountSchema,
  MillisecondsSchema,
  PartyIdSchema,
  Sha256HexSchema,
} from './fields.ts';
import { SLICES_MAX } from './limits.ts';

/**
 * A lease: at most one attested worker at a time may let results of a contract leave. Every owner
 * keeps one of its own, and each step of the computation needs the word of all of them. Where the
 * contract has slices, each of their workers has a lease, beside that of the worker that merges:
 *
 *   vault  -> owners   step: from checkpoint `from` to checkpoint `to`
 *   owners -> vault    statement: so it is, held by you
 *   vault  -> log      the results and the checkpoint `to`, and not before
 *
 * A step may be lost between the owners' word and the log. It was prepared there before the owners
 * were asked, so a new holder takes it again as it is, or goes on from its end; from anything older
 * goes a rolled-back log, and from its beginning elsewhere a fork.
 */

/** Of a contract with slices: whose lease it is; absent: that of the worker that tells results. */
const sliceMember = {
  slice: z.exactOptional(
    z
      .int()
      .min(0)
      .max(SLICES_MAX - 1),
  ),
};

/** Where an owner's service has a lease: the path of its resource, without a slash before it. */
export function leasePath(contract: ContractId, slice?: number): string {
  return slice === undefined ? `leases/${contract}` : `leases/${contract}/slices/${slice}`;
}

/** What the vault asks of an owner; signed by the key that its evidence binds. */
export const LeaseStepSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  /** Of the vault's results. An owner's next lease has a higher one. */
  epoch: CountSchema,
  /** SHA-256 of a checkpoint's JWE; of the contract id before the first. */
  from: Sha256HexSchema,
  to: Sha256HexSchema,
  ...sliceMember,
});
export type LeaseStep = z.infer<typeof LeaseStepSchema>;
export const LEASE_STEP_JWS_TYPE = 'strongroom-lease-step+jws';

/** What an owner answers; signed by the key that the contract pins for it. */
export const LeaseStatementSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  owner: PartyIdSchema,
  /** `revoked` is for good: no worker gets a lease of this contract from this owner again. */
  state: z.enum(['held', 'ended', 'revoked']),
  /** The Ed25519 key that signs the holder's results (RFC 8037 `x`); null before any holder. */
  holder: Bytes32Schema.nullable(),
  epoch: CountSchema,
  /** Both ends of the last step; equal before the first. */
  from: Sha256HexSchema,
  to: Sha256HexSchema,
  /** When it was said, by the owner's clock. */
  at: MillisecondsSchema,
  /** Of a revoked one: the amendment that this owner has approved. */
  successor: z.exactOptional(ContractIdSchema),
  ...sliceMember,
});
export type LeaseStatement = z.infer<typeof LeaseStatementSchema>;
export const LEASE_STATEMENT_JWS_TYPE = 'strongroom-lease+jws';

/** Without a word of its holder a lease ends after so long. */
export const LEASE_MS = 6_000;
/**
 * Its worker renews it so often: two attempts may fail. Renewing and ending are not signed: they
 * decide nothing that whoever runs the worker could not decide anyway.
 */
export const LEASE_RENEWAL_MS = 1_500;
/** So often a worker asks whether another one's lease has ended. */
export const LEASE_POLL_MS = 500;
/** A nonce for a new lease can be spent once, and so long. */
export const LEASE_NONCE_MS = 60_000;
/** Nonces that wait to be spent; beyond, the oldest is forgotten. */
export const LEASE_NONCES_MAX = 1_024;
