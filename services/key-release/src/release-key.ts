import { isDeepStrictEqual } from 'node:util';
import { demandAgreement, type OneWorker } from '@strongroom/attestation/agreement';
import { compileReleasePolicy } from '@strongroom/attestation/release-policy';
import type { TokenClaims } from '@strongroom/attestation/token';
import { launchMeasurementOf } from '@strongroom/attestation/token-facts';
import { parseTarget } from '@strongroom/protocol/attestation-proof';
import type { AuditReceipt } from '@strongroom/protocol/audit';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { RuntimeClaims } from '@strongroom/protocol/evidence';
import type { PartyId } from '@strongroom/protocol/fields';
import { RSA_BITS_MIN } from '@strongroom/protocol/limits';
import { type ReleaseAlgorithm, wrapForRelease } from '@strongroom/sealing/wrap';
import { sha256 } from './access/access.ts';
import type { AuditHeads } from './audit/audit-heads.ts';
import type { AuditEvent, AuditLog } from './audit/audit-log.ts';
import { releaseAnswer } from './keys/key-bundle.ts';
import type { KeyStore, KeyVersion } from './keys/key-store.ts';
import type { LeaseStore } from './leases/lease-store.ts';
import type { ReleaseIdentity } from './release-identity.ts';
import { type RequesterService, verifyRaw, verifyRequester } from './requester/requester.ts';
import type { GroupCommit } from './storage/group-commit.ts';

export interface ReleaseRequest {
  readonly name: string;
  /** The newest one when it is absent. */
  readonly version: string | undefined;
  /** An attestation token, as Azure takes it, or an attestation proof. */
  readonly target: string;
  readonly algorithm: ReleaseAlgorithm;
  /** Echoed in the signed answer, so that the caller knows it for fresh. */
  readonly nonce: string | undefined;
  readonly apiVersion: string;
  /** Who asks, as the configuration of access names the caller. */
  readonly caller: string | undefined;
}

export interface ReleaseService extends RequesterService {
  readonly leases: LeaseStore;
  readonly owner: PartyId;
  readonly keyStore: KeyStore;
  readonly auditLog: AuditLog;
  readonly auditHeads: AuditHeads;
  readonly identity: ReleaseIdentity;
  readonly groups: GroupCommit;
  /** As clients know it, without a slash at the end. */
  readonly baseUrl: () => string;
}

export interface KeyRelease {
  readonly value: string;
  readonly receipt: AuditReceipt;
}

/**
 * Releases a key to the attested code that asks for it, and to nobody else: the answer is encrypted
 * to the key that the hardware's report binds, and signed by this service.
 * Everything between looking up the key and writing the audit entry happens in one turn of the
 * event loop: what was judged is what is released. The entry is on the disk, with those of others
 * who ask at the same time, before anything is signed.
 * @returns a compact JWS, and the proof that the release is in the audit log
 * @throws ERR_TOKEN_INVALID, ERR_ROOT_KIND, ERR_KEY_NOT_FOUND, ERR_KEY_DISABLED,
 *   ERR_MEASUREMENT_MISMATCH, ERR_POLICY_DENIED, ERR_AGREEMENT_MISSING, ERR_CONTRACT_UNKNOWN,
 *   ERR_CONTRACT_SUPERSEDED, and what own verification throws; each is in the audit log
 */
export async function releaseKey(
  request: ReleaseRequest,
  service: ReleaseService,
): Promise<KeyRelease> {
  try {
    const proof = parseTarget(request.target);
    const worker = await verifyRequester(proof, service);
    const isVerified = verifyRaw(proof, worker, service);
    return await service.groups.run(
      () => decide(request, worker, isVerified, service),
      (decision) => answer(decision, request, service),
    );
  } catch (error) {
    auditRefusal(error, request, service);
    throw error;
  }
}

type Decision = ReturnType<typeof decide>;

function decide(
  request: ReleaseRequest,
  worker: OneWorker,
  isVerified: boolean,
  service: ReleaseService,
) {
  const key = findReleasable(request, service);
  demandLease(worker.runtime, service);
  const claims = demandPolicy(key, worker, isVerified);
  const wrapped = wrapSecret(key, worker.runtime, request, service);
  const index = service.auditLog.append(releaseEvent(key, claims, worker.runtime, request));
  return { key, wrapped, index };
}

async function answer(
  { key, wrapped, index }: Decision,
  request: ReleaseRequest,
  { identity, auditHeads, baseUrl }: ReleaseService,
): Promise<KeyRelease> {
  const [value, receipt] = await Promise.all([
    identity.sign(releaseAnswer(key, wrapped, request, baseUrl())),
    auditHeads.receipt(index),
  ]);
  return { value, receipt };
}

function findReleasable(request: ReleaseRequest, { keyStore, clock }: ReleaseService): KeyVersion {
  const key = keyStore.find(request.name, request.version);
  const now = Math.floor(clock.now() / 1_000);
  const refuse = (reason: string) =>
    new StrongroomError('ERR_KEY_DISABLED', { key: key.name, reason });
  if (!key.enabled) throw refuse('disabled');
  if (!key.exportable) throw refuse('not exportable');
  if (key.notBefore !== null && now < key.notBefore) throw refuse('not yet valid');
  if (key.expires !== null && now >= key.expires) throw refuse('expired');
  return key;
}

/**
 * Where the contract has this service keep leases, keys go to a holder only; where an owner has
 * ended the contract, or has approved an amendment of it, to nobody.
 */
function demandLease({ contract, keys }: RuntimeClaims, service: ReleaseService): void {
  service.contracts.demandNewest(contract);
  const { state } = service.leases.find(contract);
  if (state === 'revoked') throw new StrongroomError('ERR_CONTRACT_REVOKED', { contract });
  const { keyRelease } = service.contracts.partyOf(contract, service.owner) ?? {};
  // One that is kept beside this service is not seen here, as beside Azure's vault.
  const isKept = isDeepStrictEqual(keyRelease?.lease?.statementKey, service.identity.publicKey);
  if (!isKept) return;
  if (service.leases.isHeldBy(contract, keys[1].x)) return;
  throw new StrongroomError('ERR_LEASE_LOST', { contract });
}

function demandPolicy(
  key: KeyVersion,
  worker: OneWorker,
  isVerified: boolean,
): readonly TokenClaims[] {
  if (!key.policy) {
    const unmet = ['the key has no policy'];
    throw new StrongroomError('ERR_POLICY_DENIED', { key: key.name, unmet });
  }
  const policy = compileReleasePolicy(Buffer.from(key.policy.data, 'base64url').toString());
  return demandAgreement(policy, worker, isVerified);
}

function wrapSecret(
  key: KeyVersion,
  worker: RuntimeClaims,
  { algorithm }: ReleaseRequest,
  { keyStore }: ReleaseService,
): Uint8Array {
  const transportKey = demandTransportKey(worker);
  const secret = keyStore.secretOf(key);
  try {
    return wrapForRelease(secret, transportKey, algorithm);
  } finally {
    secret.fill(0);
  }
}

/** The wrapping is no weaker than the keys inside. @throws ERR_TOKEN_INVALID */
function demandTransportKey(worker: RuntimeClaims) {
  const { kty, n, e } = worker.keys[0];
  const modulus = decodeBase64url(n);
  const full = modulus !== undefined && modulus.length >= RSA_BITS_MIN / 8;
  // A number has one spelling (RFC 7518 §6.3.1.1), and a leading zero bit is a bit less.
  if (!full || (modulus[0] ?? 0) < 0x80) {
    throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'transport-key' });
  }
  return { kty, n, e };
}

function releaseEvent(
  key: KeyVersion,
  tokens: readonly TokenClaims[],
  worker: RuntimeClaims,
  request: ReleaseRequest,
): AuditEvent {
  const [first] = tokens;
  return {
    event: 'key-released',
    ...callerFact(request),
    key: key.name,
    version: key.version,
    policySha256: sha256(Buffer.from(key.policy?.data ?? '', 'base64url')),
    authority: tokens.map((claims) => claims.iss).join(' '),
    platform: String(first?.['x-ms-attestation-type']),
    measurement: String(first && launchMeasurementOf(first)),
    contract: worker.contract,
    tokenSha256: sha256(request.target),
    transportKeySha256: sha256(worker.keys[0].n),
  };
}

/** What a refusal tells its requester in detail is what the audit log keeps. */
const DETAILS = ['unmet', 'mismatches', 'refused'] as const;

function auditRefusal(error: unknown, request: ReleaseRequest, { auditLog }: ReleaseService): void {
  const code = codeOf(error);
  if (code === undefined) return;
  const facts = error instanceof StrongroomError ? error.facts : {};
  const details = DETAILS.flatMap((name) => facts[name] ?? []).map(String);
  auditLog.append({
    event: 'release-refused',
    ...callerFact(request),
    key: request.name,
    ...(request.version === undefined ? {} : { version: request.version }),
    code,
    ...(details.length > 0 ? { details } : {}),
    tokenSha256: sha256(request.target),
  });
}

function callerFact({ caller }: ReleaseRequest): { caller?: string } {
  return caller === undefined ? {} : { caller };
}
