import { parseContract } from '@strongroom/protocol/contract';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import type { KeyReleaseService } from './start-key-release.ts';

/** A signed contract of its own title, so that each has an id and a lease of its own, in a file. */
export async function agreeOn(options: {
  readonly title: string;
  /** Signs the statements of leases; absent where none is kept. */
  readonly statementKey?: unknown;
  readonly releaseKey: unknown;
  readonly url: string;
  readonly service: KeyReleaseService;
}): Promise<string> {
  const { title, statementKey, releaseKey, url, service } = options;
  const north = await createIdentity('north', { reading: false });
  const reader = await createIdentity('reader', { reading: true });
  const lease = statementKey === undefined ? {} : { lease: { url, statementKey } };
  const keyRelease = { url, releaseKey, stateShareKeyId: 'share', ...lease };
  const made = parseContract({
    strongroom: 'contract/v1',
    ...{ title, purpose: 'To test.', version: 1 },
    parties: [
      { id: 'north', name: 'North', signingKey: north.signingKey, keyRelease },
      {
        ...{ id: 'reader', name: 'Reader' },
        signingKey: reader.signingKey,
        readingKey: reader.readingKey,
      },
    ],
    datasets: [
      {
        ...{ id: 'flights', owner: 'north', relation: 'flights', keyId: 'kek' },
        columns: [{ name: 'origin', type: 'utf8', nullable: false }],
        wrappingKey: releaseKey,
      },
    ],
    queries: [
      {
        ...{ id: 'all', sql: 'SELECT count(*) AS n FROM flights', relations: ['flights'] },
        ...{ window: { kind: 'whole' }, latenessMs: 0, readers: ['reader'] },
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      ...{ platform: 'simulated', minimumTcb: {} },
      measurements: [{ name: 'build 1', sha384: 'ab'.repeat(48) }],
      authorities: [{ issuer: 'https://attest.example', keys: [releaseKey] }],
    },
  });
  const once = await signContract(made, parseIdentity(north.identityJson));
  const signed = await signContract(once, parseIdentity(reader.identityJson));
  return await service.secretFile(`${title}.json`, JSON.stringify(signed));
}
