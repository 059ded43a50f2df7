import {
  openRevocationSource,
  type RevocationSource,
} from '@strongroom/attestation/platforms/revocation-source';
import type { RootSet } from '@strongroom/attestation/roots';
import { type VerifiedEvidence, verifyEvidence } from '@strongroom/attestation/verify';
import type { Evidence } from '@strongroom/protocol/evidence';
import { type Clock, systemClock } from '@strongroom/runtime/clock';
import type { Settings } from './settings.ts';

/** Whether AMD is asked what it revoked, and what its silence means. */
export interface Revocation {
  readonly source: RevocationSource;
  /** Evidence of which no good list can be had gets no token. */
  readonly isRequired: boolean;
}

export async function openRevocation(
  { crl, kds, endorsementsCache, endorsementsOffline }: Settings,
  roots: RootSet,
): Promise<{ revocation?: Revocation }> {
  if (crl === undefined) return {};
  const source = await openRevocationSource({
    roots,
    clock: systemClock,
    ...(kds === undefined ? {} : { kdsOrigin: kds }),
    ...(endorsementsCache === undefined ? {} : { cache: endorsementsCache }),
    ...(endorsementsOffline === undefined ? {} : { bundle: endorsementsOffline }),
  });
  return { revocation: { source, isRequired: crl === 'required' } };
}

/** @throws what `verifyEvidence` throws */
export async function verifyWithLists(
  evidence: Evidence,
  context: { readonly roots: RootSet; readonly clock: Clock; readonly revocation?: Revocation },
): Promise<VerifiedEvidence> {
  const { roots, clock, revocation } = context;
  if (!revocation) return verifyEvidence(evidence, { roots, clock });
  const revocationLists = await revocation.source.listsFor(evidence);
  const requireRevocationList = revocation.isRequired;
  return verifyEvidence(evidence, { roots, clock, revocationLists, requireRevocationList });
}
