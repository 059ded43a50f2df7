import { createHash } from 'node:crypto';
import { ContractSchema, type SignedContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { amend, type Version } from './amend.ts';
import { get } from './get.ts';
import { ISSUER, MEASUREMENT } from './token.ts';
import type { Vault } from './vault.ts';

/** A contract between `west`, whose service this is, and one reader; both have signed. */
export async function agreeWith(
  vault: Vault,
  keyRelease: Readonly<Record<string, unknown>> = {},
): Promise<Version & { amend: (members: object) => Promise<Version> }> {
  const known = await get(`${vault.url}/.well-known/strongroom`, vault.ca);
  const { releaseKey } = JSON.parse(known.body);
  const west = await createIdentity('west', { reading: false });
  const reader = await createIdentity('reader', { reading: true });
  const contract = ContractSchema.parse({
    strongroom: 'contract/v1',
    title: 'Test',
    purpose: 'To test.',
    version: 1,
    parties: [
      {
        id: 'west',
        name: 'West',
        signingKey: west.signingKey,
        keyRelease: {
          url: vault.url,
          releaseKey,
          stateShareKeyId: 'state-share',
          lease: { url: vault.url, statementKey: releaseKey },
          ...keyRelease,
        },
      },
      {
        id: 'reader',
        name: 'Reader',
        signingKey: reader.signingKey,
        readingKey: reader.readingKey,
      },
    ],
    datasets: [
      {
        id: 'visits',
        owner: 'west',
        relation: 'visits',
        columns: [{ name: 'place', type: 'utf8', nullable: false }],
        keyId: 'kek',
        wrappingKey: releaseKey,
      },
    ],
    queries: [
      {
        id: 'all',
        sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
        relations: ['visits'],
        window: { kind: 'whole' },
        latenessMs: 0,
        readers: ['reader'],
        disclosure: { minimumGroupRows: 2, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'build 1', sha384: MEASUREMENT }],
      minimumTcb: {},
      authorities: [{ issuer: ISSUER, keys: [releaseKey] }],
    },
  });
  let signed: SignedContract | typeof contract = contract;
  for (const { identityJson } of [west, reader]) {
    signed = await signContract(signed, parseIdentity(identityJson));
  }
  const { contractId } = await verifyContract(signed);
  const version = { contractId, signed: signed as SignedContract };
  const both = [west.identityJson, reader.identityJson];
  return { ...version, amend: (members) => amend(version, both, members) };
}

export function genesisOf(contractId: ContractId): string {
  return createHash('sha256').update(contractId).digest('hex');
}
