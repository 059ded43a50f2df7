import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { startLocalKafka } from '@strongroom/record-log/local-kafka';
import { startTraceCollector, type TraceCollector } from '@strongroom/testkit/trace-collector';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identityFile, prepareFolders, setUp } from '../deployment/organisations.ts';
import {
  codeOfEnd,
  contractFile,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  type Shipment,
  startProducer,
  startWorker,
  workerSummary,
} from '../deployment/pipeline.ts';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';
import { Processes } from '../deployment/processes.ts';
import { CanaryScanner, type Hit, type Plant } from './canary-scanner.ts';

/**
 * 64 random markers in rows, column names and secrets; then a run at the most verbose level, with
 * a bad source and a refused worker in it; then a search in everything that the run left behind
 * outside the owners' own files. A hit is a leak.
 */

const OWNERS = ['left', 'right'];
const READER = 'reader';
const TEXT_COLUMNS = 4;
const NUMBER_COLUMNS = 4;
const ROWS_EACH = 400;

const hex = (bytes: number) => randomBytes(bytes).toString('hex');
const columnNames = Array.from({ length: TEXT_COLUMNS + NUMBER_COLUMNS }, () => `c${hex(15)}`);
const rowMarkers = Array.from({ length: 44 }, () => `Row${hex(14)}`);
const secrets = {
  masterKeys: new Map(OWNERS.map((owner) => [owner, randomBytes(32)])),
  stateShares: new Map(OWNERS.map((owner) => [owner, randomBytes(32)])),
  adminTokens: new Map(OWNERS.map((owner) => [owner, `Admin${hex(16)}`])),
  accessToken: `Access${hex(16)}`,
};

function of<Value>(map: ReadonlyMap<string, Value>, owner: string): Value {
  const value = map.get(owner);
  if (value === undefined) throw new Error(`nothing planted for ${owner}`);
  return value;
}

const PLAN: DeploymentPlan = {
  leases: true,
  owners: OWNERS,
  analysts: [READER],
  contract: canaryContract,
  secrets: {
    masterKey: (owner) => of(secrets.masterKeys, owner),
    stateShare: (owner) => of(secrets.stateShares, owner),
    adminToken: (owner) => of(secrets.adminTokens, owner),
    accessToken: () => secrets.accessToken,
  },
};

function canaryContract(parts: PublicParts): Contract {
  const columns = columnNames.map((name, index) => ({
    name,
    type: index < TEXT_COLUMNS ? 'utf8' : 'int64',
    nullable: false,
  }));
  const dataset = { relation: 'visits', columns };
  const [group, , , , summed] = columnNames;
  const sql = `SELECT ${group} AS place, count(*) AS n, sum(${summed}) AS total
    FROM visits GROUP BY ${group}`;
  return parseContract({
    strongroom: 'contract/v1',
    title: 'Canary',
    purpose: 'A run that must leave no trace of its rows',
    version: 1,
    parties: partiesOf(PLAN, parts),
    datasets: OWNERS.map((owner) => ({ id: owner, ...ownedBy(parts, owner), ...dataset })),
    queries: [
      {
        id: 'places',
        sql,
        relations: ['visits'],
        window: { kind: 'whole' },
        latenessMs: 0,
        readers: [READER],
        disclosure: { minimumGroupRows: 50, groupRowsColumn: 'n' },
      },
    ],
    enclave: enclaveOf(parts),
  });
}

/** Most rows share one harmless group; each marker is a group of its own, too small to show. */
async function writeSource(folder: string, owner: string, numbers: string): Promise<Shipment> {
  const lines = [columnNames.join(',')];
  for (let row = 0; row < ROWS_EACH; row += 1) {
    const marker = rowMarkers[row % rowMarkers.length] ?? '';
    const group = row < rowMarkers.length ? marker : 'common';
    const texts = [group, marker, marker.toLowerCase(), `${marker}!`];
    lines.push([...texts, ...Array(NUMBER_COLUMNS).fill(numbers)].join(','));
  }
  const source = path.join(folder, `${owner}-${numbers}.csv`);
  await writeFile(source, lines.join('\n'));
  const columns = columnNames.map((name) => `${name}=${name}`).join(',');
  return { dataset: owner, owner, source, columns };
}

/** Every secret of the run that has at least 16 bytes of its own randomness. */
async function plantsOf(deployment: Deployment): Promise<Plant[]> {
  const text = (label: string, value: string) => ({ label, bytes: Buffer.from(value) });
  const plants: Plant[] = [
    ...columnNames.map((name) => text('column name', name)),
    ...rowMarkers.map((marker) => text('row', marker)),
    text('access token', secrets.accessToken),
    ...OWNERS.flatMap((owner) => [
      { label: `master key of ${owner}`, bytes: of(secrets.masterKeys, owner) },
      { label: `state share of ${owner}`, bytes: of(secrets.stateShares, owner) },
      text(`admin token of ${owner}`, of(secrets.adminTokens, owner)),
    ]),
  ];
  for (const party of [...OWNERS, READER]) {
    const file = identityFile(deployment.folders, party);
    const identity: Record<string, { d?: string }> = JSON.parse(await readFile(file, 'utf8'));
    for (const [use, { d }] of Object.entries(identity)) {
      if (d === undefined) continue;
      plants.push({ label: `${use} key of ${party}`, bytes: Buffer.from(d, 'base64url') });
    }
  }
  return plants;
}

describe('canaries', () => {
  let deployment: Deployment;
  let collector: TraceCollector;
  let kafka: Awaited<ReturnType<typeof startLocalKafka>>;
  let own: string;
  let run: string;
  let temporary: string;

  beforeAll(async () => {
    run = await mkdtemp(path.join(os.tmpdir(), 'strongroom-canary-'));
    temporary = path.join(run, 'tmp');
    own = path.join(run, 'owners-own-files');
    await mkdir(temporary);
    await mkdir(own);
    const folders = await prepareFolders(run);
    collector = await startTraceCollector();
    const environment = { TMPDIR: temporary, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const processes = new Processes(folders.logs, environment);
    kafka = await startLocalKafka({ folder: path.join(run, 'kafka'), shortLived: true });
    const log = await connectKafkaLog({ brokers: kafka.brokers.split(','), clientId: 'canary' });
    const agreement = await setUp(processes, folders, PLAN);
    const brokers = kafka.brokers;
    deployment = { processes, folders, agreement, log, brokers, logLevel: 'debug' };
    await prepareTopics(deployment);
  });

  afterAll(async () => {
    await deployment.processes.stopAll();
    await deployment.log.close();
    await kafka.stop();
    await collector.close();
    await rm(run, { recursive: true, force: true });
  });

  test('a run leaves none of 64 markers behind; the scanner finds a planted one', async () => {
    await badSourceIsRefused();
    const worker = startWorker(deployment, 'worker', ['--until-complete']);
    for (const owner of OWNERS) await publish(deployment, await writeSource(own, owner, '1'));
    expect((await workerSummary(worker)).rowsCounted).toBe(2 * ROWS_EACH);
    await tamperedWorkerIsRefused();
    await analystReads();
    await deployment.processes.stopAll();
    await spansAreKept();

    const plants = await plantsOf(deployment);
    expect(new Set(plants.map(({ bytes }) => digest(bytes))).size).toBeGreaterThanOrEqual(64);
    const scanner = new CanaryScanner(plants);
    const allowed = [own, deployment.folders.secrets, contractFile(deployment)];
    // What the analyst was meant to see goes to its stdout; its stderr is scanned.
    const skip = (file: string) =>
      allowed.includes(file) || file.endsWith('analyst-reader.stdout.log');
    const hits = scanner.scan(run, skip);
    const beyond = hits.filter((hit) => !isInTheContractOfAnOwner(hit));
    expect(beyond.filter((hit) => !tellsTheOwnerItsColumn(hit))).toEqual([]);
    expect(beyond).toHaveLength(1);
    expect(scanner.filesScanned).toBeGreaterThan(20);
    await plantedLeaksAreFound(plants);
  });

  /** What a collector got is searched like all that was left behind. */
  async function spansAreKept() {
    const operations = new Set(collector.spans.map(({ name }) => name.split(' ')[0]));
    const ofRequests = ['GET', 'PATCH', 'POST', 'PUT'];
    expect([...operations].sort()).toEqual([...ofRequests, 'publish', 'read', 'receive', 'step']);
    await writeFile(path.join(run, 'spans.json'), collector.bodies.join('\n'));
  }

  async function badSourceIsRefused() {
    const bad = await writeSource(own, 'left', `Row${hex(14)}`);
    rowMarkers.push(bad.source.replace(/.*left-|\.csv$/g, ''));
    const finished = await startProducer(deployment, bad).done;
    expect(finished.exitCode).not.toBe(0);
    expect(codeOfEnd(finished)).toMatch(/^ERR_(COLUMN_TYPE|SOURCE_MALFORMED)$/);
    await rm(path.join(run, 'stream--left'), { recursive: true, force: true });
  }

  async function tamperedWorkerIsRefused() {
    const page = path.join(run, 'page.bin');
    await writeFile(page, randomBytes(4_096));
    const worker = startWorker(deployment, 'worker-tampered', ['--extra-page', page]);
    expect(codeOfEnd(await worker.done)).toBe('ERR_MEASUREMENT_MISMATCH');
  }

  async function analystReads() {
    const finished = await readAs(deployment, READER);
    const [result] = jsonLines<{ rows: { place: string; n: unknown }[] }>(finished.stdout);
    expect(result?.rows.map((row) => row.place)).toEqual(['common']);
  }

  /** The refusal of a bad source names the column, to its owner's terminal and nowhere else. */
  function tellsTheOwnerItsColumn({ label, file, offset }: Hit): boolean {
    const before = readFileSync(file, 'utf8').slice(0, offset);
    const line = before.slice(before.lastIndexOf('\n') + 1);
    const isRefusal = line.startsWith('{"error":{"code":"ERR_COLUMN_TYPE"');
    return label === 'column name' && file.endsWith('producer-left.stderr.log') && isRefusal;
  }

  /** For own verification each owner's key release holds the contract, which names the columns. */
  function isInTheContractOfAnOwner({ label, file, encoding }: Hit): boolean {
    const [folder, name = ''] = path.relative(run, file).split(path.sep);
    const isDatabase = OWNERS.some((owner) => folder === `key-release-${owner}`);
    const isContract = label === 'column name' && /^base64/.test(encoding);
    return isContract && isDatabase && name.startsWith('key-release.db');
  }

  /** A leak in each kind of place: a log, a temp file, a file in Kafka's folder. */
  async function plantedLeaksAreFound(plants: readonly Plant[]) {
    const places = [deployment.folders.logs, temporary, path.join(run, 'kafka')];
    for (const [index, folder] of places.entries()) {
      const plant = plants[index * 5];
      if (!plant) throw new Error('too few plants');
      const file = path.join(folder, 'planted-leak');
      await writeFile(file, `before ${Buffer.from(plant.bytes).toString('base64')} after`);
      const hits = new CanaryScanner(plants).scan(folder);
      expect(hits.map((hit) => [hit.label, hit.file])).toContainEqual([plant.label, file]);
      await rm(file);
    }
  }
});

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
