import { demandAgreement } from '@strongroom/attestation/agreement';
import { compileReleasePolicy, releasePolicyFor } from '@strongroom/attestation/release-policy';
import { parseTarget } from '@strongroom/protocol/attestation-proof';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  LEASE_STATEMENT_JWS_TYPE,
  LEASE_STEP_JWS_TYPE,
  type LeaseStatement,
  LeaseStatementSchema,
  LeaseStepSchema,
} from '@strongroom/protocol/lease';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import { demandSlice } from '@strongroom/protocol/slices';
import { verifyCompact } from '@strongroom/sealing/verify';
import type { ReleaseService } from '../release-key.ts';
import { verifyRaw, verifyRequester } from '../requester/requester.ts';
import type { Nonces } from './lease-nonces.ts';
import { endedError, type Lease } from './lease-store.ts';

/**
 * One owner's leases: which attested worker may let results leave, step by step. Every answer is a
 * statement signed by this service, for the vault to read.
 */
export interface LeaseService extends Omit<ReleaseService, 'keyStore'> {
  readonly nonces: Nonces;
}

/** Of which worker of a contract a lease is: of the one that tells results, or of a slice's. */
export interface LeasePlace {
  readonly contract: ContractId;
  readonly slice?: number;
}

/**
 * A lease for the worker that proves itself, by fresh evidence: it holds a nonce of this service.
 * It is judged as for a key, by what the contract demands.
 * @param target as a key release takes it
 * @returns a compact JWS
 * @throws ERR_CONTRACT_UNKNOWN, ERR_CONTRACT_MISMATCH, ERR_NONCE_SPENT, ERR_LEASE_HELD,
 *   ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED, and what a key release says to a proof
 */
export async function acquireLease(
  { contract: contractId, slice }: LeasePlace,
  target: string,
  service: LeaseService,
): Promise<string> {
  const { owner, contracts, leases, nonces } = service;
  const contract = contracts.contractOf(contractId);
  contracts.demandNewest(contractId);
  demandSlice(contract, slice);
  const proof = parseTarget(target);
  const worker = await verifyRequester(proof, service);
  const { runtime } = worker;
  if (runtime.contract !== contractId) throw new StrongroomError('ERR_CONTRACT_MISMATCH');
  nonces.spend(runtime.challenges?.[owner]);
  const isVerified = verifyRaw(proof, worker, service);
  const policy = releasePolicyFor(contract, contractId);
  demandAgreement(compileReleasePolicy(JSON.stringify(policy)), worker, isVerified);
  return stateLease(leases.acquire(contractId, runtime.keys[1].x, slice), service);
}

/**
 * From one checkpoint to the next, if the holder says so itself.
 * @throws ERR_LEASE_INVALID, ERR_LEASE_LOST, ERR_LEASE_FORKED, ERR_CONTRACT_REVOKED,
 *   ERR_CONTRACT_SUPERSEDED
 */
export async function takeStep(
  place: LeasePlace,
  jws: string,
  service: LeaseService,
): Promise<string> {
  const { leases } = service;
  const { contract, slice } = place;
  const lease = leases.find(contract, slice);
  const { holder, state } = lease;
  if (state === 'revoked') throw endedError(lease);
  if (holder === null || state !== 'held') {
    throw new StrongroomError('ERR_LEASE_LOST', { ...place });
  }
  const expected = {
    typ: LEASE_STEP_JWS_TYPE,
    kid: AGGREGATE_KID,
    key: { kty: 'OKP', crv: 'Ed25519', x: holder },
  } as const;
  const payload = await verifyCompact(jws, expected, CODES);
  const step = LeaseStepSchema.safeParse(parseCanonical(payload));
  const isOfPlace = step.data?.contract === contract && step.data.slice === slice;
  if (!step.success || !isOfPlace) {
    throw new StrongroomError('ERR_LEASE_INVALID', { problem: 'its members' });
  }
  return stateLease(leases.take(step.data, holder), service);
}

/** A signature of somebody else is that of a clone, or of a holder before this one. */
const CODES = {
  malformed: 'ERR_LEASE_INVALID',
  algorithm: 'ERR_LEASE_INVALID',
  signature: 'ERR_LEASE_LOST',
} as const;

/** What this owner says about a lease, signed. */
export async function stateLease(
  { contract, slice, state, holder, epoch, from, to, successor }: Lease,
  { owner, identity, clock }: Pick<LeaseService, 'owner' | 'identity' | 'clock'>,
): Promise<string> {
  const statement: LeaseStatement = {
    ...{ v: 1, contract, owner, state, holder, epoch, from, to },
    at: clock.now(),
    ...(successor === undefined ? {} : { successor }),
    ...(slice === undefined ? {} : { slice }),
  };
  return identity.signAs(LEASE_STATEMENT_JWS_TYPE, LeaseStatementSchema.parse(statement));
}
