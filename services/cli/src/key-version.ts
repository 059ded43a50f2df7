import type { KeyClient } from '@azure/keyvault-keys';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { releasedKeys } from '@strongroom/protocol/released-keys';
import { askVault } from './vault-client.ts';

/**
 * What a contract calls the key of that name in a service: `NAME/VERSION`, or `NAME` alone. Of all
 * parties, where none of them keeps its keys there: a service may have several addresses.
 */
export function namedVersions(contract: Contract, name: string, vault: string): string[] {
  const keepers = contract.parties.filter(({ keyRelease }) => keyRelease?.url === vault);
  const parties = new Set<string>(
    (keepers.length > 0 ? keepers : contract.parties).map(({ id }) => id),
  );
  const named = new Set<string>();
  for (const { party, keyId } of releasedKeys(contract)) {
    if (parties.has(party) && keyId.split('/')[0] === name) named.add(keyId);
  }
  return [...named].sort();
}

/**
 * Which version of a key is meant where nobody says: the one that the contract names, or the newest
 * where it names the key without a version, since that is what its worker is given. Of a key that
 * it does not name the only one: the policy of another would be lost.
 * @throws ERR_USAGE where several are meant
 */
export async function meantVersion({
  client,
  name,
  vault,
  contract,
}: {
  readonly client: KeyClient;
  readonly name: string;
  readonly vault: string;
  readonly contract: Contract | undefined;
}): Promise<string> {
  const named = contract ? namedVersions(contract, name, vault) : [];
  if (named.length > 1) throw severalMeant(`the contract names ${named.join(' and ')}`);
  const [keyId] = named;
  const pinned = keyId?.split('/')[1];
  if (pinned !== undefined) return pinned;
  const { properties } = await askVault(vault, () => client.getKey(name));
  const newest = properties.version ?? '';
  if (keyId !== undefined) return newest;
  const versions = await askVault(vault, () => versionsOf(client, name));
  if (versions.length > 1) throw severalMeant(`${name} has ${versions.length} versions`);
  return newest;
}

const severalMeant = (why: string) =>
  new StrongroomError('ERR_USAGE', { argument: '--key-version', problem: `${why}: say which` });

async function versionsOf(client: KeyClient, name: string): Promise<string[]> {
  const versions: string[] = [];
  for await (const { version } of client.listPropertiesOfKeyVersions(name)) {
    versions.push(version ?? '');
  }
  return versions;
}
