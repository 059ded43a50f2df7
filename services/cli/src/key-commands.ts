import { createHash } from 'node:crypto';
import type { JsonWebKey, KeyClient, KeyProperties, KeyVaultKey } from '@azure/keyvault-keys';
import {
  compileReleasePolicy,
  DENY_ALL_POLICY,
  releasePolicyFor,
} from '@strongroom/attestation/release-policy';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { type Contract, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { addJoinKeyCommand } from './join-key-command.ts';
import { meantVersion, namedVersions } from './key-version.ts';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';
import { addSplitCommand, readShareFile } from './split-command.ts';
import { uploadContract } from './upload-contract.ts';
import { askVault, connectVault, type VaultOptions } from './vault-client.ts';

const RSA_BITS = 3_072;
const OCT_BITS = 256;

/** `strongroom key …`: an owner's keys in its key release service, or in Azure Key Vault. */
export function addKeyCommands(program: Command): void {
  const keys = nounCommand(program, 'key', "an owner's keys in its key release service");
  const vault = '--vault https://keys.north.example --token-file token';
  vaultCommand(keys, 'create', 'make a key that nobody gets until its policy is set', {
    example: `strongroom key create ${vault} --name flights-north --type rsa`,
    named: true,
  })
    .addOption(
      new Option('--type <type>', 'rsa: seals a dataset; oct: a share of the state key')
        .choices(['rsa', 'oct'])
        .default('rsa'),
    )
    .action(createKey);
  addSplitCommand(keys);
  addJoinKeyCommand(keys);
  vaultCommand(keys, 'import', "keep a share of a dataset's key; nobody gets it until its policy", {
    example: `strongroom key import ${vault} --share north.share.json`,
  })
    .requiredOption('--share <file>', 'share file, as `strongroom key split` makes it')
    .action(importShare);
  vaultCommand(keys, 'rotate', 'make the next version of a key; contracts that name one keep it', {
    example: `strongroom key rotate ${vault} --name flights-north --json`,
    named: true,
  }).action(rotateKey);
  vaultCommand(keys, 'list', 'list the keys', { example: `strongroom key list ${vault}` }).action(
    listKeys,
  );
  vaultCommand(keys, 'show', "print a key's public half", {
    example: `strongroom key show ${vault} --name flights-north --json > north.wrapping-key.json`,
    named: true,
  }).action(showKey);
  const policy = nounCommand(keys, 'policy', 'under which conditions a key is released');
  vaultCommand(policy, 'set', 'set the release policy of a key', {
    example: `strongroom key policy set ${vault} --name flights-north --contract contract.json`,
    named: true,
  })
    .addOption(
      new Option(
        '--contract <file>',
        'signed contract: its policy; own verification and leases need it there',
      ).conflicts('policy'),
    )
    .option('--policy <file>', 'policy, as `strongroom policy from-contract` makes it')
    .option('--key-version <id>', 'of this version; default: the one in the contract', versionId)
    .action(setPolicy);
  vaultCommand(policy, 'show', 'print the release policy of a key', {
    example: `strongroom key policy show ${vault} --name flights-north`,
    named: true,
  }).action(showPolicy);
}

function versionId(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw new InvalidArgumentError('32 hexadecimal digits, as `key show` prints them behind a slash');
}

function deniedToAll(): { encodedPolicy: Uint8Array } {
  return { encodedPolicy: new TextEncoder().encode(JSON.stringify(DENY_ALL_POLICY)) };
}

async function importShare(options: VaultOptions & { share: string; json?: boolean }) {
  const { keyId, kty, k, party, dataset } = await readShareFile(options.share);
  const share = Buffer.from(k, 'base64url');
  const sha256 = createHash('sha256').update(share).digest('hex');
  const client = await connectVault(options);
  const { vault } = options;
  const kept = { exportable: true, hardwareProtected: true, releasePolicy: deniedToAll() };
  const made = await askVault(vault, () => client.importKey(keyId, { kty, k: share }, kept));
  share.fill(0);
  const shown = { ...keyFacts(made), party, dataset, sha256 };
  const notice = '`strongroom contract show` must say the same of this share before you sign.';
  printResult(options.json, shown, `${shown.id}\nSHA-256 ${sha256}\n${notice}`);
}

interface NamedOptions extends VaultOptions {
  readonly name: string;
  readonly json?: boolean;
}

function vaultCommand(
  parent: Command,
  verb: string,
  description: string,
  { example, named = false }: { example: string; named?: boolean },
): Command {
  const command = leafCommand(parent, verb, description, example)
    .requiredOption('--vault <url>', 'key release service or Azure Key Vault')
    .requiredOption('--token-file <file>', 'access token of the service')
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones');
  return named ? command.requiredOption('--name <name>', 'name of the key') : command;
}

async function createKey(options: NamedOptions & { type: 'rsa' | 'oct' }): Promise<void> {
  const client = await connectVault(options);
  const released = { exportable: true, hsm: true, releasePolicy: deniedToAll() };
  const made = await askVault(options.vault, () =>
    options.type === 'rsa'
      ? client.createRsaKey(options.name, { ...released, keySize: RSA_BITS })
      : client.createOctKey(options.name, { ...released, keySize: OCT_BITS }),
  );
  const shown = keyFacts(made);
  const notice = 'Its policy denies everybody; set one with `strongroom key policy set`.';
  printResult(options.json, shown, `${shown.id}\n${notice}`);
}

async function rotateKey(options: NamedOptions): Promise<void> {
  const client = await connectVault(options);
  const made = await askVault(options.vault, () => client.rotateKey(options.name));
  const shown = keyFacts(made);
  const notice =
    'An amended contract names it by this and its public half; then its policy is set.';
  printResult(options.json, shown, `${shown.keyId}\n${notice}`);
}

async function listKeys(options: VaultOptions & { json?: boolean }): Promise<void> {
  const client = await connectVault(options);
  const listed = await askVault(options.vault, () => collect(client));
  const rows = listed.map(({ name, enabled }) => ({ name, enabled: enabled === true }));
  const text = rows.map((row) => `${row.name}${row.enabled ? '' : ' (disabled)'}`).join('\n');
  printResult(options.json, rows, text || 'no keys');
}

async function collect(client: KeyClient): Promise<KeyProperties[]> {
  const listed: KeyProperties[] = [];
  for await (const properties of client.listPropertiesOfKeys()) listed.push(properties);
  return listed;
}

async function showKey(options: NamedOptions): Promise<void> {
  const shown = keyFacts(await getKey(options));
  printResult(options.json, shown, Object.entries(shown).map(factLine).join('\n'));
}

function factLine([name, value]: [string, unknown]): string {
  return `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`;
}

async function getKey(options: NamedOptions): Promise<KeyVaultKey> {
  const client = await connectVault(options);
  return askVault(options.vault, () => client.getKey(options.name));
}

interface SetPolicyOptions extends NamedOptions {
  readonly policy?: string;
  readonly contract?: string;
  readonly keyVersion?: string;
}

async function setPolicy(options: SetPolicyOptions): Promise<void> {
  const { name, vault, keyVersion } = options;
  const agreed = await agreedIn(options);
  const text = agreed?.policy ?? (await readTextFile(options.policy ?? ''));
  compileReleasePolicy(text);
  const client = await connectVault(options);
  const version =
    keyVersion ?? (await meantVersion({ client, name, vault, contract: agreed?.contract }));
  await agreed?.upload();
  const releasePolicy = { encodedPolicy: new TextEncoder().encode(text) };
  const updated = await askVault(vault, () =>
    client.updateKeyProperties(name, version, { releasePolicy }),
  );
  const shown = keyFacts(updated);
  const other = agreed && isOtherThan(agreed.contract, vault, shown);
  if (other) printNotice(`The contract names ${other}: no worker gets this version under it.`);
  printResult(options.json, shown, `policy of ${shown.keyId} is set`);
}

/** What the contract says of the policy; undefined where a policy is given instead. */
async function agreedIn(options: SetPolicyOptions) {
  if (options.policy !== undefined) return undefined;
  if (options.contract === undefined) {
    throw new StrongroomError('ERR_USAGE', { problem: 'either --contract or --policy is missing' });
  }
  const signed = await readJsonFile(options.contract);
  const { contract, contractId } = await verifyContract(signed);
  const policy = JSON.stringify(releasePolicyFor(contract, contractId));
  const isLeaseKept = contract.parties.some(
    ({ keyRelease }) => keyRelease?.lease?.url === options.vault,
  );
  const isNeeded = contract.enclave.ownVerification === true || isLeaseKept;
  /** A service that verifies evidence itself or keeps a lease is given the contract first. */
  const upload = async () => {
    if (!isNeeded) return;
    await uploadContract(options, contractId, SignedContractSchema.parse(signed));
  };
  return { contract, policy, upload };
}

function isOtherThan(
  contract: Contract,
  vault: string,
  { name, keyId }: { readonly name: string; readonly keyId: string },
): string | undefined {
  const named = namedVersions(contract, name, vault);
  const isMeant = named.length === 0 || named.includes(keyId) || named.includes(name);
  return isMeant ? undefined : named.join(', ');
}

async function showPolicy(options: NamedOptions): Promise<void> {
  const { properties } = await getKey(options);
  const encoded = properties.releasePolicy?.encodedPolicy;
  if (encoded === undefined) {
    const problem = 'this key has no release policy';
    throw new StrongroomError('ERR_POLICY_MALFORMED', { key: options.name, problem });
  }
  const text = new TextDecoder().decode(encoded);
  compileReleasePolicy(text);
  const policy: unknown = JSON.parse(text);
  printResult(options.json, policy, JSON.stringify(policy, null, 2));
}

function keyFacts(found: KeyVaultKey) {
  const { name, id = name, keyType = 'unknown', properties } = found;
  return {
    name,
    id,
    /** As a contract names this version. */
    keyId: `${name}/${properties.version}`,
    type: keyType,
    enabled: properties.enabled === true,
    exportable: properties.exportable === true,
    ...publicHalf(found.key),
  };
}

/** In the form of contracts; an oct key has no public half. */
function publicHalf(jwk: JsonWebKey | undefined): { key?: object } {
  if (!jwk?.n || !jwk.e) return {};
  return { key: { kty: 'RSA', n: encodeBase64url(jwk.n), e: encodeBase64url(jwk.e) } };
}
