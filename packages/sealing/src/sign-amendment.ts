import { consentersOf } from '@strongroom/protocol/amendment';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import {
  CONSENT_JWS_TYPE,
  type Contract,
  type SignedContract,
} from '@strongroom/protocol/contract';
import type { PartyId } from '@strongroom/protocol/fields';
import { demandFollowing } from './amendment.ts';
import { signerOf } from './compact-jws.ts';
import { sameKey } from './public-keys.ts';
import { type Signer, signContract } from './sign.ts';
import type { VerifiedContract } from './signed-contract.ts';

/**
 * Adds to an amendment what a party has to give: its signature, and where the version before names
 * another key for it, or it leaves, its consent with that key.
 * @param identity with the key of either version; who changed its key signs twice
 * @throws ERR_PARTY_UNKNOWN for a party of neither version, ERR_CONTRACT_SIGNATURE_INVALID for a
 *   key of neither, and what `demandFollowing` throws
 */
export async function signAmendment(
  signed: SignedContract,
  { contract, before }: { readonly contract: Contract; readonly before: VerifiedContract },
  identity: { readonly party: string; readonly signer: Signer },
): Promise<SignedContract> {
  demandFollowing(before, contract);
  const leaves = consentersOf(before.contract, contract).find(({ id }) => id === identity.party);
  if (leaves && sameKey(leaves.signingKey, identity.signer.publicKey)) {
    return withConsent(signed, leaves.id, identity.signer);
  }
  return signContract(signed, identity);
}

async function withConsent(
  signed: SignedContract,
  party: PartyId,
  signer: Signer,
): Promise<SignedContract> {
  const payload = decodeBase64url(signed.payload) ?? new Uint8Array(0);
  const jws = await signer.sign(payload, { typ: CONSENT_JWS_TYPE, kid: party });
  const [protectedHeader = '', , signature = ''] = jws.split('.');
  const others = (signed.consents ?? []).filter((each) => signerOf(each.protected) !== party);
  return { ...signed, consents: [...others, { protected: protectedHeader, signature }] };
}
