import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aggregatesTopic, datasetTopic } from '@strongroom/protocol/record';
import { freePort } from '@strongroom/record-log/free-port';
import { startTraceCollector } from '@strongroom/testkit/trace-collector';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  codeOfEnd,
  contractFile,
  type Deployment,
  jsonLines,
  publish,
  readAs,
  type Shipment,
  startProducer,
  startWorker,
  statusOf,
  succeeded,
  usesOf,
  workerSummary,
} from '../deployment/pipeline.ts';
import { expectOneTrace } from './one-trace.ts';
import { closeDeployment, inNamespace, openDeployment } from './open-deployment.ts';
import {
  expectedTotals,
  LARGE_RESULT_PLAN,
  READER,
  sumOf,
  type VisitsLine,
  writeVisits,
} from './visits.ts';

/** The whole path as processes over a real log: right totals, whatever is killed on the way. */

const ROWS_EACH = 40_000;
const SMALL_BATCHES = ['--batch-rows', '512'];

interface Line extends VisitsLine {
  readonly emission: number;
  readonly epoch: number;
  readonly window: { readonly start: number; readonly end: number } | null;
}

let base: Deployment;
let shipments: Shipment[];

beforeAll(async () => {
  const opened = await openDeployment(LARGE_RESULT_PLAN);
  base = { ...opened.base, agreement: opened.organisations, logLevel: 'debug' };
  shipments = await writeVisits(base.folders.run, ROWS_EACH);
});

afterAll(() => closeDeployment(base));

const fresh = (namespace: string) => inNamespace(base, namespace);

async function publishAll(deployment: Deployment, more = SMALL_BATCHES): Promise<void> {
  await Promise.all(
    shipments.map((shipment, index) => {
      // One owner compresses its batches: what is counted is the same.
      const compression = index === 0 ? ['--compression', 'zstd'] : [];
      return publish(deployment, shipment, [...more, ...compression]);
    }),
  );
}

async function resultsOf(deployment: Deployment, more: readonly string[] = []): Promise<Line[]> {
  const finished = await readAs(deployment, READER, { more });
  expect(finished.stderr).not.toContain('"error"');
  expect(finished.exitCode).toBe(0);
  return jsonLines<Line>(finished.stdout);
}

function expectEveryRowOnce(lines: readonly Line[]): void {
  const totals = expectedTotals(ROWS_EACH);
  const hourly = lines.filter((line) => line.query === 'hourly-visits');
  const whole = lines.filter((line) => line.query === 'visits-by-district');
  expect(hourly).toHaveLength(totals.hourlyWindows);
  expect(whole).toHaveLength(1);
  for (const part of [hourly, whole]) {
    expect(sumOf(part, 'visits')).toBe(totals.rows);
    expect(sumOf(part, 'weight')).toBe(totals.weight);
  }
  expect(hourly.map((line) => line.emission)).toEqual(hourly.map((_, index) => index));
  const starts = hourly.map((line) => line.window?.start ?? Number.NaN);
  expect(starts).toEqual([...starts].sort((left, right) => left - right));
}

/** Two owners read what became of their rows, compare, and find one history. */
async function expectOneHistory(deployment: Deployment): Promise<void> {
  const copied = await usesOf(deployment, 'south-clinic', ['--heads']);
  const file = path.join(deployment.folders.run, 'south.uses.json');
  await writeFile(file, copied.stdout);
  const finished = await usesOf(deployment, 'north-clinic', ['--compare', file]);
  expect(finished).toMatchObject({ exitCode: 0 });
  const { entries, refused, comparison } = JSON.parse(finished.stdout);
  expect(refused).toEqual([]);
  expect(comparison).toMatchObject({ with: 'south-clinic', missingInTheirs: 0 });
  expect(comparison.agreements).toBeGreaterThan(0);
  const told = entries.flatMap(({ facts }: { facts: readonly Told[] }) => facts);
  const results = told.filter(({ kind }: Told) => kind === 'window');
  expect(results).toHaveLength(expectedTotals(ROWS_EACH).hourlyWindows + 1);
  const rows = results.flatMap(({ inputs }: Told) => inputs ?? []);
  // Each row in one hourly window, and in the whole.
  expect(rows.reduce((sum: number, each: { rows: number }) => sum + each.rows, 0)).toBe(
    2 * ROWS_EACH,
  );
  const stranger = await usesOf(deployment, 'place-registry');
  expect(codeOfEnd(stranger)).toBe('ERR_USES_ABSENT');
}

interface Told {
  readonly kind: string;
  readonly inputs?: readonly { readonly dataset: string; readonly rows: number }[];
}

/** By a worker that finds everything told, and by the log. */
async function expectDone(deployment: Deployment): Promise<void> {
  const port = await freePort();
  const worker = startWorker(deployment, 'worker-asked', ['--port', `${port}`]);
  const ask = ['--worker', `http://127.0.0.1:${port}`];
  const until = performance.now() + 60_000;
  let told = JSON.parse((await statusOf(deployment, ask)).stdout);
  while (told.state !== 'done' && performance.now() < until) {
    told = JSON.parse((await statusOf(deployment, ask)).stdout);
  }
  await worker.stop();
  const windows = expectedTotals(ROWS_EACH).hourlyWindows;
  expect(told).toMatchObject({ state: 'done', log: { isEnded: false, isPrepared: false } });
  const counts = told.worker.queries.map((each: { query: string; emissions: number }) => [
    each.query,
    each.emissions,
  ]);
  expect(Object.fromEntries(counts)).toMatchObject({ 'hourly-visits': windows });
  const alone = JSON.parse((await statusOf(deployment)).stdout);
  expect(alone).toMatchObject({ state: 'unknown', worker: null });
  expect(alone.log.results).toContainEqual({ query: 'hourly-visits', emissions: windows });
}

describe('the whole path', () => {
  test('counts every row of every owner once', async () => {
    const deployment = await fresh('plain');
    const collector = await startTraceCollector();
    const traced = ['--otlp', collector.url];
    const worker = startWorker(deployment, 'worker', ['--until-complete', ...traced]);
    await publishAll(deployment, [...SMALL_BATCHES, ...traced]);
    const summary = await workerSummary(worker);
    expect(summary.rowsCounted).toBe(2 * ROWS_EACH + 7);
    expect(summary.refusals).toEqual({});
    expectEveryRowOnce(await resultsOf(deployment, traced));
    await expectDone(deployment);
    await expectOneTrace(collector);
    await collector.close();
  });

  test('a producer that is killed resumes without repeating or skipping a row', async () => {
    const deployment = await fresh('killed-producer');
    const [victim, ...others] = shipments;
    if (!victim) throw new Error('no shipment');
    const topic = datasetTopic(
      deployment.agreement.contractId,
      victim.dataset as never,
      deployment.namespace,
    );
    let kills = 0;
    for (const records of [3, 30, 60]) {
      const publishing = startProducer(deployment, victim, SMALL_BATCHES);
      while ((await deployment.log.endOffset(topic)) < records) await sleep(10);
      process.kill(publishing.pid, 'SIGKILL');
      const finished = await publishing.done;
      if (finished.exitCode !== 0) kills += 1;
    }
    expect(kills).toBeGreaterThan(0);
    const worker = startWorker(deployment, 'worker', ['--until-complete']);
    const [resumed] = await Promise.all([
      publish(deployment, victim, SMALL_BATCHES),
      ...others.map((shipment) => publish(deployment, shipment, SMALL_BATCHES)),
    ]);
    expect(resumed['resumed']).toBe(true);
    const summary = await workerSummary(worker);
    expect(summary.rowsCounted).toBe(2 * ROWS_EACH + 7);
    expect(Object.keys(summary.refusals)).toEqual(
      Object.keys(summary.refusals).filter((code) => code === 'ERR_BATCH_REPLAYED'),
    );
    expectEveryRowOnce(await resultsOf(deployment));
  });

  test('a killed worker goes on from its checkpoint and tells every window once', async () => {
    const deployment = await fresh('killed-worker');
    await publishAll(deployment);
    const topic = aggregatesTopic(deployment.agreement.contractId, deployment.namespace);
    await deployment.log.createTopics([{ topic }]);
    let kills = 0;
    for (let round = 0; round < 3; round += 1) {
      const before = await deployment.log.endOffset(topic);
      const worker = startWorker(deployment, `worker-${round}`, ['--until-complete']);
      let ended = false;
      void worker.done.then(() => {
        ended = true;
      });
      while (!ended && (await deployment.log.endOffset(topic)) <= before) await sleep(5);
      if (!ended) {
        process.kill(worker.pid, 'SIGKILL');
        kills += 1;
      }
      await worker.done;
    }
    expect(kills).toBeGreaterThan(0);
    await succeeded(startWorker(deployment, 'worker-last', ['--until-complete']));
    expectEveryRowOnce(await resultsOf(deployment));
    await expectOneHistory(deployment);
  });

  test('nothing runs under a contract that lacks a signature', async () => {
    const deployment = await fresh('unsigned');
    const file = contractFile(deployment);
    const whole = await readFile(file, 'utf8');
    try {
      const signed = JSON.parse(whole);
      await writeFile(file, JSON.stringify({ ...signed, signatures: signed.signatures.slice(1) }));
      const [shipment] = shipments;
      if (!shipment) throw new Error('no shipment');
      const publishing = await startProducer(deployment, shipment).done;
      const worker = await startWorker(deployment, 'worker', ['--until-complete']).done;
      const analyst = await readAs(deployment, READER);
      for (const finished of [publishing, worker, analyst]) {
        expect(codeOfEnd(finished)).toBe('ERR_CONTRACT_UNSIGNED');
        expect(finished.exitCode).toBe(77);
      }
    } finally {
      await writeFile(file, whole);
    }
  });

  test('an unreachable log is a clear error of every command', async () => {
    const deployment = { ...base, namespace: 'nowhere', brokers: '127.0.0.1:1' };
    const [shipment] = shipments;
    if (!shipment) throw new Error('no shipment');
    const commands = [
      startProducer(deployment, shipment).done,
      startWorker(deployment, 'worker', ['--until-complete']).done,
      readAs(deployment, READER),
    ];
    for (const finished of await Promise.all(commands)) {
      expect(codeOfEnd(finished)).toBe('ERR_LOG_UNREACHABLE');
      expect(finished.exitCode).toBe(69);
    }
  });
});
