import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Contract, contractBytes, parseContract } from '@strongroom/protocol/contract';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { sha256Hex } from '../src/digest.ts';
import { createIdentity, type PartyIdentity, parseIdentity } from '../src/identity.ts';

/** A contract of two parties with one dataset, and all private keys that belong to it. */
export interface SmallContract {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly dataset: Contract['datasets'][number];
  readonly owner: PartyIdentity;
  readonly analyst: PartyIdentity;
  readonly datasetKey: KeyObject;
}

export async function smallContract(
  keys: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('x25519'),
): Promise<SmallContract> {
  const owner = await createIdentity('owner', { reading: false });
  const analyst = await createIdentity('analyst', { reading: true });
  const contract = parseContract(
    document(owner, analyst, keys.publicKey.export({ format: 'jwk' })),
  );
  const [dataset] = contract.datasets;
  if (!dataset) throw new Error('the contract has one dataset');
  return {
    contract,
    contractId: ContractIdSchema.parse(sha256Hex(contractBytes(contract))),
    dataset,
    owner: parseIdentity(owner.identityJson),
    analyst: parseIdentity(analyst.identityJson),
    datasetKey: keys.privateKey,
  };
}

type Made = Awaited<ReturnType<typeof createIdentity>>;

function document(owner: Made, analyst: Made, wrappingKey: object): object {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const releaseKey = publicKey.export({ format: 'jwk' });
  return {
    strongroom: 'contract/v1',
    title: 'Test',
    purpose: 'Unit tests of sealing',
    version: 1,
    parties: [
      {
        id: 'owner',
        name: 'Owner',
        signingKey: owner.signingKey,
        keyRelease: {
          url: 'https://keys.owner.example',
          releaseKey,
          stateShareKeyId: 'state-share',
        },
      },
      {
        id: 'analyst',
        name: 'Analyst',
        signingKey: analyst.signingKey,
        readingKey: analyst.readingKey,
      },
    ],
    datasets: [
      {
        id: 'flights',
        owner: 'owner',
        relation: 'flights',
        columns: [{ name: 'at', type: 'timestamp-ms', nullable: false }],
        eventTime: 'at',
        keyId: 'flights-key',
        wrappingKey,
      },
    ],
    queries: [
      {
        id: 'daily',
        sql: 'SELECT count(*) AS n FROM flights',
        relations: ['flights'],
        window: { kind: 'tumbling', sizeMs: 86_400_000 },
        latenessMs: 0,
        readers: ['analyst'],
        disclosure: { minimumGroupRows: 10, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'test', sha384: '00'.repeat(48) }],
      minimumTcb: {},
      authorities: [{ issuer: 'https://attest.example', keys: [releaseKey] }],
    },
  };
}
