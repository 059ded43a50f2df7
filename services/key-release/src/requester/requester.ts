import { type OneWorker, verifyTokens } from '@strongroom/attestation/agreement';
import { demandOwnVerification } from '@strongroom/attestation/own-verification';
import type { JwksSource } from '@strongroom/attestation/platforms/jwks-source';
import type { RootSet } from '@strongroom/attestation/roots';
import { type AuthorityKey, claimedSigner, verifyToken } from '@strongroom/attestation/token';
import type { Revocation, RevocationLists } from '@strongroom/attestation/verify';
import type { AttestationProof } from '@strongroom/protocol/attestation-proof';
import { StrongroomError } from '@strongroom/protocol/errors';
import { independent } from '@strongroom/protocol/guards';
import type { Clock } from '@strongroom/runtime/clock';
import { demandPlatform, type TrustedAuthority } from './authorities.ts';
import type { ContractStore } from './contract-store.ts';
import { isEmpty, type OwnKillList } from './kill-list.ts';

/** Is it a worker that asks, and which? What it may have is another question. */

/** By what a worker is judged. */
export interface RequesterService {
  readonly authorities: readonly TrustedAuthority[];
  /** For authorities whose keys are not pinned but fetched from a pinned URL. */
  readonly jwks?: JwksSource;
  /** What raw evidence is held to. */
  readonly contracts: ContractStore;
  /** Whose platform raw evidence has to be of. */
  readonly roots: RootSet;
  /** Without it no revocation list is looked at. */
  readonly revocation?: Revocation;
  /** What is refused here beside what the contract refuses. */
  readonly killList?: OwnKillList;
  readonly clock: Clock;
}

/** A worker that authorities know, and what AMD has revoked of the platform that it shows. */
export interface Requester extends OneWorker {
  readonly lists: RevocationLists;
}

/**
 * Each token for itself; an authority that has a key of another one is that one again. Lists are
 * fetched for a worker that an authority knows only: nobody else makes this service call out.
 */
export async function verifyRequester(
  proof: AttestationProof,
  service: RequesterService,
): Promise<Requester> {
  const worker = await verifyProofTokens(proof, service);
  const lists = proof.evidence && (await service.revocation?.listsFor(proof.evidence));
  return { ...worker, lists: lists ?? {} };
}

function verifyProofTokens(proof: AttestationProof, service: RequesterService): Promise<OneWorker> {
  const counted: { keys: readonly AuthorityKey[] }[] = [];
  return verifyTokens(proof.tokens, async (token) => {
    const { issuer, kid } = claimedSigner(token);
    const authority = service.authorities.find((each) => each.issuer === issuer);
    if (!authority) throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'issuer' });
    const keys = await keysOf(authority, kid, service);
    const { clock } = service;
    const claims = await verifyToken(token, { authorities: [{ issuer, keys }], clock });
    demandPlatform(authority, claims);
    if (independent([...counted, { keys }]).length === counted.length) {
      throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'shared-key' });
    }
    counted.push({ keys });
    return claims;
  });
}

/** @throws ERR_SERVICE_UNREACHABLE: without the authority's keys nothing is believed */
async function keysOf(
  { issuer, keys }: TrustedAuthority,
  kid: string | undefined,
  { jwks }: RequesterService,
): Promise<readonly AuthorityKey[]> {
  return keys ?? (await jwks?.keysOf(issuer, kid)) ?? [];
}

/**
 * Evidence that is shown has to hold, whatever the policy asks for; where this owner kills chips,
 * products or versions, it has to be shown. One turn of the event loop, up to the audit entry.
 * @returns false where none was shown
 */
export function verifyRaw(
  { evidence }: AttestationProof,
  { runtime, lists }: Requester,
  { contracts, roots, clock, killList }: RequesterService,
): boolean {
  const killed = killList?.now() ?? {};
  if (evidence === undefined) {
    if (isEmpty(killed)) return false;
    const mismatches = ['evidence: expected, to be held to the kill list, found none'];
    throw new StrongroomError('ERR_APPRAISAL_REFUSED', { mismatches });
  }
  const contract = contracts.contractOf(runtime.contract);
  const facts = { contract, contractId: runtime.contract };
  const options = { ...facts, roots, clock, ...lists, killList: killed };
  demandOwnVerification(evidence, runtime, options);
  return true;
}
