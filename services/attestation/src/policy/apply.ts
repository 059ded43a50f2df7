import type { AttestationClaims } from '@strongroom/attestation/claims';
import { StrongroomError } from '@strongroom/protocol/errors';
import { evaluatePolicy } from './evaluate.ts';
import { isReserved } from './names.ts';
import type { AttestationPolicy, Claim, ClaimIssuer, ClaimValue } from './tree.ts';

export interface AppliedPolicy {
  /** Beside the service's own claims: each by its name, and all of them as `x-ms-policy`. */
  readonly claims: AttestationClaims;
  /** Of the token, when the policy names one. */
  readonly validitySeconds?: number;
}

/**
 * What a policy makes of the claims of genuine evidence.
 * @throws ERR_ATTESTATION_DENIED
 */
export function applyPolicy(policy: AttestationPolicy, own: AttestationClaims): AppliedPolicy {
  const { permitted, issued, properties } = evaluatePolicy(policy, incomingClaims(own));
  if (!permitted) throw new StrongroomError('ERR_ATTESTATION_DENIED', { check: 'policy' });
  const named = byType(issued.filter((claim) => !repeats(claim, own)));
  for (const type of Object.keys(named)) demandFree(type, own);
  const minutes = properties.findLast(({ type }) => type === 'report_validity_in_minutes')?.value;
  return {
    claims: issued.length === 0 ? {} : { ...named, 'x-ms-policy': byType(issued) },
    ...(typeof minutes === 'number' ? { validitySeconds: minutes * 60 } : {}),
  };
}

/**
 * The token's claims as the policy sees them: those of the hardware under their own names on every
 * platform, a list element by element, an object as JSON. What the attester says is its own word.
 */
function incomingClaims(own: AttestationClaims): Claim[] {
  const { 'x-ms-isolation-tee': isolation, ...outer } = own;
  const inner = isRecord(isolation) ? isolation : {};
  const { 'x-ms-runtime': _, 'x-ms-attestation-type': __, ...hardware } = inner;
  return Object.entries({ ...outer, ...hardware }).flatMap(([type, value]) =>
    valuesOf(value).map((each) => ({ type, value: each, issuer: issuerOf(type) })),
  );
}

function valuesOf(value: unknown): ClaimValue[] {
  if (isClaimValue(value)) return [value];
  if (Array.isArray(value) && value.every(isClaimValue)) return value;
  return [JSON.stringify(value)];
}

function issuerOf(type: string): ClaimIssuer {
  return type === 'x-ms-runtime' || type === 'nonce' ? 'CustomClaim' : 'AttestationService';
}

/** A type with several values becomes a list. */
function byType(claims: readonly Claim[]): Record<string, ClaimValue | ClaimValue[]> {
  const values = Map.groupBy(claims, ({ type }) => type);
  return Object.fromEntries(
    [...values].map(([type, [first, ...more]]) => {
      const all = [first, ...more].flatMap((claim) => (claim ? [claim.value] : []));
      return [type, all.length === 1 ? (all[0] ?? '') : all];
    }),
  );
}

/** `issue(claim=c)` of a claim that the token shows anyway. */
function repeats({ type, value }: Claim, own: AttestationClaims): boolean {
  return Object.hasOwn(own, type) && own[type] === value;
}

function demandFree(type: string, own: AttestationClaims): void {
  if (!isReserved(type) && !Object.hasOwn(own, type)) return;
  throw new StrongroomError('ERR_ATTESTATION_DENIED', { check: 'reserved-claim', claim: type });
}

function isClaimValue(value: unknown): value is ClaimValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
