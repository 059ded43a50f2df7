import { createHash } from 'node:crypto';
import {
  type CompiledPolicy,
  compileReleasePolicy,
  evaluatePolicy,
  releasePolicyFor,
} from '@strongroom/attestation/release-policy';
import { runtimeClaimsOf, type TokenClaims, verifyToken } from '@strongroom/attestation/token';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  CLOCK_SKEW_SECONDS_MAX,
  TOKEN_BYTES_MAX,
  TOKENS_REMEMBERED_MAX,
} from '@strongroom/protocol/limits';
import type { SigningKey } from '@strongroom/protocol/public-key';
import type { Clock } from '@strongroom/runtime/clock';

/**
 * What a token proves: at the moment of its issue, code of this measurement held the key that
 * signs results, under this contract. The key never leaves that process, so what it signed later
 * was made by that code too. Therefore an expired token is accepted for reading, however old the
 * result is: expiry limits whom owners release keys to, not what has been proven. What must hold is
 * that the token was issued in the past and was valid at its own moment of issue.
 */
export interface WorkerProof {
  readonly token: string;
  readonly issuer: string;
  readonly issuedAt: number;
  readonly platform: string;
  readonly measurement: string;
  /** The contract's name for the measurement. */
  readonly measurementName: string;
  readonly contract: ContractId;
  /** Verifies the seals of results. */
  readonly aggregatesKey: SigningKey;
}

export interface ProofOptions {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly clock: Clock;
}

/** The tokens that have been seen on the log, by the hash that seals name them with. */
export interface TokenShelf {
  /** Checks a token; what is wrong with it is told by whoever asks for it. */
  add(token: Uint8Array): Promise<void>;
  /** @throws ERR_AGGREGATE_PROOF when it was not seen, else what `proveWorker` threw */
  proofOf(tokenSha256: string): WorkerProof;
}

export function createTokenShelf(options: ProofOptions): TokenShelf {
  const policy = policyOf(options);
  const proofs = new Map<string, WorkerProof | StrongroomError>();
  return {
    async add(token) {
      if (token.length > TOKEN_BYTES_MAX) return;
      const hash = createHash('sha256').update(token).digest('hex');
      if (proofs.has(hash)) return;
      proofs.set(hash, await proofOrError(token, hash, policy, options));
      // A log that floods its readers with tokens costs itself its readers, not their memory.
      const [oldest] = proofs.keys();
      if (proofs.size > TOKENS_REMEMBERED_MAX && oldest !== undefined) proofs.delete(oldest);
    },
    proofOf(tokenSha256) {
      const proof = proofs.get(tokenSha256);
      if (proof === undefined) {
        throw new StrongroomError('ERR_AGGREGATE_PROOF', { token: tokenSha256 });
      }
      if (proof instanceof StrongroomError) throw proof;
      return proof;
    },
  };
}

/** The same policy under which every owner releases its keys: a reader asks no less. */
function policyOf({ contract, contractId }: ProofOptions): CompiledPolicy {
  return compileReleasePolicy(JSON.stringify(releasePolicyFor(contract, contractId)));
}

async function proofOrError(
  token: Uint8Array,
  hash: string,
  policy: CompiledPolicy,
  options: ProofOptions,
): Promise<WorkerProof | StrongroomError> {
  try {
    return await proveWorker(new TextDecoder().decode(token), hash, policy, options);
  } catch (error) {
    if (error instanceof StrongroomError) return error;
    throw error;
  }
}

/**
 * @throws ERR_TOKEN_INVALID, ERR_REPORT_DATA_MISMATCH, ERR_ROOT_KIND, ERR_MEASUREMENT_MISMATCH,
 *   ERR_CONTRACT_MISMATCH, ERR_APPRAISAL_REFUSED with the claims that did not meet the contract
 */
async function proveWorker(
  jwt: string,
  hash: string,
  policy: CompiledPolicy,
  { contract, contractId, clock }: ProofOptions,
): Promise<WorkerProof> {
  const { authorities } = contract.enclave;
  const claims = await verifyToken(jwt, { authorities, clock, expired: 'accepted' });
  checkMomentOfIssue(claims);
  checkPlatform(claims, contract);
  const { name, sha384 } = measurementOf(claims, contract);
  const runtime = runtimeClaimsOf(claims);
  if (runtime.contract !== contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { found: runtime.contract });
  }
  checkPolicy(claims, policy);
  const { kty, crv, x } = runtime.keys[1];
  return {
    token: hash,
    issuer: claims.iss,
    issuedAt: claims.iat * 1_000,
    platform: contract.enclave.platform,
    measurement: sha384,
    measurementName: name,
    contract: contractId,
    aggregatesKey: { kty, crv, x },
  };
}

/** `verifyToken` has refused a token from the future and one that ends before it begins. */
function checkMomentOfIssue({ nbf, iat }: TokenClaims): void {
  if (nbf > iat + CLOCK_SKEW_SECONDS_MAX) {
    throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'not-valid-when-issued' });
  }
}

function checkPlatform(claims: TokenClaims, { enclave }: Contract): void {
  const expected = enclave.platform === 'simulated' ? 'sevsnpvm-simulated' : 'sevsnpvm';
  if (claims['x-ms-attestation-type'] !== expected) {
    throw new StrongroomError('ERR_ROOT_KIND', { expected: enclave.platform });
  }
}

function measurementOf(claims: TokenClaims, { enclave }: Contract) {
  const found = claims['x-ms-sevsnpvm-launchmeasurement'];
  const reference = enclave.measurements.find((each) => each.sha384 === found);
  if (!reference) {
    throw new StrongroomError('ERR_MEASUREMENT_MISMATCH', {
      expected: enclave.measurements.map((each) => each.name),
    });
  }
  return reference;
}

function checkPolicy(claims: TokenClaims, policy: CompiledPolicy): void {
  const { granted, reasons } = evaluatePolicy(policy, claims);
  if (granted) return;
  const mismatches = reasons.filter((reason) => !reason.met).map((reason) => reason.claim);
  throw new StrongroomError('ERR_APPRAISAL_REFUSED', { mismatches });
}
