import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import {
  measureImage,
  type SimulatedPlatform,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import { releasePolicyFor } from '@strongroom/attestation/release-policy';
import type { SignedContract } from '@strongroom/protocol/contract';
import { StreamNameSchema } from '@strongroom/protocol/fields';
import { chargesOf } from '@strongroom/protocol/privacy';
import { datasetTopic, usesTopic } from '@strongroom/protocol/record';
import { systemClock } from '@strongroom/runtime/clock';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { createStreamSealer, streamStart } from '@strongroom/sealing/seal';
import { verifyContract } from '@strongroom/sealing/verify';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { openOwnerData } from '../../services/cli/src/owner/owner-data.ts';
import { createOwnerDesk } from '../../services/cli/src/owner/owner-desk.ts';
import { createOwnerServer } from '../../services/cli/src/owner/owner-server.ts';
import { loadOwnerPage } from '../../services/cli/src/owner/serve-owner.ts';
import { createOwnerSession } from '../../services/cli/src/owner/session.ts';
import { AnsweringWorker, streamOf } from '../../services/cli/test/answering-worker.ts';
import {
  authority,
  createUsesScene,
  Ledgers,
  NORTH,
  startVault as startLife,
  type UsesScene,
} from '../../services/cli/test/uses-scene.ts';
import { amend } from '../../services/key-release/test/amend.ts';
import { get } from '../../services/key-release/test/get.ts';
import { encoded } from '../../services/key-release/test/token.ts';
import { startVault, type Vault } from '../../services/key-release/test/vault.ts';
import { createClientOf, createWorker } from '../../services/key-release/test/worker.ts';

/**
 * An owner with a real key release service, of which a worker was given a key and others were not,
 * budgets that results have used up, and a log in memory with what was sent and counted.
 */

const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2026, 10, 20);
/** What nobody but the server may see. */
export const CANARY = `canary-${randomBytes(8).toString('hex')}`;

/** Built once for all tests of a file. */
const assets = loadOwnerPage();

export interface OwnerWorld {
  readonly scene: UsesScene;
  readonly vault: Vault;
  /** With the secret in its fragment. */
  readonly url: string;
  readonly secret: string;
  readonly origin: string;
  readonly logged: () => string;
  /** Of the simulated platform: a file for the command. */
  readonly roots: string;
  /** The worker comes, and answers challenges; or goes away. */
  answering(isThere: boolean): void;
  /** From now on the page's server gets a revocation list. */
  listing(): void;
  /** Secrets that the page must never show or send. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

export async function openOwnerWorld({ withToken = true } = {}): Promise<OwnerWorld> {
  const vault = await startVault({ platform: 'simulated', arguments: ['--owner', 'north'] });
  const known = JSON.parse((await get(`${vault.url}/.well-known/strongroom`, vault.ca)).body);
  const scene = await createUsesScene('', (draft) => contractOf(draft, vault, known.releaseKey));
  await askForKeys(scene, vault);
  const log = createMemoryLog();
  await sendAndCount(scene, log);
  const file = async (name: string, text: string) => {
    await writeFile(join(vault.folder, name), text, { mode: 0o600 });
    return join(vault.folder, name);
  };
  const amendment = await file('next.json', JSON.stringify(await pendingVersion(scene)));
  const service = {
    ...{ vault: vault.url, tokenFile: join(vault.folder, 'audit') },
    caFile: await file('ca', vault.ca),
  };
  const secretReader = scene.identities.get('north')?.reader;
  const data = openOwnerData({
    ...{ ...scene.authors, owner: NORTH, namespace: '', connect: () => Promise.resolve(log) },
    ...(secretReader ? { reader: { id: NORTH, secretReader } } : {}),
  });
  const verified = await verifyContract(scene.signed);
  const { platform, folder } = await sharedTestPlatform();
  const worker = await startWorker(scene, platform);
  const lists: Uint8Array[] = [];
  const desk = createOwnerDesk(
    {
      ...{ chain: [verified], signed: [scene.signed], party: 'north', service, data },
      ...(withToken ? { adminTokenFile: join(vault.folder, 'admin') } : {}),
      ...{ amendments: [amendment], canReadUses: true },
      trust: {
        ...{ ...scene.authors, roots: simulatedRoots(folder) },
        revocation: { listsFor: async () => ({ revocationLists: lists }) },
      },
      way: { worker: worker.url },
    },
    verified,
  );
  const session = createOwnerSession(systemClock);
  const served = await serve(desk, session);
  const masterKey = await readFile(join(vault.folder, 'master'), 'utf8');
  return {
    ...{ scene, vault, secret: session.secret, origin: served.url, logged: served.logged },
    url: `${served.url}/#${session.secret}`,
    roots: folder,
    answering: worker.answering,
    listing: () => lists.push(platform.revocationList('Genoa')),
    secrets: [...Object.values(vault.tokens), masterKey, CANARY],
    close: async () => {
      await served.close();
      await worker.close();
      await data.close();
      await vault.stop();
    },
  };
}

const IMAGE = [Uint8Array.of(8)];

/** Answers challenges at an HTTP address of its own; the measurement is the contract's `build 8`. */
async function startWorker({ contractId }: UsesScene, platform: SimulatedPlatform) {
  const about = { contractId, platform, image: IMAGE, streams: COUNTED };
  const worker = new AnsweringWorker({ ...about, authority: authority.privateKey });
  let isThere = false;
  const server = createServer(async (request, response) => {
    if (!isThere) return request.socket.destroy();
    let body = '';
    for await (const part of request) body += part;
    const { nonce } = JSON.parse(body);
    return response.end(JSON.stringify(await worker.answer(nonce)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answering: (is: boolean) => {
      isThere = is;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const COUNTED = [
  { ...streamOf('flights-north', 'main'), sequences: 6, rows: 7_224 },
  ...['flights-south', 'flights-silent'].map((dataset) => streamOf(dataset)),
];

async function serve(
  desk: ReturnType<typeof createOwnerDesk>,
  session: ReturnType<typeof createOwnerSession>,
) {
  let lines = '';
  const destination = new Writable({
    write: (line, _encoding, done) => {
      lines += String(line);
      done();
    },
  });
  const app = createOwnerServer({
    ...{ desk, session, assets: await assets, hostNames: [] },
    logger: createLogger('owner', { level: 'debug', destination }),
    metrics: createMetrics('owner'),
    signal: new AbortController().signal,
  });
  const { url } = await listen(app, '127.0.0.1', 0);
  return { url, logged: () => lines, close: () => app.close() };
}

/** The scene's contract with this owner's service, names that people would give, and noise. */
function contractOf(draft: Record<string, unknown>, vault: Vault, releaseKey: object) {
  const { parties, datasets, enclave, queries } = draft as Record<string, object[]>;
  const { authorities, measurements } = enclave as unknown as Record<string, object[]>;
  const [issuer] = authorities as unknown as { issuer: string; keys: object[] }[];
  const lease = { url: vault.url, statementKey: releaseKey };
  const keyRelease = { url: vault.url, releaseKey, stateShareKeyId: 'share', lease };
  const names = ['Northern Airports', 'Southern Airports', 'Weather Service'];
  const [query] = queries ?? [];
  const window = { kind: 'tumbling', sizeMs: DAY_MS };
  const sql = 'SELECT origin, count(*) AS n FROM flights GROUP BY origin';
  const loss = { epsilon: '0.5', delta: '0' };
  return {
    ...draft,
    title: 'Delays across the North and South airports',
    purpose: 'How late flights leave, by airport and day, without showing any flight to anyone.',
    parties: parties?.map((party, at) => ({
      ...party,
      name: names[at],
      ...(at === 0 ? { keyRelease } : {}),
    })),
    datasets: datasets?.map((dataset) => ({
      ...{ ...dataset, eventTime: 'departed' },
      columns: [
        { name: 'departed', type: 'timestamp-ms', nullable: false },
        { name: 'origin', type: 'utf8', nullable: false },
        { name: 'passenger', type: 'utf8', nullable: false },
      ],
      rules: {
        columns: { departed: { dimension: {} }, origin: { dimension: {} }, passenger: CONTRIBUTOR },
      },
    })),
    queries: [
      { ...query, id: 'daily', sql, window, disclosure: { ...DISCLOSURE, minimumGroupRows: 20 } },
      {
        ...{ ...query, id: 'passengers', sql, window, disclosure: DISCLOSURE },
        privacy: {
          ...{ mechanism: 'laplace', loss, confidence: '0.95' },
          ...{ groupsPerContributor: 1, rowsPerGroup: 1 },
        },
      },
    ],
    enclave: {
      ...enclave,
      measurements: [
        ...(measurements ?? []),
        { name: 'build 7b', sha384: 'a1'.repeat(48) },
        { name: 'build 8', sha384: measureImage(IMAGE) },
      ],
      authorities: [{ ...issuer, keys: [...(issuer?.keys ?? []), vault.authority.publicKey] }],
    },
  };
}

const CONTRIBUTOR = { contributor: true };
const DISCLOSURE = { minimumGroupRows: 1, groupRowsColumn: 'n' };

/** A key for the worker that was agreed on, refusals for others, and results that were paid for. */
async function askForKeys({ contract, contractId, signed }: UsesScene, vault: Vault) {
  const client = createClientOf(vault, contractId);
  await client.contract(signed);
  const releasePolicy = encoded(releasePolicyFor(contract, contractId));
  const admin = vault.client('administer');
  await admin.createOctKey('kek', { exportable: true, releasePolicy });
  await admin.createOctKey('share', { exportable: true, releasePolicy });
  const ask = (key: string, target: string) =>
    client.ask('POST', `/keys/${key}/release?api-version=7.4`, 'release', { target });
  const worker = await createWorker(vault.authority, contractId);
  await client.budgets({ 'flights-north': { epsilon: '5', delta: '0' } });
  const { json } = await client.ask('POST', `/leases/${contractId}/nonces`, 'release', {});
  const target = await worker.targetWith({ north: json.nonce });
  await client.ask('POST', `/leases/${contractId}/`, 'release', { target });
  const query = contract.queries[1];
  const charges = query ? chargesOf(contract, query, NORTH) : [];
  for (let day = 0; day < 6; day += 1) {
    const start = FIRST_DAY + day * DAY_MS;
    const window = { start, end: start + DAY_MS };
    const { holder } = worker;
    await client.ask('POST', `/leases/${contractId}/renewals`, 'release', { holder });
    const asHolder = { ...worker, target };
    await client.debit(asHolder, { ...DEBIT, contract: contractId, window, charges });
  }
  await ask('kek', target);
  await ask('share', target);
  const stranger = await createWorker(vault.authority, 'c0'.repeat(32));
  await ask('kek', stranger.target);
  await ask('kek', 'nothing');
  await client.ask('GET', '/keys', 'release');
}

const DEBIT = { v: 1, query: 'passengers' };

async function sendAndCount(scene: UsesScene, log: ReturnType<typeof createMemoryLog>) {
  const { contract, contractId, identities } = scene;
  const topic = datasetTopic(contractId, contract.datasets[0]?.id ?? expectOne());
  const dataset = contract.datasets[0] ?? expectOne();
  const stream = StreamNameSchema.parse('main');
  const place = { contract: contractId, dataset: dataset.id, stream, epoch: 0 };
  const sealer = createStreamSealer({
    ...{ contractId, dataset, stream, epoch: 0, point: streamStart(place), kid: 'north' },
    signer: identities.get('north')?.signer ?? expectOne(),
    clock: systemClock,
  });
  await log.createTopics([{ topic, partitions: 2 }]);
  for (let day = 0; day < 6; day += 1) {
    const min = FIRST_DAY + day * DAY_MS;
    const eventTime = { min, max: min + DAY_MS - 1 };
    const { record } = await sealer.seal(new TextEncoder().encode(CANARY), {
      rows: 1_204,
      eventTime,
    });
    const manifest = await sealer.manifest({ watermark: min + DAY_MS, final: false });
    await log.append(topic, [record, manifest], 1);
  }
  await count(scene, log);
}

async function count(scene: UsesScene, log: ReturnType<typeof createMemoryLog>) {
  const topic = usesTopic(scene.contractId, NORTH);
  await log.createTopics([{ topic }]);
  const life = await startLife(scene);
  const ledgers = new Ledgers(scene);
  const append = async (step: ReturnType<Ledgers['step']>) => {
    const record = (await step).get(NORTH);
    if (record) await log.append(topic, [record]);
  };
  await log.append(topic, [life.proofRecord]);
  await append(ledgers.step(life, 0));
  for (let day = 0; day < 6; day += 1) {
    const start = FIRST_DAY + day * DAY_MS;
    const result = {
      ...{ kind: 'window', window: { start, end: start + DAY_MS }, emission: day },
      ...{ readers: [NORTH], groups: 8, suppressedGroups: day % 2 },
      inputs: [{ dataset: 'flights-north', stream: 'main', rows: 1_204 }],
    } as const;
    const facts = [
      { ...result, query: 'daily' },
      { ...result, query: 'passengers' },
    ];
    await append(ledgers.step(life, 0, facts as unknown as Parameters<Ledgers['step']>[2]));
  }
}

/** The next version, which the owner has signed and others have not. */
async function pendingVersion(scene: UsesScene): Promise<SignedContract> {
  const jsons = [...scene.identityJson.values()];
  const [daily, ...others] = scene.contract.queries;
  const disclosure = { ...daily?.disclosure, minimumGroupRows: 10 };
  const queries = [{ ...daily, disclosure }, ...others];
  const { signed } = await amend(scene, jsons, { queries });
  return { ...signed, signatures: signed.signatures.slice(0, 1) };
}

function expectOne(): never {
  throw new Error('the scene has one');
}
