import { createHash, generateKeyPairSync } from 'node:crypto';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, parseContract, type SignedContract } from '@strongroom/protocol/contract';
import { type ContractId, type PartyId, PartyIdSchema } from '@strongroom/protocol/fields';
import { QUARANTINE_FORMAT, type QuarantineEntry } from '@strongroom/protocol/quarantine-entry';
import { plainRecordShape, RECORD_TYPES } from '@strongroom/protocol/record';
import {
  ownersWithUses,
  USE_FORMAT,
  type UseFact,
  type UsePoint,
  useGenesis,
} from '@strongroom/protocol/use-entry';
import type { LogRecord } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { createIdentity, type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { sealOnce } from '@strongroom/sealing/seal';
import { createSigner, signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { ISSUER, rsaOf, startClaims, startupProof } from './startup-proof.ts';

/** Two owners that can read, an authority, and vaults that write to their ledgers as real ones do. */

export const authority = generateKeyPairSync('rsa', { modulusLength: 3072 });
const MEASURED = 'ab'.repeat(48);
export const [NORTH, SOUTH] = [PartyIdSchema.parse('north'), PartyIdSchema.parse('south')];

export interface UsesScene {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly signed: SignedContract;
  readonly identities: ReadonlyMap<string, PartyIdentity>;
  readonly identityJson: ReadonlyMap<string, string>;
  /** By whom entries have to be written. */
  readonly authors: {
    contract: Contract;
    contractId: ContractId;
    roots: typeof AMD_ROOTS;
    clock: typeof systemClock;
  };
}

/** @param edit changes the contract before anybody signs it */
export async function createUsesScene(
  title = 'Flights',
  edit: (contract: Record<string, unknown>) => unknown = (contract) => contract,
): Promise<UsesScene> {
  const ids = ['north', 'south', 'silent'];
  const made = await Promise.all(ids.map((id) => createIdentity(id, { reading: id !== 'silent' })));
  const key = rsaOf(authority);
  const url = 'https://keys.example';
  const contract = parseContract(
    edit({
      ...{ strongroom: 'contract/v1', title, purpose: 'To test.', version: 1 },
      parties: made.map(({ signingKey, readingKey }, index) => ({
        ...{ id: ids[index], name: ids[index], signingKey },
        ...(readingKey === undefined ? {} : { readingKey }),
        keyRelease: { url, releaseKey: key, stateShareKeyId: 'share' },
      })),
      datasets: ids.map((owner) => ({
        ...(owner === 'north' ? { streams: [{ id: 'main', partition: 1 }] } : {}),
        ...{ id: `flights-${owner}`, owner, relation: 'flights', keyId: 'kek', wrappingKey: key },
        columns: [{ name: 'origin', type: 'utf8', nullable: false }],
      })),
      queries: [
        {
          ...{ id: 'all', sql: 'SELECT count(*) AS n FROM flights', relations: ['flights'] },
          ...{ window: { kind: 'whole' }, latenessMs: 0, readers: ['north'] },
          disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
        },
      ],
      enclave: {
        ...{ platform: 'simulated', minimumTcb: {} },
        measurements: [{ name: 'build 7', sha384: MEASURED }],
        authorities: [{ issuer: ISSUER, keys: [key] }],
      },
    }),
  );
  const identities = new Map(
    made.map((each, index) => [ids[index] ?? '', parseIdentity(each.identityJson)]),
  );
  let signed: SignedContract | undefined;
  for (const identity of identities.values())
    signed = await signContract(signed ?? contract, identity);
  if (!signed) throw new Error('somebody signs');
  const { contractId } = await verifyContract(signed);
  const identityJson = new Map(made.map((each, index) => [ids[index] ?? '', each.identityJson]));
  const authors = { contract, contractId, roots: AMD_ROOTS, clock: systemClock };
  return { contract, contractId, signed, identities, identityJson, authors };
}

/** One start of a vault: its key, and its proof. */
export interface VaultLife {
  readonly signer: ReturnType<typeof createSigner>;
  readonly proof: string;
  readonly token: string;
  readonly proofRecord: LogRecord;
}

export async function startVault(
  { contractId }: UsesScene,
  measurement = MEASURED,
): Promise<VaultLife> {
  const pair = generateKeyPairSync('ed25519');
  const runtime = startClaims(contractId, pair.publicKey);
  const proof = await startupProof({ runtime, measurement, authority: authority.privateKey });
  const token = createHash('sha256').update(proof).digest('hex');
  const shape = plainRecordShape(contractId, RECORD_TYPES.token, token);
  const proofRecord = { ...shape, value: new TextEncoder().encode(proof) };
  return { signer: createSigner(pair.privateKey), proof, token, proofRecord };
}

/** The ledgers of both owners as an honest vault writes them, step by step. */
export class Ledgers {
  readonly #scene: UsesScene;
  readonly #points: Map<PartyId, UsePoint>;
  #checkpoint = 0;

  constructor(scene: UsesScene) {
    this.#scene = scene;
    const { contract, contractId } = scene;
    this.#points = new Map(
      ownersWithUses(contract).map(({ id }) => {
        const head = createHash('sha256').update(useGenesis(contractId, id)).digest('hex');
        return [id, { owner: id, sequences: 0, head }];
      }),
    );
  }

  /** One step of the computation: an entry for each owner. */
  async step(
    life: VaultLife,
    epoch: number,
    facts: readonly UseFact[] = [{ kind: 'start', keys: ['kek'] }],
  ): Promise<Map<PartyId, LogRecord>> {
    const before = [...this.#points.values()];
    const checkpoint = this.#checkpoint;
    this.#checkpoint += 1;
    const records = new Map<PartyId, LogRecord>();
    for (const { owner, sequences, head } of before) {
      const wrappingKey = this.#scene.contract.parties.find(({ id }) => id === owner)?.readingKey;
      if (!wrappingKey) throw new Error('it reads');
      const heads = before.filter((point) => point.owner !== owner);
      const { jws, record } = await sealOnce(USE_FORMAT, {
        plaintext: canonicalBytes({ v: 1, facts }),
        at: { contract: this.#scene.contractId, owner, epoch, sequence: sequences },
        members: { previous: head, heads, checkpoint, token: life.token },
        to: { kid: owner, wrappingKey },
        signer: life.signer,
      });
      const newest = createHash('sha256').update(jws).digest('hex');
      this.#points.set(owner, { owner, sequences: sequences + 1, head: newest });
      records.set(owner, record);
    }
    return records;
  }
}

/** An entry of an owner's quarantine as a vault seals it. */
export async function setAside(
  { contract, contractId }: UsesScene,
  life: VaultLife,
  at: { readonly owner?: PartyId; readonly epoch?: number; readonly sequence: number },
  entry: QuarantineEntry,
): Promise<LogRecord> {
  const { owner = NORTH, epoch = 0, sequence } = at;
  const wrappingKey = contract.parties.find(({ id }) => id === owner)?.readingKey;
  if (!wrappingKey) throw new Error('it reads');
  const { record } = await sealOnce(QUARANTINE_FORMAT, {
    plaintext: canonicalBytes(entry),
    at: { contract: contractId, owner, epoch, sequence },
    members: { token: life.token },
    to: { kid: owner, wrappingKey },
    signer: life.signer,
  });
  return record;
}
