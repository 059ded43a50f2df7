import type { AttestationClaims } from '@strongroom/attestation/claims';
import { applyPolicy } from './policy/apply.ts';
import { type PolicyDocument, readPolicyDocument } from './policy-document.ts';
import { signToken, type TokenContext, unsignedToken } from './token.ts';

/**
 * The token about genuine evidence, if the policy permits it. The service's own claims stand
 * whatever the policy issues, and the token names the policy by its hash.
 * @throws ERR_ATTESTATION_DENIED
 */
export async function issueToken(
  claims: AttestationClaims,
  document: PolicyDocument,
  context: TokenContext,
): Promise<string> {
  const applied = applyPolicy(document.policy, claims);
  return signToken(whole(claims, applied.claims, document), context, applied.validitySeconds);
}

/**
 * What a draft would make of the evidence: a token that nobody signed, so that nobody can take a
 * draft for the policy in force.
 * @throws ERR_ATTESTATION_DENIED and what readPolicyDocument throws
 */
export async function issueDraftToken(
  claims: AttestationClaims,
  draft: string,
  context: TokenContext,
): Promise<string> {
  const document = await readPolicyDocument(draft, []);
  const applied = applyPolicy(document.policy, claims);
  return unsignedToken(whole(claims, applied.claims, document), context, applied.validitySeconds);
}

export function signerClaim(signer: PolicyDocument['signer']): AttestationClaims {
  return signer ? { 'x-ms-policy-signer': signer } : {};
}

function whole(
  own: AttestationClaims,
  issued: AttestationClaims,
  { hash, signer }: PolicyDocument,
): AttestationClaims {
  return { ...issued, ...own, 'x-ms-policy-hash': hash, ...signerClaim(signer) };
}
