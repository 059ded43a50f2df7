import {
  createSecretKey,
  generateKeyPair,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { type Contract, ownersOf, type Party, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type RuntimeClaims, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import type { ContractId, DatasetId } from '@strongroom/protocol/fields';
import { partialKeyInfo } from '@strongroom/protocol/partial';
import { createUnwrapper, type SecretReader } from '@strongroom/sealing/open';
import { createSigner, type Signer } from '@strongroom/sealing/sign';
import { unwrapReleased } from '@strongroom/sealing/wrap';
import { z } from 'zod';
import { openIssuerJws } from './issuer-jws.ts';
import { type JoinedKey, ShareDesk } from './share-desk.ts';
import type { TransportKey } from './transport-key.ts';

/** The algorithm that releases are asked for; the answer must name it. */
const RELEASE_ALGORITHM = 'RSA_AES_KEY_WRAP_256';
const STATE_SHARE_BYTES = 32;

/**
 * Every key of the vault, one process life long: its own two pairs, and what the owners' services
 * released to the first of them. None of them has a way out.
 */
export class VaultKeys {
  readonly signer: Signer;
  readonly #contract: Contract;
  readonly #slice: number | undefined;
  readonly #transportKey: KeyObject;
  #claims: RuntimeClaims;
  readonly #unwrappers = new Map<DatasetId, SecretReader>();
  readonly #stateShares = new Map<string, Uint8Array>();
  readonly #shareDesk: ShareDesk;

  private constructor(
    contract: Contract,
    claims: RuntimeClaims,
    transportKey: KeyObject,
    signer: Signer,
    slice: number | undefined,
  ) {
    this.#contract = contract;
    this.#slice = slice;
    this.#shareDesk = new ShareDesk(contract);
    this.#claims = claims;
    this.#transportKey = transportKey;
    this.signer = signer;
  }

  /** @param slice of which checkpoints are sealed for no other vault */
  static async create(
    contract: Contract,
    contractId: ContractId,
    transport: TransportKey,
    slice?: number,
  ): Promise<VaultKeys> {
    const aggregates = await promisify(generateKeyPair)('ed25519');
    const claims = RuntimeClaimsSchema.parse({
      contract: contractId,
      keys: [
        {
          ...transport.publicKey.export({ format: 'jwk' }),
          kid: 'transport',
          key_ops: ['encrypt'],
        },
        {
          ...aggregates.publicKey.export({ format: 'jwk' }),
          kid: 'aggregates',
          key_ops: ['verify'],
        },
      ],
      nonce: encodeBase64url(randomBytes(32)),
      purpose: 'strongroom/worker/v1',
    });
    const signer = createSigner(aggregates.privateKey);
    return new VaultKeys(contract, claims, transport.privateKey, signer, slice);
  }

  get claims(): RuntimeClaims {
    return this.#claims;
  }

  /** Evidence that is made from here on holds the owners' nonces; before any key was released. */
  challenge(challenges: RuntimeClaims['challenges']): RuntimeClaims {
    this.#claims = RuntimeClaimsSchema.parse({ ...this.#claims, challenges });
    return this.#claims;
  }

  /**
   * Takes an owner's answer to a key request: a JWS of the key that the contract pins, for this
   * process life's nonce, around a key wrapped to this process life's transport key.
   * @throws ERR_RELEASE_INVALID, ERR_KEY_SHARES_INVALID
   */
  async acceptRelease(owner: string, keyId: string, jws: string): Promise<void> {
    const party = partyOf(this.#contract, owner);
    const release = await verifyRelease(party, jws);
    if (release.request.nonce !== this.claims.nonce) throw invalid('the nonce of another request');
    if (!isNamed(release.response.key.key.kid, keyId)) throw invalid('another key than asked for');
    const wrapped = wrappedKeyOf(release);
    const secret = unwrapReleased(wrapped, this.#transportKey, RELEASE_ALGORITHM);
    const share = await this.#shareDesk.accept(owner, keyId, secret);
    if (!share) this.#keep(party, keyId, secret);
    if (share?.joined) this.#open(share.joined);
  }

  #keep(party: Party, keyId: string, secret: Uint8Array): void {
    const datasets = this.#contract.datasets.filter(
      ({ owner, keyId: named, keyShares }) =>
        owner === party.id && named === keyId && keyShares === undefined,
    );
    for (const dataset of datasets) {
      this.#unwrappers.set(dataset.id, createUnwrapper(secret, dataset.wrappingKey));
    }
    if (party.keyRelease?.stateShareKeyId === keyId) {
      if (secret.length !== STATE_SHARE_BYTES) throw invalid('a state share of another length');
      this.#stateShares.set(party.id, secret);
    } else {
      if (datasets.length === 0) throw invalid('a key that the contract does not name');
      secret.fill(0);
    }
  }

  #open({ dataset, privateKey }: JoinedKey): void {
    try {
      this.#unwrappers.set(dataset.id, createUnwrapper(privateKey, dataset.wrappingKey));
    } catch {
      throw new StrongroomError('ERR_KEY_SHARES_INVALID', { dataset: dataset.id });
    } finally {
      privateKey.fill(0);
    }
  }

  /**
   * Demanded before the first batch, for without its key it would count as a bad one.
   * @throws ERR_KEY_NOT_RELEASED naming the holders whose shares are missing
   */
  unwrapperOf(dataset: DatasetId): SecretReader {
    const unwrapper = this.#unwrappers.get(dataset);
    if (unwrapper) return unwrapper;
    const missing = this.#shareDesk.missing(dataset);
    const facts = { dataset, ...(missing === undefined ? {} : { missing }) };
    throw new StrongroomError('ERR_KEY_NOT_RELEASED', facts);
  }

  /** Forgets every key that an owner released; what they opened stays shut from here on. */
  destroy(): void {
    for (const share of this.#stateShares.values()) share.fill(0);
    this.#stateShares.clear();
    this.#unwrappers.clear();
    this.#shareDesk.destroy();
  }

  /**
   * The key of the checkpoints: a share of every owner goes in, so any owner can end it.
   * @throws ERR_KEY_NOT_RELEASED naming the owner whose share is missing
   */
  stateKey(): KeyObject {
    const { contract } = this.claims;
    const slice = this.#slice === undefined ? '' : ` ${this.#slice}`;
    return createSecretKey(this.#derived(`strongroom/state/v1 ${contract}${slice}`));
  }

  /**
   * The key of the partials of a slice.
   * @throws ERR_KEY_NOT_RELEASED naming the owner whose share is missing
   */
  sliceKey(slice: number): KeyObject {
    return createSecretKey(this.#derived(partialKeyInfo(this.claims.contract, slice)));
  }

  /**
   * What the noise of results comes from: like the state key, and never the same bytes.
   * @throws ERR_KEY_NOT_RELEASED naming the owner whose share is missing
   */
  noiseSecret(): Uint8Array {
    return this.#derived(`strongroom/noise/v1 ${this.claims.contract}`);
  }

  #derived(info: string): Uint8Array {
    const shares = ownersOf(this.#contract).map((owner) => {
      const share = this.#stateShares.get(owner.id);
      if (!share) throw new StrongroomError('ERR_KEY_NOT_RELEASED', { party: owner.id });
      return share;
    });
    const derived = hkdfSync('sha256', Buffer.concat(shares), new Uint8Array(0), info, 32);
    return new Uint8Array(derived);
  }
}

/** Azure Key Vault's release answer, as far as it says anything; strangers may add members. */
const ReleaseSchema = z.looseObject({
  request: z.looseObject({ enc: z.literal(RELEASE_ALGORITHM), nonce: z.string() }),
  response: z.looseObject({
    key: z.looseObject({ key: z.looseObject({ kid: z.string(), key_hsm: z.string() }) }),
  }),
});
type Release = z.infer<typeof ReleaseSchema>;

const KeyHsmSchema = z.looseObject({
  schema_version: z.literal('1.0'),
  ciphertext: z.string(),
});

async function verifyRelease(party: Party, jws: string): Promise<Release> {
  if (!party.keyRelease) throw invalid('a party without a key release service');
  const value = await openIssuerJws(jws, party.keyRelease.releaseKey);
  if (value === undefined) throw invalid('the signature');
  const parsed = ReleaseSchema.safeParse(value);
  if (!parsed.success) throw invalid('its members');
  return parsed.data;
}

function wrappedKeyOf(release: Release): Uint8Array {
  const inner = decodeBase64url(release.response.key.key.key_hsm);
  const parsed = KeyHsmSchema.safeParse(inner ? parseJson(inner) : undefined);
  const wrapped = parsed.success ? decodeBase64url(parsed.data.ciphertext) : undefined;
  if (!wrapped) throw invalid('the wrapped key');
  return wrapped;
}

/** A kid is https://host/keys/NAME/VERSION; a contract names NAME or NAME/VERSION. */
function isNamed(kid: string, keyId: string): boolean {
  const [name, version] = kid.split('/').slice(-2);
  return keyId === name || keyId === `${name}/${version}`;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function invalid(problem: string): StrongroomError {
  return new StrongroomError('ERR_RELEASE_INVALID', { problem });
}
