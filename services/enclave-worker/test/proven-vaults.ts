import { createHash, type KeyObject } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { type RuntimeClaims, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import type {
  AggregateContent,
  AggregateSeal,
  CountedInput,
} from '@strongroom/protocol/sealed-aggregate';
import { claimedAggregate, type OpenedAggregate, openAggregate } from '@strongroom/sealing/open';
import type { DoorRecord } from '../src/vault/door.ts';
import { VaultKeys } from '../src/vault/keys.ts';
import { Vault } from '../src/vault/vault.ts';
import type { Computation } from './owners.ts';
import { sharedTransportKey } from './rsa-keys.ts';

/** All that its reader is told of a result besides the rows, outside of the seal and inside. */
export type Told = Omit<AggregateSeal, 'inputs'> &
  Omit<AggregateContent, 'inputs'> & { readonly inputs: readonly CountedInput[] };

export function toldIn({ seal, content, inputs }: OpenedAggregate): Told {
  return { ...seal, ...content, inputs };
}

interface OpenedResult {
  readonly seal: Told;
  /** Arrow. */
  readonly plaintext: Uint8Array;
}

export interface VaultChoice {
  /** Whether what could be folded is kept as rows: slower, and the same results. */
  readonly keepsRows?: boolean;
  /** Which alone is counted. */
  readonly slice?: number;
}

/** Vaults of one computation, one after the other, and the analyst who knows the proof of each. */
export class ProvenVaults {
  readonly #computation: Computation;
  /** The key behind each token, which is what a real token proves. */
  readonly #keys = new Map<string, RuntimeClaims['keys'][1]>();

  readonly #options: VaultChoice;

  constructor(computation: Computation, options: VaultChoice = {}) {
    this.#computation = computation;
    this.#options = options;
  }

  /** A vault with the owners' keys and a proof, that has not begun yet. */
  async open(options: Parameters<typeof Vault.open>[1] = {}): Promise<Vault> {
    const { contract, signed } = this.#computation;
    const vault = await Vault.open(signed, {
      ...this.#options,
      transportKey: sharedTransportKey(),
      ...options,
    });
    const { runtimeClaims, nonce } = vault.claims();
    const bytes = decodeBase64url(runtimeClaims) ?? new Uint8Array(0);
    const [transport, aggregates] = RuntimeClaimsSchema.parse(parseCanonical(bytes)).keys;
    for (const { owner, keyId } of contract.datasets) {
      for (const name of [keyId, 'state-share']) {
        const jws = await this.#computation.release(owner, name, nonce, transport);
        await vault.acceptRelease(owner, name, jws);
      }
    }
    const proof = `{"tokens":["header.${runtimeClaims}.signature"],"v":1}`;
    this.#keys.set(createHash('sha256').update(proof).digest('hex'), aggregates);
    vault.acceptProof(proof);
    return vault;
  }

  /** Verifies and opens a result for the analyst, by all of its records. */
  async openResult(...records: [DoorRecord, ...DoorRecord[]]): Promise<OpenedResult> {
    const { contract, contractId, analyst } = this.#computation;
    const tokenSha256 = claimedAggregate(records[0]).token;
    const proven = this.#keys.get(tokenSha256);
    if (!proven || !analyst.reader) throw new Error('a result without proof');
    const { kty, crv, x } = proven;
    const opened = await openAggregate(records, {
      ...{ contract, contractId, tokenSha256, aggregateKey: { kty, crv, x } },
      ...{ reader: PartyIdSchema.parse('analyst'), secretReader: analyst.reader },
    });
    return { seal: toldIn(opened), plaintext: opened.arrow };
  }
}

/** Of the partials of a slice, as any vault of the contract would have it. */
export async function partialKeyOf(computation: Computation, slice: number): Promise<KeyObject> {
  const { contract, contractId } = computation;
  const keys = await VaultKeys.create(contract, contractId, await sharedTransportKey(), slice);
  const { nonce, keys: own } = keys.claims;
  for (const owner of new Set(contract.datasets.map((dataset) => dataset.owner))) {
    const jws = await computation.release(owner, 'state-share', nonce, own[0]);
    await keys.acceptRelease(owner, 'state-share', jws);
  }
  return keys.sliceKey(slice);
}
