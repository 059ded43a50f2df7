import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { type LaunchOptions, measureImage, simulatedRoots } from '@strongroom/attestation/insecure';
import { releasePolicyFor } from '@strongroom/attestation/release-policy';
import type { RootSet } from '@strongroom/attestation/roots';
import { proofBytes } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, parseContract, type SignedContract } from '@strongroom/protocol/contract';
import type { Evidence } from '@strongroom/protocol/evidence';
import type { ContractId } from '@strongroom/protocol/fields';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { azureVmOf, evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { truthfulClaims } from '@strongroom/testkit/truthful-claims';
import { z } from 'zod';
import { get } from './get.ts';
import { type Authority, createAuthority, encoded, ISSUER, runtimeClaims } from './token.ts';
import { startVault, type Vault } from './vault.ts';

/** An owner with three authorities, contracts with any guards, and workers with real evidence. */

export const B = 'https://second.example';
/** Signs with the key of ISSUER, which the owner's configuration does not notice. */
export const ALIAS = 'https://alias.example';
export const GOOD = [new Uint8Array(4096).fill(1)];
export const EVIL = [new Uint8Array(4096).fill(2)];

type Launch = Partial<LaunchOptions>;

/** A started worker: what its platform says of it, and what it says of itself. */
interface Started {
  readonly evidence: Evidence;
  readonly runtime: object;
}

export interface Agreed {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly signed: SignedContract;
}

export interface Guarded {
  readonly vault: Vault;
  /** A contract that both parties signed. */
  agree(enclave?: object): Promise<Agreed>;
  /** A key under the contract's policy. @returns its name */
  keyUnder(agreed: Agreed): Promise<string>;
  upload(agreed: Agreed, id?: string): Promise<{ status: number; code: unknown }>;
  /** @param isVm behind a paravisor and a virtual TPM */
  start(agreed: Agreed, launch?: Launch, isVm?: boolean): Promise<Started>;
  /** What an authority says truthfully of evidence, and then whatever it is told to say. */
  token(issuer: string, started: Started, lies?: object): Promise<string>;
  /** @returns `released`, or the code and the details of the refusal */
  ask(name: string, target: string): Promise<Outcome>;
}

interface Outcome {
  readonly code: string;
  readonly details: readonly string[];
}

const RefusalSchema = z.looseObject({
  error: z.looseObject({
    innererror: z.looseObject({
      code: z.string(),
      unmet: z.array(z.string()).default([]),
      mismatches: z.array(z.string()).default([]),
      refused: z.array(z.string()).default([]),
    }),
  }),
});

/** @param args more of the service's command line */
export async function createGuarded(args: readonly string[] = []): Promise<Guarded> {
  const { folder, platform } = await sharedTestPlatform();
  const roots = simulatedRoots(folder);
  const second = createAuthority();
  const vault = await startVault({
    platform: 'simulated',
    ...{ roots, arguments: args },
    authorities: (own) => [
      { issuer: B, keys: [second.publicKey] },
      { issuer: ALIAS, keys: [createAuthority().publicKey, own.publicKey] },
    ],
  });
  const authorityOf = (issuer: string) => (issuer === B ? second : vault.authority);
  const agree = contractMaker(vault.authority, second);
  const put = async (agreed: Agreed, id: string = agreed.contractId) => {
    const body = JSON.stringify(agreed.signed);
    const question = { method: 'PUT', token: vault.tokens.administer, body };
    const answer = await get(`${vault.url}/contracts/${id}`, vault.ca, question);
    return { status: answer.status, code: JSON.parse(answer.body).error?.innererror?.code };
  };
  return {
    vault,
    agree,
    upload: put,
    keyUnder: async ({ contract, contractId }) => {
      const name = `key-${randomBytes(6).toString('hex')}`;
      const releasePolicy = encoded(releasePolicyFor(contract, contractId));
      await vault.client('administer').createOctKey(name, { exportable: true, releasePolicy });
      return name;
    },
    start: async ({ contractId }, launch = {}, isVm = false) => {
      const hostData = Buffer.from(contractId, 'hex');
      const guest = platform.launch({ image: GOOD, hostData, ...launch });
      const runtime = runtimeClaims(TRANSPORT, contractId);
      const shown = isVm ? azureVmOf(guest) : guest;
      return { evidence: await evidenceOf(shown, canonicalBytes(runtime)), runtime };
    },
    token: (issuer, { evidence }, lies = {}) =>
      attest(authorityOf(issuer), evidence, roots, { iss: issuer, ...lies }),
    ask: async (name, target) => {
      const url = `${vault.url}/keys/${name}/release?api-version=7.4`;
      const body = JSON.stringify({ target, enc: 'RSA_AES_KEY_WRAP_256' });
      const question = { method: 'POST', token: vault.tokens.release, body };
      const answer = await get(url, vault.ca, question);
      if (answer.status === 200) return { code: 'released', details: [] };
      const { code, unmet, mismatches, refused } = RefusalSchema.parse(JSON.parse(answer.body))
        .error.innererror;
      return { code, details: [...unmet, ...mismatches, ...refused] };
    },
  };
}

/** A token with what the evidence says, and then whatever it is told to say. */
export async function attest(
  authority: Authority,
  evidence: Evidence,
  roots: RootSet,
  lies: object = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const times = { iat: now, nbf: now, exp: now + 600, jti: randomBytes(8).toString('hex') };
  return authority.token({ iss: ISSUER, ...times, ...truthfulClaims(evidence, roots), ...lies });
}

const TRANSPORT = generateKeyPairSync('rsa', { modulusLength: 3072 }).publicKey;

/** As it is sent; also for what `createProof` would refuse to make. */
export function targetOf(tokens: readonly string[], evidence?: Evidence): string {
  const shown = evidence === undefined ? {} : { evidence };
  return Buffer.from(proofBytes({ v: 1, tokens: [...tokens], ...shown })).toString('base64url');
}

export function contractMaker(first: Authority, second: Authority) {
  const publicKey = createPublicKey(
    generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
  ).export({ format: 'jwk' });
  const identities = Promise.all([
    createIdentity('west', { reading: false }),
    createIdentity('reader', { reading: true }),
  ]);
  return async (enclave: object = {}): Promise<Agreed> => {
    const [west, reader] = await identities;
    const contract = parseContract({
      ...texts(publicKey),
      parties: [
        {
          ...{ id: 'west', name: 'West', signingKey: west.signingKey },
          keyRelease: {
            url: 'https://localhost',
            releaseKey: publicKey,
            stateShareKeyId: 'share',
          },
        },
        {
          ...{ id: 'reader', name: 'Reader', signingKey: reader.signingKey },
          readingKey: reader.readingKey,
        },
      ],
      enclave: {
        platform: 'simulated',
        measurements: [{ name: 'good', sha384: measureImage(GOOD) }],
        minimumTcb: {},
        authorities: [
          { issuer: ISSUER, keys: [first.publicKey] },
          { issuer: B, keys: [second.publicKey] },
        ],
        ...enclave,
      },
    });
    const half = await signContract(contract, parseIdentity(west.identityJson));
    const signed = await signContract(half, parseIdentity(reader.identityJson));
    return { contract, contractId: (await verifyContract(signed)).contractId, signed };
  };
}

/** No two contracts are one. */
function random(): string {
  return randomBytes(16).toString('hex');
}

function texts(wrappingKey: object) {
  const columns = [{ name: 'n', type: 'int32', nullable: false }];
  const query = { sql: 'SELECT count(*) AS n FROM rows', window: { kind: 'whole' }, latenessMs: 0 };
  return {
    ...{ strongroom: 'contract/v1', title: 'Guards', purpose: random(), version: 1 },
    datasets: [{ id: 'rows', owner: 'west', relation: 'rows', columns, keyId: 'kek', wrappingKey }],
    queries: [
      {
        ...query,
        ...{ id: 'all', relations: ['rows'], readers: ['reader'] },
        disclosure: { minimumGroupRows: 5, groupRowsColumn: 'n' },
      },
    ],
  };
}
