import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type CreateKeyOptions, type JsonWebKey, KeyClient } from '@azure/keyvault-keys';
import { createSimulatedPlatform } from '@strongroom/attestation/insecure';
import { DENY_ALL_POLICY, releasePolicyFor } from '@strongroom/attestation/release-policy';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, parseContract, type SignedContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { freePort } from '@strongroom/record-log/free-port';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { readContract, verifyContract } from '@strongroom/sealing/verify';
import { createRunAuthority, type RunAuthority } from './certificates.ts';
import { httpsGetJson, httpsPutJson } from './https-json.ts';
import { startLedgerBeside } from './ledger-beside.ts';
import {
  type DeploymentPlan,
  type PublicParts,
  STATE_SHARE_ID,
  type VaultParts,
  WRAPPING_KEY_ID,
} from './plan.ts';
import type { Processes } from './processes.ts';
import { allowsShare, KEY_SHARE_ID, shareKey } from './shared-key.ts';
import { say } from './terminal.ts';
import { tlsFiles, writeWorkerCertificate } from './tls-files.ts';

/** Sets up every organisation: its identity, its key release service, its keys, its signature. */

export interface Folders {
  readonly run: string;
  /** Private keys and tokens that in life would lie on different machines. */
  readonly secrets: string;
  readonly logs: string;
  readonly caFile: string;
  readonly authority: RunAuthority;
}

export interface Agreement {
  readonly signed: SignedContract;
  readonly contract: Contract;
  readonly contractId: ContractId;
}

interface Vault extends VaultParts {
  readonly adminToken: string;
  readonly client: KeyClient;
  /** Stops the service, does something to its data folder, and starts it again. */
  whileStopped(act: (data: string) => Promise<void>, signal?: StopSignal): Promise<void>;
}

/** How a service ends: as asked, or without warning. */
type StopSignal = 'SIGTERM' | 'SIGKILL';

/** What a deployment can do after its first contract. */
export interface Organisations extends Agreement {
  /** Another contract of the same parties; keys are from then on released under this one. */
  agreeAgain(title: string): Promise<Agreement>;
  /** What follows a contract, signed by these parties; no service knows it yet. */
  amend(before: Agreement, members: object, signers?: readonly string[]): Promise<Agreement>;
  /** One owner's service is given it. @returns its answer's status */
  approve(owner: string, agreement: Agreement): Promise<void>;
  /** All services are given it, and keys are from then on released under this one. */
  changeOver(agreement: Agreement): Promise<void>;
  whileStopped(
    owner: string,
    act: (data: string) => Promise<void>,
    signal?: StopSignal,
  ): Promise<void>;
}

export async function prepareFolders(run: string): Promise<Folders> {
  const logs = path.join(run, 'logs');
  const secrets = path.join(run, 'secrets');
  await mkdir(logs, { recursive: true });
  await mkdir(secrets, { recursive: true, mode: 0o700 });
  const authority = await createRunAuthority(Date.now());
  const caFile = path.join(run, 'ca.crt');
  await writeFile(caFile, authority.caPem);
  const folders = { run, secrets, logs, caFile, authority };
  await writeWorkerCertificate(folders);
  return folders;
}

/** From nothing to a contract that everybody signed and that every key release enforces. */
export async function setUp(
  processes: Processes,
  folders: Folders,
  plan: DeploymentPlan,
): Promise<Organisations> {
  const accessToken = plan.secrets?.accessToken() ?? randomBytes(32).toString('base64url');
  await writeFile(accessTokenFile(folders), accessToken, { mode: 0o600 });
  await createSimulatedPlatform(platformFolder(folders));
  const names = ['attestation', 'attestation-second'];
  const authorities = await Promise.all(
    names.map((name) => startAttestation(processes, folders, name)),
  );
  const alone = await startVaults(processes, folders, plan, authorities);
  const vaults = await shareKey(alone, plan, NOBODY);
  const { texts, ...publicKeys } = await createIdentities(folders, plan);
  const measurement = await measureWorker(processes);
  say(`reference measurement ${measurement.slice(0, 16)}…`);
  const parts = { ...publicKeys, vaults, measurement, authorities };
  const agree = async (contract: Contract) => {
    const agreement = await agreeOnContract(contract, texts);
    await allowRelease(vaults, agreement, folders, plan);
    say(`contract ${agreement.contractId.slice(0, 16)}… signed by ${Object.keys(texts).length}`);
    return agreement;
  };
  return {
    ...(await agree(plan.contract(parts))),
    agreeAgain: (title) => agree({ ...plan.contract(parts), title }),
    amend: (before, members, signers = Object.keys(texts)) =>
      amendmentOf(
        before,
        members,
        signers.map((party) => texts[party] ?? ''),
      ),
    approve: (owner, agreement) => approve(vaults[owner], agreement, folders),
    changeOver: (agreement) => allowRelease(vaults, agreement, folders, plan),
    whileStopped: async (owner, act, signal) => vaults[owner]?.whileStopped(act, signal),
  };
}

export function adminTokenFile(folders: Folders, owner: string): string {
  return path.join(folders.secrets, `${owner}.admin-token`);
}

export function accessTokenFile(folders: Folders): string {
  return path.join(folders.secrets, 'access-token');
}

/** What owners believe of attestation services. */
export function authoritiesFile(folders: Folders): string {
  return path.join(folders.run, 'authorities.json');
}

export function platformFolder(folders: Folders): string {
  return path.join(folders.run, 'platform');
}

export function identityFile(folders: Folders, party: string): string {
  return path.join(folders.secrets, `${party}.identity.json`);
}

/** An attestation service for the simulated platform: it says so in every token. */
async function startAttestation(processes: Processes, folders: Folders, name: string) {
  const url = `https://localhost:${await freePort()}`;
  await processes.startService(
    name,
    'services/attestation/src/main.insecure.ts',
    [
      'start',
      ...['--port', new URL(url).port, '--issuer', url, '--roots', platformFolder(folders)],
      ...['--data', path.join(folders.run, name)],
      ...(await tlsFiles(folders, name)),
    ],
    { url, ca: folders.authority.caPem },
  );
  const answer = await httpsGetJson(`${url}/certs`, folders.authority.caPem);
  const keys = Array.isArray(answer['keys']) ? answer['keys'] : [];
  return { issuer: url, keys: keys.map(({ kty, n, e }) => ({ kty, n, e })) };
}

async function startVaults(
  processes: Processes,
  folders: Folders,
  plan: DeploymentPlan,
  trusted: PublicParts['authorities'],
): Promise<Record<string, Vault>> {
  const authorities = authoritiesFile(folders);
  // Tokens about a simulated platform are believed only where an owner names it.
  const simulated = trusted.map((each) => ({ ...each, platform: 'simulated' }));
  await writeFile(authorities, JSON.stringify(simulated));
  const vaults = await Promise.all(
    plan.owners.map(async (owner): Promise<[string, Vault]> => {
      return [owner, await startVault(processes, folders, plan, { owner, authorities })];
    }),
  );
  return Object.fromEntries(vaults);
}

/** One owner's key release service and its two keys, for now released to nobody. */
async function startVault(
  processes: Processes,
  folders: Folders,
  plan: DeploymentPlan,
  { owner, authorities }: { owner: string; authorities: string },
): Promise<Vault> {
  const url = `https://localhost:${await freePort()}`;
  const adminToken = plan.secrets?.adminToken(owner) ?? randomBytes(32).toString('base64url');
  const masterKey = plan.secrets?.masterKey(owner) ?? randomBytes(32);
  const secret = (name: string) => path.join(folders.secrets, `${owner}.${name}`);
  await writeFile(adminTokenFile(folders, owner), adminToken, { mode: 0o600 });
  const encoded = Buffer.from(masterKey).toString('base64url');
  await writeFile(secret('master-key'), encoded, { mode: 0o600 });
  const name = `key-release-${owner}`;
  const main = 'services/key-release/src/main.insecure.ts';
  const data = path.join(folders.run, name);
  const args = [
    'start',
    ...['--owner', owner, '--port', new URL(url).port, '--roots', platformFolder(folders)],
    ...['--data', data, '--authorities', authorities],
    ...['--master-key-file', secret('master-key')],
    ...['--access-token-file', accessTokenFile(folders)],
    ...['--admin-token-file', adminTokenFile(folders, owner)],
    ...(await tlsFiles(folders, owner)),
  ];
  const at = { url, ca: folders.authority.caPem };
  let service = await processes.startService(name, main, args, at);
  const client = keyClient(url, adminToken, folders.authority.caPem);
  const keys = await createKeys(client, plan.secrets?.stateShare(owner));
  const known = await httpsGetJson(`${url}/.well-known/strongroom`, folders.authority.caPem);
  const whileStopped: Vault['whileStopped'] = async (act, signal = 'SIGTERM') => {
    if (signal === 'SIGKILL') process.kill(service.pid, signal);
    await service.stop();
    await act(data);
    service = await processes.startService(name, main, args, at);
  };
  const beside = plan.leaseBeside === owner && (await startLedgerBeside(processes, folders, owner));
  const own = { url, client, adminToken, releaseKey: known['releaseKey'], ...keys, whileStopped };
  return beside ? { ...own, lease: beside } : own;
}

/** Through Azure's own client; returns what the contract says of the key encryption key. */
async function createKeys(client: KeyClient, stateShare: Uint8Array | undefined) {
  const rsa: CreateKeyOptions = { ...NOBODY, keySize: 3072 };
  const made = await client.createKey(WRAPPING_KEY_ID, 'RSA', rsa);
  if (stateShare === undefined) {
    const oct: CreateKeyOptions = { ...NOBODY, keySize: 256 };
    await client.createKey(STATE_SHARE_ID, 'oct', oct);
  } else {
    await client.importKey(STATE_SHARE_ID, { kty: 'oct', k: stateShare }, NOBODY);
  }
  return { keyId: `${made.name}/${made.properties.version}`, wrappingKey: publicRsa(made.key) };
}

async function createIdentities(folders: Folders, plan: DeploymentPlan) {
  const signingKeys: Record<string, unknown> = {};
  const readingKeys: Record<string, unknown> = {};
  const texts: Record<string, string> = {};
  for (const party of [...plan.owners, ...plan.analysts]) {
    const reading = [...plan.analysts, ...(plan.uses ?? [])].includes(party);
    const made = await createIdentity(party, { reading });
    texts[party] = made.identityJson;
    signingKeys[party] = made.signingKey;
    readingKeys[party] = made.readingKey;
    await writeFile(identityFile(folders, party), made.identityJson, { mode: 0o600 });
  }
  return { signingKeys, readingKeys, texts };
}

/** What any party can do with a checkout: build the image and take its launch measurement. */
async function measureWorker(processes: Processes): Promise<string> {
  const script = 'services/enclave-worker/src/print-measurement.insecure.ts';
  const { stdout } = await processes.run('measure', script, []);
  return JSON.parse(stdout).measurement;
}

/** Draft, then every party's signature; a contract that lacks one runs nowhere. */
async function agreeOnContract(
  draft: Contract,
  identities: Readonly<Record<string, string>>,
): Promise<Agreement> {
  let signed: Contract | SignedContract = draft;
  for (const text of Object.values(identities)) {
    signed = await signContract(signed, parseIdentity(text));
  }
  const { contract, contractId } = await verifyContract(signed);
  return { signed: signed as SignedContract, contract, contractId };
}

async function amendmentOf(
  before: Agreement,
  members: object,
  identities: readonly string[],
): Promise<Agreement> {
  const link = { version: before.contract.version + 1, previous: before.contractId };
  const contract = parseContract({ ...before.contract, ...link, ...members });
  let signed: Contract | SignedContract = contract;
  for (const text of identities) signed = await signContract(signed, parseIdentity(text));
  const { contractId } = await readContract(JSON.stringify(signed));
  return { signed: signed as SignedContract, contract, contractId };
}

async function approve(vault: Vault | undefined, agreement: Agreement, folders: Folders) {
  if (!vault) throw new Error('an owner without a service');
  const { url, lease, adminToken } = vault;
  const options = { ca: folders.authority.caPem, token: adminToken };
  for (const service of lease ? [url, lease.url] : [url]) {
    await httpsPutJson(`${service}/contracts/${agreement.contractId}`, agreement.signed, options);
  }
}

/** Each owner gives its service the contract that it signed, and the policy that follows. */
async function allowRelease(
  vaults: Readonly<Record<string, Vault>>,
  agreement: Agreement,
  folders: Folders,
  plan: DeploymentPlan,
): Promise<void> {
  const { contract, contractId } = agreement;
  const releasePolicy = encodedPolicy(releasePolicyFor(contract, contractId));
  for (const [owner, vault] of Object.entries(vaults)) {
    const { client, keyId } = vault;
    await approve(vault, agreement, folders);
    // Of the wrapping key the version that contracts name, of the others the only one.
    const [, version = ''] = keyId.split('/');
    await client.updateKeyProperties(WRAPPING_KEY_ID, version, { releasePolicy });
    const shares = allowsShare(plan, owner) ? [KEY_SHARE_ID] : [];
    for (const name of [STATE_SHARE_ID, ...shares]) {
      const { properties } = await client.getKey(name);
      await client.updateKeyProperties(name, properties.version ?? '', { releasePolicy });
    }
    // An owner may do so at any time: a contract names the version that it seals to.
    await client.rotateKey(WRAPPING_KEY_ID);
  }
}

function keyClient(url: string, token: string, ca: string): KeyClient {
  const credential = {
    getToken: async () => ({ token, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }),
  };
  return new KeyClient(url, credential, {
    disableChallengeResourceVerification: true,
    tlsOptions: { ca },
  });
}

function encodedPolicy(policy: unknown) {
  return { encodedPolicy: canonicalBytes(policy), contentType: 'application/json; charset=utf-8' };
}

/** Of a key before its contract. */
const NOBODY = { exportable: true, releasePolicy: encodedPolicy(DENY_ALL_POLICY) };

function publicRsa(jwk: JsonWebKey | undefined) {
  if (!jwk?.n || !jwk.e) throw new Error('the service returned no public key');
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  return { kty: 'RSA', n: text(jwk.n), e: text(jwk.e) };
}
