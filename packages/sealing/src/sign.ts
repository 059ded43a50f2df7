import { type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import {
  CONTRACT_JWS_TYPE,
  type Contract,
  contractBytes,
  parseContract,
  parseContractBytes,
  partyOf,
  type SignedContract,
  SignedContractSchema,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type SigningKey,
  SigningKeySchema,
  signatureAlgorithmOf,
} from '@strongroom/protocol/public-key';
import { signerOf } from './compact-jws.ts';
import { ECDSA_HASHES, isEcdsa, withLowS } from './ecdsa-low-s.ts';
import { importPrivateKey, publicJwkOf } from './private-keys.ts';
import { sameKey } from './public-keys.ts';
import { Secret } from './secret.ts';

/** Signs with one private key that it never shows. */
export interface Signer {
  readonly publicKey: SigningKey;
  /** Compact JWS (RFC 7515 §7.1); its protected header is canonical and exactly {alg, kid, typ}. */
  sign(
    payload: Uint8Array,
    header: { readonly typ: string; readonly kid: string },
  ): Promise<string>;
}

/**
 * @param privateKey an Ed25519, P-256 or P-384 private key, as JWK or as key object
 * @throws ERR_IDENTITY_MALFORMED for any other key
 */
export function createSigner(privateKey: JsonWebKey | KeyObject): Signer {
  try {
    return new PrivateSigner(privateKey);
  } catch {
    throw new StrongroomError('ERR_IDENTITY_MALFORMED', { member: 'signing' });
  }
}

class PrivateSigner extends Secret implements Signer {
  readonly publicKey: SigningKey;
  readonly #key: KeyObject;

  constructor(privateKey: JsonWebKey | KeyObject) {
    super();
    this.#key = importPrivateKey(privateKey);
    this.publicKey = SigningKeySchema.parse(publicJwkOf(this.#key));
  }

  async sign(payload: Uint8Array, header: { typ: string; kid: string }): Promise<string> {
    const alg = signatureAlgorithmOf(this.publicKey);
    const bytes = canonicalBytes({ alg, kid: header.kid, typ: header.typ });
    const signed = `${encodeBase64url(bytes)}.${Buffer.from(payload).toString('base64url')}`;
    return `${signed}.${encodeBase64url(this.#signature(alg, Buffer.from(signed, 'ascii')))}`;
  }

  #signature(algorithm: string, signed: Uint8Array): Uint8Array {
    if (!isEcdsa(algorithm)) return sign(null, signed, this.#key);
    const key = { key: this.#key, dsaEncoding: 'ieee-p1363' as const };
    return withLowS(algorithm, sign(ECDSA_HASHES[algorithm], signed, key));
  }
}

/**
 * Adds a party's signature to a contract; an older signature of the same party is replaced, those
 * of others stay as they are.
 * @throws ERR_CONTRACT_MALFORMED, ERR_PARTY_UNKNOWN when the contract does not name the party,
 *   ERR_CONTRACT_SIGNATURE_INVALID when it names another signing key for it
 */
export async function signContract(
  contract: SignedContract | Contract,
  identity: { readonly party: string; readonly signer: Signer },
): Promise<SignedContract> {
  const { payload, signatures, consents, parsed } = asSigned(contract);
  const party = partyOf(parsed, identity.party);
  if (!sameKey(party.signingKey, identity.signer.publicKey)) {
    throw new StrongroomError('ERR_CONTRACT_SIGNATURE_INVALID', { party: identity.party });
  }
  const header = { typ: CONTRACT_JWS_TYPE, kid: identity.party };
  const jws = await identity.signer.sign(payload, header);
  const [protectedHeader = '', , signature = ''] = jws.split('.');
  const others = signatures.filter((each) => signerOf(each.protected) !== identity.party);
  return {
    payload: encodeBase64url(payload),
    signatures: [...others, { protected: protectedHeader, signature }],
    ...(consents === undefined ? {} : { consents }),
  };
}

function asSigned(contract: SignedContract | Contract): {
  payload: Uint8Array;
  signatures: SignedContract['signatures'];
  consents?: SignedContract['consents'];
  parsed: Contract;
} {
  if (!('payload' in contract)) {
    const parsed = parseContract(contract);
    return { payload: contractBytes(parsed), signatures: [], parsed };
  }
  const signed = SignedContractSchema.safeParse(contract);
  const payload = signed.success ? decodeBase64url(signed.data.payload) : undefined;
  if (!signed.success || !payload) {
    throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place: 'payload, signatures' });
  }
  return { ...signed.data, payload, parsed: parseContractBytes(payload) };
}
