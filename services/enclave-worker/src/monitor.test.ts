import { setTimeout as delay } from 'node:timers/promises';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { INPUT_STALL_MS } from '@strongroom/protocol/limits';
import { WorkerStatusSchema } from '@strongroom/protocol/worker-status';
import { createMetrics, type Metrics } from '@strongroom/runtime/metrics';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { agreeOn } from '../test/owners.ts';
import { logger } from '../test/worker-options.ts';
import { PLANS, QUERIES } from '../test/world.ts';
import { Monitor } from './monitor.ts';
import { ReadPlaces } from './read-places.ts';
import type { Closing, StreamProgress } from './vault/door.ts';
import { watchProgress } from './watchdog.ts';

let contract: Contract;
let now: number;
let metrics: Metrics;
let monitor: Monitor;
const clock = { now: () => now, monotonic: () => now };

beforeAll(async () => {
  ({ contract } = await agreeOn(PLANS, QUERIES, 1));
}, 60_000);
beforeEach(() => {
  now = 1_700_000_000_000;
  metrics = createMetrics('test');
  monitor = new Monitor(metrics, clock);
});

function stream(dataset: string, changes: Partial<StreamProgress> = {}): StreamProgress {
  return {
    ...{ dataset, stream: 'main', partition: 0, sequences: 3, rows: 30, watermark: 1_000 },
    ...{
      final: false,
      missing: 0,
      held: 0,
      rereadFrom: null,
      rereads: 0,
      epoch: 0,
      stalled: false,
    },
    ...changes,
  };
}

function closing(...streams: StreamProgress[]): Pick<Closing, 'streams' | 'queries'> {
  const queries = [
    { query: 'all', emissions: 0, done: false, closedUntil: null },
    { query: 'hourly', emissions: 2, done: false, closedUntil: 900 },
  ];
  return { streams, queries };
}

function waitsOf(...streams: StreamProgress[]) {
  monitor.runs(contract, 'c0', 4);
  monitor.counted(closing(...streams));
  const status = WorkerStatusSchema.parse(monitor.status({ ERR_SEAL_SIGNATURE: 2 }));
  return status.queries.map(({ query, waitsFor }) => [
    query,
    waitsFor.map(({ dataset, what }) => `${dataset} ${what}`),
  ]);
}

describe('what a query waits for', () => {
  test.each([
    [
      'the stream that is behind',
      stream('north'),
      stream('south', { watermark: 2_000 }),
      ['north end', 'south end'],
      ['north manifest'],
    ],
    [
      'one that has said nothing',
      stream('north', { watermark: null }),
      stream('south'),
      ['north end', 'south end'],
      ['north manifest'],
    ],
    [
      'both, when they are equal',
      stream('north'),
      stream('south'),
      ['north end', 'south end'],
      ['north manifest', 'south manifest'],
    ],
    [
      'an opening that fits',
      stream('north', { stalled: true }),
      stream('south', { watermark: 2_000 }),
      ['north opening', 'south end'],
      ['north opening'],
    ],
    [
      'batches before all',
      stream('north', { missing: 2, held: 1 }),
      stream('south'),
      ['north batches', 'south end'],
      ['north batches', 'south manifest'],
    ],
    [
      'not for who has ended',
      stream('north', { final: true }),
      stream('south'),
      ['south end'],
      ['south manifest'],
    ],
    [
      'batches of who has ended',
      stream('north', { final: true, missing: 1 }),
      stream('south', { final: true }),
      ['north batches'],
      ['north batches'],
    ],
  ] as const)('%s', (_name, north, south, all, hourly) => {
    expect(waitsOf(north, south)).toEqual([
      ['all', all],
      ['hourly', hourly],
    ]);
  });

  test('is told with the metrics, and no longer when it has come', async () => {
    waitsOf(stream('north'), stream('south', { watermark: 61_000 }));
    const text = await metrics.render();
    expect(text).toContain(
      'strongroom_worker_event_time_lag_seconds{dataset="north",stream="main",',
    );
    expect(text).toMatch(/event_time_lag_seconds\{dataset="north".*\} 60\n/);
    expect(text).toMatch(/query_waiting\{query="hourly",dataset="north".*what="manifest".*\} 1\n/);
    waitsOf(stream('north', { watermark: 62_000 }), stream('south', { watermark: 61_000 }));
    expect(await metrics.render()).not.toMatch(/query_waiting\{query="hourly",dataset="north"/);
  });
});

describe('a stalled input', () => {
  const stalled = () => monitor.stalledBefore(now - INPUT_STALL_MS).map(({ dataset }) => dataset);

  test('is one that misses batches for long, and none of them comes', () => {
    monitor.counted(closing(stream('north', { missing: 2 }), stream('south')));
    now += INPUT_STALL_MS - 1;
    expect(stalled()).toEqual([]);
    now += 1;
    expect(stalled()).toEqual(['north']);
    // One came, another is missing: it gets on.
    monitor.counted(closing(stream('north', { missing: 1, sequences: 4 }), stream('south')));
    expect(stalled()).toEqual([]);
    now += INPUT_STALL_MS;
    expect(stalled()).toEqual(['north']);
    monitor.counted(closing(stream('north', { sequences: 5 }), stream('south')));
    expect(stalled()).toEqual([]);
  });
});

describe('the watchdog', () => {
  async function watch(lastEntry: () => number, records: number) {
    const log = createMemoryLog();
    await log.createTopics([{ topic: 'north' }]);
    const record = { key: null, value: new Uint8Array(1), headers: {} };
    await log.append(
      'north',
      Array.from({ length: records }, () => record),
    );
    const places = new ReadPlaces([{ dataset: 'north', topic: 'north', partition: 0, offset: 0 }]);
    const watched = { log, places, monitor, lastEntry, clock, logger, stallMs: 1_000, lookMs: 5 };
    const stop = new AbortController();
    const watching = watchProgress(watched, stop.signal).then(
      () => 'nothing',
      (error: unknown) => codeOf(error),
    );
    await Promise.race([watching, delay(100)]);
    stop.abort();
    return await watching;
  }

  test('ends a life in which records wait and none is handled, once for each place', async () => {
    expect(await watch(() => now - 1_000, 3)).toBe('ERR_WORKER_STALLED');
    expect(await watch(() => now - 1_000, 3)).toBe('nothing');
  });

  test('lets it be while records are handled, and while none wait', async () => {
    expect(await watch(() => now, 3)).toBe('nothing');
    expect(await watch(() => now - 1_000, 0)).toBe('nothing');
    expect(await metrics.render()).toMatch(/lag_records\{dataset="north",partition="0".*\} 0\n/);
  });
});
