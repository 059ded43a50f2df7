import type { KeyObject } from 'node:crypto';
import { datasetOf, type Query } from '@strongroom/protocol/contract';
import { type QueryId, StreamIdSchema } from '@strongroom/protocol/fields';
import type { SealedRecord } from '@strongroom/sealing/seal';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../../test/owners.ts';
import { partialKeyOf } from '../../test/proven-vaults.ts';
import { StreamScene } from '../../test/stream-scene.ts';
import { openPartial } from './slices/partial-seal.ts';

/**
 * Windows that are kept as partial aggregates beside the same windows kept as rows, which is the
 * slower way and the plainer one: rows that come late, batches that are taken back, several
 * streams, restarts. Not one value of a result may differ, nor one number that is told beside it;
 * and of what a slice tells, not one byte.
 */

const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'who', type: 'utf8', nullable: false },
  { name: 'size', type: 'int64', nullable: true },
] as const;
const events = { relation: 'events', columns: COLUMNS, eventTime: 'at' };
const STREAMS = ['east-0', 'east-1'].map((id) => StreamIdSchema.parse(id));
const PLANS = [
  {
    id: 'east',
    ...events,
    streams: STREAMS.map((id, partition) => ({ id, partition })),
  },
  { id: 'west', ...events },
];
const SQL = `SELECT who, count(*) AS n, sum(size) AS size, avg(size) AS mean, min(size) AS least,
  max(abs(size)) AS most FROM events WHERE size IS NULL OR size <> 3 GROUP BY who`;
const over = (id: string, window: Query['window'], latenessMs = 0) => ({
  id: id as QueryId,
  ...{ sql: SQL, relations: ['events'], window, latenessMs },
});
const TIMED = [
  over('plain', { kind: 'tumbling', sizeMs: 1_000 }),
  over('over', { kind: 'hopping', sizeMs: 2_500, advanceMs: 1_000 }),
  over('late', { kind: 'tumbling', sizeMs: 2_000 }, 1_500),
];
const WHOLE = over('all', { kind: 'whole' });
const PRODUCERS = ['east/0', 'east/1', 'west/0'];

/** In two slices; what is read is the first of them. */
const SLICED = ['east/0', 'east/2', 'west/0', 'east/1', 'west/1'];
const SLICE = 0;
const PRODUCERS_OF_SLICE = SLICED.slice(0, 3);

function agreeOnSlices(): Promise<Computation> {
  const plans = ['east', 'west'].map((id) => {
    const own = SLICED.filter((place) => place.startsWith(id)).sort();
    const streams = own.map((_place, partition) => ({ id: `${id}-${partition}`, partition }));
    return { id, ...events, streams };
  });
  const members = { tickMs: 0, slices: 2 };
  return agreeOn(plans, TIMED, 1, undefined, false, undefined, false, members);
}

let computations: Computation[];
let sliced: Computation;
beforeAll(async () => {
  computations = [await agreeOn(PLANS, [...TIMED, WHOLE], 1), await agreeOn(PLANS, TIMED, 1)];
  sliced = await agreeOnSlices();
});

type Step =
  | { readonly kind: 'batch'; readonly rows: Drawn[]; readonly to: number }
  | { readonly kind: 'watermark'; readonly at: number; readonly to: number }
  | { readonly kind: 'retract'; readonly which: number; readonly to: number }
  | { readonly kind: 'run'; readonly most: number }
  | { readonly kind: 'restart' | 'checkpoint' };
interface Drawn {
  readonly at: number;
  readonly who: string;
  readonly size: number | null;
}

const at = fc.oneof(
  fc.integer({ min: -2, max: 6 }).map((s) => s * 1_000),
  fc.integer({ min: -2_000, max: 6_000 }),
);
const rows = fc.array(
  fc.record({
    at,
    who: fc.constantFrom('ann', 'bob', 'eve'),
    size: fc.option(fc.integer({ min: -5, max: 5 })),
  }),
  { minLength: 1, maxLength: 6 },
);
const to = fc.nat(PRODUCERS.length - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('batch' as const), rows, to }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('watermark' as const), at, to }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('retract' as const), which: fc.nat(5), to }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('run' as const),
        most: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('restart', 'checkpoint') }) },
  ),
  { minLength: 5, maxLength: 30 },
);

const batchAt = (ms: number, stream: number): Step => ({
  ...{ kind: 'batch', rows: [{ at: ms, who: 'ann', size: 1 }], to: stream },
});
/** A batch is taken back when windows of another one have closed, and its rows are forgotten. */
const TAKEN_BACK_LATER: Step[] = [
  ...[batchAt(0, 0), batchAt(5_500, 0)],
  ...PRODUCERS.map((_name, stream): Step => ({ kind: 'watermark', at: 5_000, to: stream })),
  { kind: 'run', most: Number.POSITIVE_INFINITY },
  { kind: 'retract', which: 1, to: 0 },
  batchAt(5_600, 1),
  { kind: 'run', most: Number.POSITIVE_INFINITY },
];

/** One log, and two vaults that read it. */
class Twins {
  readonly #scenes: readonly StreamScene[];
  readonly #streams: readonly TestStream[];
  readonly #producers: readonly string[];
  readonly #batches: SealedRecord[][];
  readonly #sequences: number[][];
  readonly #counts: number[];

  constructor(computation: Computation, choice: { readonly slice?: number } = {}) {
    this.#scenes = [
      new StreamScene(computation, choice),
      new StreamScene(computation, { ...choice, keepsRows: true }),
    ];
    this.#producers = choice.slice === undefined ? PRODUCERS : PRODUCERS_OF_SLICE;
    this.#batches = this.#producers.map(() => []);
    this.#sequences = this.#producers.map(() => []);
    this.#counts = this.#producers.map(() => 0);
    this.#streams = this.#producers.map((name) => {
      const [dataset = '', partition] = name.split('/');
      const { streams } = datasetOf(computation.contract, dataset);
      return new TestStream(computation, dataset, streams?.[Number(partition)]?.id);
    });
  }

  async start(): Promise<void> {
    for (const scene of this.#scenes) await scene.start();
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'batch': {
        const cells = step.rows.map(({ at: ms, who, size }) => ({
          ...{ at: BigInt(ms) * 1_000n, who },
          size: size === null ? null : BigInt(size),
        }));
        const record = await this.#stream(step.to).seal(cells);
        this.#batches[step.to]?.push(record);
        this.#sequences[step.to]?.push(this.#counts[step.to] ?? 0);
        return this.#append(step.to, record, 1);
      }
      case 'watermark':
        return this.#append(step.to, await this.#stream(step.to).manifest(step.at), 0);
      case 'retract': {
        const known = this.#batches[step.to] ?? [];
        const record = known[step.which % known.length];
        if (!record) return;
        const sequence = this.#sequences[step.to]?.[step.which % known.length] ?? 0;
        return this.#append(step.to, await this.#stream(step.to).retract(sequence, record), 1);
      }
      case 'run':
        for (const scene of this.#scenes) await scene.run(step.most);
        return;
      case 'restart':
        for (const scene of this.#scenes) await scene.start();
        return;
      case 'checkpoint':
        for (const scene of this.#scenes) await scene.checkpoint();
    }
  }

  async end(): Promise<void> {
    for (const at of this.#producers.keys()) {
      this.#append(at, await this.#stream(at).manifest(9_000, true), 0);
    }
    for (const scene of this.#scenes) await scene.run();
  }

  async compare(queries: readonly { readonly id: string }[]): Promise<number> {
    const [folded, plain] = this.#scenes;
    expect(folded?.closing?.done).toBe(true);
    let results = 0;
    for (const { id } of queries) {
      const told = async (scene: StreamScene | undefined) =>
        ((await scene?.results(id)) ?? []).map(({ seal, rows: table }) => {
          const { window, emission, inputs, suppressedGroups } = seal;
          return { window, emission, inputs, suppressedGroups, table };
        });
      const found = await told(folded);
      expect(found, id).toEqual(await told(plain));
      results += found.length;
    }
    for (const scene of this.#scenes) scene.vault.close();
    return results;
  }

  /** Of a slice. */
  async compareTold(key: KeyObject): Promise<void> {
    const [folded, plain] = this.#scenes;
    expect(folded?.closing?.done).toBe(true);
    const told = async (scene: StreamScene | undefined) => {
      const { contractId: contract } = scene?.computation ?? expect.fail('a scene');
      const all = (scene?.told ?? []).map(async (record) => {
        const { partial, arrow } = await openPartial(record, key, { contract, slice: SLICE });
        return { partial, size: record.value.length, arrow: Buffer.from(arrow).toString('base64') };
      });
      return await Promise.all(all);
    };
    expect(await told(folded)).toEqual(await told(plain));
    for (const scene of this.#scenes) scene.vault.close();
  }

  #append(to: number, record: SealedRecord, sequences: number): void {
    const [dataset = '', partition] = (this.#producers[to] ?? '').split('/');
    this.#counts[to] = (this.#counts[to] ?? 0) + sequences;
    for (const scene of this.#scenes) scene.append(dataset, Number(partition), record);
  }

  #stream(at: number): TestStream {
    return this.#streams[at] ?? expect.fail('a stream');
  }
}

const isLong = process.env['STRONGROOM_LONG'] === '1';

describe('windows that are folded', () => {
  test('give what the same windows give of their rows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1), steps, async (which, all) => {
        const computation = computations[which] ?? expect.fail('a computation');
        const twins = new Twins(computation);
        await twins.start();
        for (const step of all) await twins.take(step);
        await twins.end();
        await twins.compare(computation.contract.queries);
      }),
      { numRuns: isLong ? 1_000 : 5, endOnFailure: !isLong },
    );
  }, 3_600_000);

  test('have a slice tell what it would tell of its rows, byte by byte', async () => {
    const key = await partialKeyOf(sliced, SLICE);
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const twins = new Twins(sliced, { slice: SLICE });
        await twins.start();
        for (const step of all) await twins.take(step);
        await twins.end();
        await twins.compareTold(key);
      }),
      { numRuns: isLong ? 1_000 : 3, endOnFailure: !isLong, examples: [[TAKEN_BACK_LATER]] },
    );
  }, 3_600_000);
});
