import { cp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_CODE_ENDED } from '@strongroom/protocol/errors';
import { LEASE_MS } from '@strongroom/protocol/lease';
import { aggregatesTopic, RECORD_TYPES, type RecordType } from '@strongroom/protocol/record';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import type { LogEntry } from '@strongroom/record-log/log';
import { claimedAggregate } from '@strongroom/sealing/open';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Organisations } from '../deployment/organisations.ts';
import {
  codeOfEnd,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  revokeAs,
  type Shipment,
  startWorker,
  succeeded,
  usesOf,
  workerArguments,
  workerSummary,
} from '../deployment/pipeline.ts';
import type { RunningProcess } from '../deployment/processes.ts';
import type { DyingPlan } from '../faults/failpoints.ts';
import { closeDeployment, openDeployment } from './open-deployment.ts';
import { cutByHours, LEASED_VISITS_PLAN, READER, writeVisits } from './visits.ts';

/**
 * Leases as processes over a real log: whatever is killed, doubled, put to sleep or rolled back,
 * there is one lineage of results, and any owner ends it alone.
 */

const ROWS_EACH = 6_000;
const RECOVERY_MS_P95 = 10_000;
const RECOVERY_MS_MAX = 30_000;
const REVOCATION_MS_MAX = 10_000;
/** Windows are told by and by: each part of the south lets one more of them close. */
const CUTS = [2, 3, 4, 5];
const isLong = process.env['STRONGROOM_LONG'] === '1';
const KILLS = isLong ? 12 : 3;
/** Of a worker's requests to write: it announces itself by the first five, and tells a window by
 * the next: the prepared step, two ledgers of uses, the result, the checkpoint. */
const BREAKS = isLong ? [2, 4, 5, 6, 7, 8, 9] : [9];

let base: Omit<Deployment, 'agreement'>;
let organisations: Organisations;
let whole: Shipment[];
let south: Shipment[];

beforeAll(async () => {
  ({ base, organisations } = await openDeployment(LEASED_VISITS_PLAN));
  const [north, last, places] = await writeVisits(base.folders.run, ROWS_EACH);
  if (!north || !last || !places) throw new Error('no shipments');
  whole = [north, places];
  south = await cutByHours(last, CUTS);
});

afterAll(() => closeDeployment(base));

/** One contract, and so one lease at each owner, for each run. */
class Run {
  readonly deployment: Deployment;
  readonly #name: string;
  readonly #topic: string;
  #workers = 0;

  private constructor(deployment: Deployment, name: string) {
    this.deployment = deployment;
    this.#name = name;
    this.#topic = aggregatesTopic(deployment.agreement.contractId, deployment.namespace);
  }

  /** All of the north and the first part of the south: one window can be told. */
  static async begin(name: string): Promise<Run> {
    const agreement = await organisations.agreeAgain(`Visits: ${name}`);
    const run = new Run({ ...base, agreement, namespace: name }, name);
    await prepareTopics(run.deployment);
    await base.log.createTopics([{ topic: run.#topic }]);
    await awaitTopic(base.log, run.#topic);
    const more = [publish(run.deployment, ...named(whole[0])), run.publishSouth(0)];
    await Promise.all([publish(run.deployment, ...named(whole[1])), ...more]);
    return run;
  }

  async publishSouth(part: number): Promise<unknown> {
    const isLast = part === south.length - 1;
    return await publish(this.deployment, ...named(south[part], isLast ? [] : ['--no-final']));
  }

  worker(more: readonly string[] = []): RunningProcess {
    return startWorker(this.deployment, this.#nextName(), ['--until-complete', ...more]);
  }

  dyingWorker(plan: DyingPlan, more: readonly string[]): RunningProcess {
    const args = [JSON.stringify(plan), ...workerArguments(this.deployment), ...more];
    return base.processes.start(this.#nextName(), 'test/faults/worker.dying.ts', args);
  }

  #nextName(): string {
    this.#workers += 1;
    return `worker-${this.#name}-${this.#workers}`;
  }

  /** Of every result on the log, whoever made it: its token, in the log's order. */
  async results(): Promise<string[]> {
    const results = await this.#records(RECORD_TYPES.aggregate);
    return results.map((entry) => claimedAggregate(entry).token);
  }

  async #records(type: RecordType): Promise<LogEntry[]> {
    const found: LogEntry[] = [];
    const from = [{ topic: this.#topic, offset: 0 }];
    for await (const entries of base.log.read(from, { untilEnd: true })) {
      found.push(...entries.filter(({ headers }) => headers['ce_type'] === type));
    }
    return found;
  }

  untilResults(count: number): Promise<void> {
    return this.#until(RECORD_TYPES.aggregate, count);
  }

  /** A worker announces itself when it has lease, keys and checkpoint, and goes on. */
  untilAnnounced(workers: number): Promise<void> {
    return this.#until(RECORD_TYPES.token, workers);
  }

  async #until(type: RecordType, count: number): Promise<void> {
    const until = performance.now() + 60_000;
    while ((await this.#records(type)).length < count) {
      if (performance.now() > until) throw new Error(`${this.#name}: no ${type} ${count}`);
      await sleep(100);
    }
  }

  /** What the reader is shown, once it has verified all of it; epochs differ from run to run. */
  async shown(): Promise<unknown[]> {
    const finished = await readAs(this.deployment, READER);
    expect(codeOfEnd(finished)).toBeUndefined();
    expect(finished.exitCode).toBe(0);
    const lines = jsonLines<Record<string, unknown>>(finished.stdout);
    return lines.map(({ query, window, emission, rows }) => ({ query, window, emission, rows }));
  }
}

function named(shipment: Shipment | undefined, more: readonly string[] = []) {
  if (!shipment) throw new Error('no shipment');
  return [shipment, ['--batch-rows', '512', ...more]] as const;
}

async function succeededOf(done: ReturnType<typeof usesOf>): Promise<void> {
  await succeeded({ name: 'uses', pid: 0, done, stop: async () => undefined });
}

function kill(worker: RunningProcess, signal: NodeJS.Signals): void {
  process.kill(worker.pid, signal);
}

let undisturbed: unknown[];

describe('leases', () => {
  test('of two workers, and of a clone on a log of its own, one tells results', async () => {
    const run = await Run.begin('doubled');
    const [first, second] = [run.worker(), run.worker()];
    await run.untilResults(1);
    const apart = { ...run.deployment, namespace: 'apart' };
    const clone = startWorker(apart, 'clone', ['--until-complete']);
    for (const part of south.keys()) if (part > 0) await run.publishSouth(part);
    const summaries = await Promise.all([workerSummary(first), workerSummary(second)]);
    expect(summaries.map(({ aggregates }) => aggregates).sort()).toEqual([0, 7]);
    expect(new Set(await run.results()).size).toBe(1);
    undisturbed = await run.shown();
    expect(undisturbed).toHaveLength(7);
    // The lease is free now, but the clone's log lacks what the owners have agreed to.
    expect(codeOfEnd(await clone.done)).toBe('ERR_LEASE_FORKED');
    const topic = aggregatesTopic(run.deployment.agreement.contractId, apart.namespace);
    expect(await base.log.endOffset(topic)).toBe(0);
  });

  test(
    'a killed worker has a successor within the bound, and the results are the same',
    async () => {
      const recoveries: number[] = [];
      for (let round = 0; recoveries.length < KILLS; round += 1) {
        const run = await Run.begin(`killed-${round}`);
        let worker = run.worker();
        for (let part = 1; part < south.length && recoveries.length < KILLS; part += 1) {
          await run.untilResults(part);
          kill(worker, 'SIGKILL');
          const since = performance.now();
          worker = run.worker();
          await run.untilAnnounced(part + 1);
          recoveries.push(Math.round(performance.now() - since));
          await run.publishSouth(part);
        }
        for (const part of south.keys()) if (part > KILLS) await run.publishSouth(part);
        await succeeded(worker);
        expect(await run.shown()).toEqual(undisturbed);
      }
      recoveries.sort((left, right) => left - right);
      process.stderr.write(`recovery after kill -9, ms: ${recoveries.join(' ')}\n`);
      expect(recoveries[Math.ceil(KILLS * 0.95) - 1]).toBeLessThan(RECOVERY_MS_P95);
      expect(recoveries.at(-1)).toBeLessThan(RECOVERY_MS_MAX);
    },
    KILLS * 60_000,
  );

  test('a worker that slept past its lease tells nothing when it wakes', async () => {
    const run = await Run.begin('asleep');
    const sleeper = run.worker();
    await run.untilResults(1);
    kill(sleeper, 'SIGSTOP');
    await sleep(LEASE_MS);
    const next = run.worker();
    await run.publishSouth(1);
    await run.untilResults(2);
    const [before, ...after] = await run.results();
    kill(sleeper, 'SIGCONT');
    for (const part of south.keys()) if (part > 1) await run.publishSouth(part);
    expect((await workerSummary(next)).aggregates).toBe(6);
    // It stands by with a new vault, finds everything told, and is done.
    await succeeded(sleeper);
    const all = await run.results();
    expect(all.filter((token) => token === before)).toHaveLength(1);
    expect(new Set(all.slice(1))).toEqual(new Set(after));
    expect(await run.shown()).toEqual(undisturbed);
  });

  test.each(BREAKS)(
    'without transactions, a step that broke off behind request %i is told again',
    async (turn) => {
      const file = path.join(base.folders.run, 'without-transactions.properties');
      await writeFile(file, 'strongroom.transactions=none\n');
      const plainly = ['--kafka-config', file];
      const run = await Run.begin(`plainly-${turn}`);
      const plan = { worker: { at: 'after kafka Produce', turn } };
      expect(await run.dyingWorker(plan, plainly).done).toMatchObject({ exitCode: 128 });
      const next = run.worker(plainly);
      for (const part of south.keys()) if (part > 0) await run.publishSouth(part);
      await succeeded(next);
      expect(await run.shown()).toEqual(undisturbed);
      // The result that the first one told stands there twice, under the first one's proof.
      const tokens = await run.results();
      expect([tokens.length, new Set(tokens).size]).toEqual(
        turn === 9 ? [8, 2] : [7, expect.any(Number)],
      );
      await succeededOf(usesOf(run.deployment, 'north-clinic'));
    },
  );

  test("an owner's data that was rolled back lets no worker go on", async () => {
    const run = await Run.begin('rolled-back');
    const worker = run.worker();
    await run.untilResults(1);
    const copy = path.join(base.folders.run, 'older');
    const owner = 'place-registry';
    await organisations.whileStopped(owner, (data) => cp(data, copy, { recursive: true }));
    await run.publishSouth(1);
    await run.untilResults(2);
    await run.publishSouth(2);
    await run.untilResults(3);
    await worker.stop();
    await organisations.whileStopped(owner, async (data) => {
      await rm(data, { recursive: true });
      await cp(copy, data, { recursive: true });
    });
    const refused = await run.worker().done;
    expect(codeOfEnd(refused)).toBe('ERR_LEASE_FORKED');
    expect(refused.exitCode).toBe(77);
    expect(await run.results()).toHaveLength(3);
  });

  test('an owner ends it alone: a signed notice within the bound, no result after it', async () => {
    const run = await Run.begin('revoked');
    const worker = run.worker();
    await run.untilResults(1);
    const revoked = await revokeAs(run.deployment, 'north-clinic');
    expect(codeOfEnd(revoked)).toBeUndefined();
    const [{ notice, milliseconds } = {}] = jsonLines<Record<string, unknown>>(revoked.stdout);
    process.stderr.write(`from an owner's word to the verified notice, ms: ${milliseconds}\n`);
    expect(milliseconds).toBeLessThan(REVOCATION_MS_MAX);
    expect(notice).toMatchObject({ stoppedBy: 'north-clinic' });
    const ended = await worker.done;
    expect([ended.exitCode, codeOfEnd(ended)]).toEqual([EXIT_CODE_ENDED, 'ERR_CONTRACT_REVOKED']);
    await run.publishSouth(1);
    expect(codeOfEnd(await run.worker().done)).toBe('ERR_CONTRACT_REVOKED');
    expect(await run.results()).toHaveLength(1);
    const read = await readAs(run.deployment, READER);
    expect(read.exitCode).toBe(0);
    const lines = jsonLines<Record<string, unknown>>(read.stdout);
    expect(lines).toMatchObject([{ query: 'hourly-visits' }, { ended: { by: 'north-clinic' } }]);
  });
});
