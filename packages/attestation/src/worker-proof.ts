import { createHash } from 'node:crypto';
import { parseProof } from '@strongroom/protocol/attestation-proof';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import type { ContractId } from '@strongroom/protocol/fields';
import { CLOCK_SKEW_SECONDS_MAX } from '@strongroom/protocol/limits';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { demandAgreement, type OneWorker, verifyTokens } from './agreement.ts';
import { demandOwnVerification } from './own-verification.ts';
import { type CompiledPolicy, compileReleasePolicy, releasePolicyFor } from './release-policy.ts';
import type { RootSet } from './roots.ts';
import type { CheckedList } from './snp/revocation.ts';
import { type TokenClaims, verifyToken } from './token.ts';
import { launchMeasurementOf, platformKindOf } from './token-facts.ts';
import type { Revocation, VerificationClock } from './verify.ts';

/**
 * What a proof proves: at the moment of its issue, code of this measurement held the key that
 * signs results, under this contract. The key never leaves that process, so what it signed later
 * was made by that code too. Therefore expired tokens are accepted for reading, however old the
 * result is: expiry limits whom owners release keys to, not what has been proven. What must hold is
 * that the tokens were issued in the past and were valid at their own moments of issue.
 */
export interface WorkerProof {
  /** SHA-256 of the proof, by which seals name it. */
  readonly token: string;
  /** The authorities that agree. */
  readonly issuers: readonly string[];
  /** When the last of them said so. */
  readonly issuedAt: number;
  /** The raw evidence was verified and appraised by this reader itself. */
  readonly isOwnVerified: boolean;
  /** What this reader held the machine's certificates to; null where it looked at no list. */
  readonly revocationList: (CheckedList & { readonly hasEnded: boolean }) | null;
  readonly platform: string;
  readonly measurement: string;
  /** The contract's name for the measurement. */
  readonly measurementName: string;
  readonly contract: ContractId;
  /** Of the modulus of its transport key: receipts name the worker by it. */
  readonly transportKeySha256: string;
  /** Verifies the seals of results. */
  readonly aggregatesKey: SigningKey;
}

export interface ProofOptions {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly clock: VerificationClock;
  /** Whose platform raw evidence has to be of. */
  readonly roots: RootSet;
  /** What was revoked by now, also after the proof was made. Default: no list is looked at. */
  readonly revocation?: Revocation;
}

/**
 * Proves workers under one contract, by the same policy under which every owner releases its keys:
 * a reader asks no less. The bytes are an attestation proof's.
 */
export function workerProver(options: ProofOptions): (proof: Uint8Array) => Promise<WorkerProof> {
  const { contract, contractId } = options;
  const policy = compileReleasePolicy(JSON.stringify(releasePolicyFor(contract, contractId)));
  return (proof) => proveWorker(proof, policy, options);
}

/**
 * @throws ERR_TOKEN_INVALID, ERR_REPORT_DATA_MISMATCH, ERR_ROOT_KIND, ERR_MEASUREMENT_MISMATCH,
 *   ERR_CONTRACT_MISMATCH, ERR_AGREEMENT_MISSING, ERR_APPRAISAL_REFUSED with what does not meet the
 *   contract, and what own verification throws
 */
async function proveWorker(
  bytes: Uint8Array,
  policy: CompiledPolicy,
  options: ProofOptions,
): Promise<WorkerProof> {
  const { contract, contractId } = options;
  const { tokens, evidence } = parseProof(bytes);
  const worker = await verifyTokens(tokens, (jwt) => verifyOne(jwt, options));
  const { runtime } = worker;
  if (runtime.contract !== contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { found: runtime.contract });
  }
  const revocationList = evidence ? await verifyOneself(evidence, worker, options) : null;
  const agreeing = demandPolicy(policy, worker, evidence !== undefined);
  const { name, sha384 } = measurementOf(agreeing[0] ?? worker.tokens[0], contract);
  const [transport, { kty, crv, x }] = runtime.keys;
  return {
    token: createHash('sha256').update(bytes).digest('hex'),
    issuers: agreeing.map(({ iss }) => iss),
    issuedAt: Math.max(...agreeing.map(({ iat }) => iat)) * 1_000,
    isOwnVerified: evidence !== undefined,
    revocationList,
    platform: contract.enclave.platform,
    measurement: sha384,
    measurementName: name,
    contract: contractId,
    transportKeySha256: createHash('sha256').update(transport.n).digest('hex'),
    aggregatesKey: { kty, crv, x },
  };
}

/** @returns the list that its certificates were held to */
async function verifyOneself(
  evidence: Evidence,
  worker: OneWorker,
  options: ProofOptions,
): Promise<WorkerProof['revocationList']> {
  const lists = await options.revocation?.listsFor(evidence);
  const clock = momentOfIssue(worker);
  const { facts } = demandOwnVerification(evidence, worker.runtime, {
    ...{ ...options, ...lists },
    clock,
  });
  const { revocationList: list } = facts;
  return list && { ...list, hasEnded: options.clock.now() > list.nextUpdate };
}

async function verifyOne(jwt: string, { contract, clock }: ProofOptions): Promise<TokenClaims> {
  const { authorities } = contract.enclave;
  const claims = await verifyToken(jwt, { authorities, clock, expired: 'accepted' });
  checkMomentOfIssue(claims);
  checkPlatform(claims, contract);
  measurementOf(claims, contract);
  return claims;
}

/** `verifyToken` has refused a token from the future and one that ends before it begins. */
function checkMomentOfIssue({ nbf, iat }: TokenClaims): void {
  if (nbf > iat + CLOCK_SKEW_SECONDS_MAX) {
    throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'not-valid-when-issued' });
  }
}

function checkPlatform(claims: TokenClaims, { enclave }: Contract): void {
  if (platformKindOf(claims) !== enclave.platform) {
    throw new StrongroomError('ERR_ROOT_KIND', { expected: enclave.platform });
  }
}

function measurementOf(claims: TokenClaims, { enclave }: Contract) {
  const found = launchMeasurementOf(claims);
  const reference = enclave.measurements.find((each) => each.sha384 === found);
  if (!reference) {
    throw new StrongroomError('ERR_MEASUREMENT_MISMATCH', {
      expected: enclave.measurements.map((each) => each.name),
    });
  }
  return reference;
}

/**
 * Certificates are judged as of then, as tokens are: of several moments the last, which no
 * authority can move into the future.
 */
function momentOfIssue({ tokens }: OneWorker): { now(): number } {
  const issuedAt = Math.max(...tokens.map(({ iat }) => iat)) * 1_000;
  return { now: () => issuedAt };
}

/** A reader is refused nothing: for it an unmet policy is evidence that was not agreed on. */
function demandPolicy(policy: CompiledPolicy, worker: OneWorker, isVerified: boolean) {
  try {
    return demandAgreement(policy, worker, isVerified);
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code !== 'ERR_POLICY_DENIED') throw error;
    throw new StrongroomError('ERR_APPRAISAL_REFUSED', error.facts);
  }
}
