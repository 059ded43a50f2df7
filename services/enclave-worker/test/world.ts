import type { Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';
import { aggregatesTopic, beginsResult, datasetTopic } from '@strongroom/protocol/record';
import type { LogEntry } from '@strongroom/record-log/log';
import { createMemoryLog, createMemoryStore, type MemoryLog } from '@strongroom/testkit/memory-log';
import { expect } from 'vitest';
import type { WorkerOptions } from '../src/life.ts';
import { type Computation, type Row, TestStream } from './owners.ts';
import type { TestServices } from './services.ts';
import { workerOptions } from './worker-options.ts';

/** Two owners of visits, what they agree to compute, and a log for real workers, in memory. */

export const HOUR_MS = 3_600_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
export const PLANS = ['north', 'south'].map((id) => ({
  id,
  relation: 'visits',
  columns: COLUMNS,
  eventTime: 'at',
}));
const query = {
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
  latenessMs: 0,
};
export const QUERIES: Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'>[] = [
  { ...query, id: 'all' as QueryId, window: { kind: 'whole' } },
  { ...query, id: 'hourly' as QueryId, window: { kind: 'tumbling', sizeMs: HOUR_MS } },
];

export const rowsOf = (hours: number, perHour: number): Row[] =>
  Array.from({ length: hours * perHour }, (_none, index) => ({
    at: (BigInt(index) * BigInt(HOUR_MS) * 1_000n) / BigInt(perHour),
    place: `place ${index % 3}`,
  }));

/** A log with both owners' topics and connections to it. */
export class World {
  readonly computation: Computation;
  readonly #services: TestServices;
  readonly store = createMemoryStore();
  readonly log: MemoryLog = createMemoryLog(this.store);
  readonly streams: ReadonlyMap<string, TestStream>;

  constructor(computation: Computation, services: TestServices) {
    this.computation = computation;
    this.#services = services;
    this.streams = new Map(PLANS.map(({ id }) => [id, new TestStream(computation, id)]));
  }

  async publish(dataset: string, rows: readonly Row[], watermark: number, final = false) {
    const topic = this.topicOf(dataset);
    await this.log.createTopics([{ topic }]);
    const stream = this.streams.get(dataset) ?? expect.fail('a stream');
    for (let at = 0; at < rows.length; at += 10) {
      await this.log.append(topic, [await stream.seal(rows.slice(at, at + 10))]);
    }
    await this.log.append(topic, [await stream.manifest(watermark, final)]);
  }

  topicOf(dataset: string): string {
    const { contract, contractId } = this.computation;
    const found = contract.datasets.find(({ id }) => id === dataset);
    return datasetTopic(contractId, found?.id ?? expect.fail('a dataset'));
  }

  entries(topic: string): LogEntry[] {
    return this.log.entries(topic);
  }

  /** `reader.epoch.emission` of each, however many parts it has. */
  results(query: string): string[] {
    const entries = this.entries(aggregatesTopic(this.computation.contractId));
    const found = entries.filter((each) => each.key === `${query}.analyst` && beginsResult(each));
    return found.map(({ headers }) => (headers['ce_id'] ?? '').slice(0, -'.0'.length));
  }

  options(more: Partial<WorkerOptions> = {}): WorkerOptions {
    const connectLog = async () => createMemoryLog(this.store);
    return workerOptions(this.computation, this.#services, { connectLog, ...more });
  }
}

export const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );

export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    try {
      if (condition()) return;
    } catch {
      // The topic may not be there yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect.fail('it did not happen in time');
}
