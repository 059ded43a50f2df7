import { randomBytes } from 'node:crypto';
import { Agent } from 'node:https';
import { demandAgreement, verifyTokens } from '@strongroom/attestation/agreement';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { demandOwnVerification } from '@strongroom/attestation/own-verification';
import { compileReleasePolicy, releasePolicyFor } from '@strongroom/attestation/release-policy';
import type { RootSet } from '@strongroom/attestation/roots';
import { verifyToken } from '@strongroom/attestation/token';
import { createProof, parseTarget, proofTarget } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { freePort } from '@strongroom/record-log/free-port';
import { systemClock } from '@strongroom/runtime/clock';
import { wrapForRelease } from '@strongroom/sealing/wrap';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { get } from '../../services/key-release/test/get.ts';
import {
  type Agreed,
  attest,
  contractMaker,
  GOOD,
} from '../../services/key-release/test/guarded.ts';
import {
  type Authority,
  createAuthority,
  encoded,
  ISSUER,
  runtimeClaims,
} from '../../services/key-release/test/token.ts';
import {
  createClient,
  createTransportKey,
  prepareVault,
} from '../../services/key-release/test/vault.ts';
import { Processes } from '../deployment/processes.ts';
import type { Measured } from './measured.ts';

/**
 * Releases to workers that all differ, over HTTPS from a service process of its own, against what
 * no release can leave out, in this process and one after another: the token, the raw evidence,
 * the policy, the wrapping. What the service adds is the connection, two signatures, and an entry
 * of the audit log that is on the disk.
 */

const RELEASES = 1_000;
const AT_ONCE = 16;
/** Service and baseline take turns, so that a busy machine slows both. */
const ROUNDS = 4;
const WARM_UP = 40;
const ALGORITHM = 'RSA_AES_KEY_WRAP_256';
const MAIN = 'services/key-release/src/main.insecure.ts';

export async function benchKeyRelease(): Promise<Measured[]> {
  const { folder } = await sharedTestPlatform();
  const prepared = await prepareVault({ platform: 'simulated' });
  const scene = await prepareScene(prepared.authority, simulatedRoots(folder));
  const processes = new Processes(prepared.folder);
  try {
    const url = `https://localhost:${await freePort()}`;
    const at = prepared.args.indexOf('--port') + 1;
    const args = prepared.args.with(at, new URL(url).port).concat('--roots', folder);
    args[args.indexOf('--log-level') + 1] = 'info';
    await processes.startService('key-release', MAIN, args, { url, ca: prepared.ca });
    const ask = await openClient(url, prepared, scene.agreed);
    return await takeTurns(scene, ask, () => processes.cpuSeconds()['key-release'] ?? 0);
  } finally {
    await processes.stopAll();
    await prepared.remove();
  }
}

type Scene = Awaited<ReturnType<typeof prepareScene>>;
type Ask = (target: string) => Promise<void>;

async function prepareScene(authority: Authority, roots: RootSet) {
  const agreed = await contractMaker(authority, createAuthority())({ ownVerification: true });
  const { contract, contractId } = agreed;
  const policy = compileReleasePolicy(JSON.stringify(releasePolicyFor(contract, contractId)));
  const makeTarget = await targetMaker(authority, agreed, roots);
  const targets: string[] = [];
  while (targets.length < RELEASES + WARM_UP) targets.push(await makeTarget());
  return { agreed, policy, authority, roots, targets };
}

/** Each time another worker: another launch, report, transport key, and token. */
async function targetMaker(authority: Authority, { contractId }: Agreed, roots: RootSet) {
  const { platform } = await sharedTestPlatform();
  const { publicKey } = createTransportKey();
  return async (): Promise<string> => {
    const guest = platform.launch({ image: GOOD, hostData: Buffer.from(contractId, 'hex') });
    const runtime = runtimeClaims(publicKey, contractId);
    const [transport, aggregates] = runtime.keys;
    const keys = [{ ...transport, n: randomModulus() }, aggregates];
    const evidence = await evidenceOf(guest, canonicalBytes({ ...runtime, keys }));
    return proofTarget(createProof([await attest(authority, evidence, roots)], evidence));
  };
}

/** Nobody opens what is wrapped here, so no factors are needed: any odd number of 3072 bits does. */
function randomModulus(): string {
  const bytes = randomBytes(384);
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  bytes[383] = (bytes[383] ?? 0) | 1;
  return bytes.toString('base64url');
}

async function openClient(
  url: string,
  { tokens, ca }: Awaited<ReturnType<typeof prepareVault>>,
  { contract, contractId, signed }: Agreed,
): Promise<Ask> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const upload = { method: 'PUT', token: tokens.administer, body: JSON.stringify(signed) };
  await get(`${url}/contracts/${contractId}`, ca, upload);
  const releasePolicy = encoded(releasePolicyFor(contract, contractId));
  const administrator = createClient(url, tokens.administer, ca);
  await administrator.createOctKey('bench', { exportable: true, releasePolicy });
  return async (target) => {
    const body = JSON.stringify({ target, enc: ALGORITHM });
    const question = { method: 'POST', token: tokens.release, body, agent };
    const answer = await get(`${url}/keys/bench/release?api-version=7.4`, ca, question);
    if (answer.status !== 200) throw new Error(`refused: ${answer.body}`);
  };
}

async function takeTurns(scene: Scene, ask: Ask, cpuSeconds: () => number): Promise<Measured[]> {
  const bare = bareRelease(scene);
  await together(scene.targets.splice(0, WARM_UP), async (target) => {
    await bare(target);
    await ask(target);
  });
  const milliseconds: number[] = [];
  const seconds = { service: 0, bare: 0 };
  const before = cpuSeconds();
  let bareCpu = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const targets = scene.targets.splice(0, RELEASES / ROUNDS);
    const usage = process.cpuUsage();
    seconds.bare += await timed(async () => {
      for (const target of targets) await bare(target);
    });
    const { user, system } = process.cpuUsage(usage);
    bareCpu += (user + system) / 1_000_000;
    seconds.service += await timed(() =>
      together(targets, async (target) => {
        milliseconds.push(1_000 * (await timed(() => ask(target))));
      }),
    );
  }
  return summary(seconds, { service: cpuSeconds() - before, bare: bareCpu }, milliseconds);
}

/** What the service's answer to a target cannot be without. */
function bareRelease({
  agreed,
  policy,
  authority,
  roots,
}: Scene): (target: string) => Promise<void> {
  const { contract, contractId } = agreed;
  const authorities = [{ issuer: ISSUER, keys: [authority.publicKey] }];
  const secret = randomBytes(32);
  return async (target) => {
    const proof = parseTarget(target);
    const verify = (token: string) => verifyToken(token, { authorities, clock: systemClock });
    const worker = await verifyTokens(proof.tokens, verify);
    if (!proof.evidence) throw new Error('no evidence');
    const facts = { contract, contractId, roots, clock: systemClock };
    demandOwnVerification(proof.evidence, worker.runtime, facts);
    demandAgreement(policy, worker, true);
    wrapForRelease(secret, worker.runtime.keys[0], ALGORITHM);
  };
}

async function together(targets: readonly string[], work: Ask): Promise<void> {
  const waiting = [...targets];
  const next = async (): Promise<void> => {
    for (let target = waiting.pop(); target !== undefined; target = waiting.pop()) {
      await work(target);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

/** @returns seconds */
async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}

interface Seconds {
  readonly service: number;
  readonly bare: number;
}

/** Processor time beside time: on a machine that others use, it says more. */
function summary(wall: Seconds, cpu: Seconds, milliseconds: readonly number[]): Measured[] {
  const sorted = [...milliseconds].sort((left, right) => left - right);
  const quantile = (share: number) => round(sorted[Math.floor(share * sorted.length)] ?? 0);
  const latency = `p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`;
  const perRelease = (seconds: number) => Number(((1_000 * seconds) / RELEASES).toFixed(2));
  return [
    {
      name: `key releases, ${AT_ONCE} at once (${latency}), against bare verification`,
      ours: round(RELEASES / wall.service),
      baseline: round(RELEASES / wall.bare),
      ratio: ratio(wall),
      unit: 'releases/s',
    },
    {
      name: 'processor time of a key release, against bare verification',
      ours: perRelease(cpu.service),
      baseline: perRelease(cpu.bare),
      ratio: ratio(cpu),
      unit: 'ms',
    },
  ];
}

function ratio({ service, bare }: Seconds): number {
  return Number((bare / service).toFixed(2));
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
