import { DOUBLE, UINTEGER } from '@duckdb/node-api';
import { codeOf } from '@strongroom/protocol/errors';
import type { DatasetId } from '@strongroom/protocol/fields';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { datasetWith, encodeColumns } from '../../../test/arrow-tables.ts';
import { readArrowBatch } from './arrow-batch.ts';
import { Engine } from './engine.ts';
import { eventTimeColumnOf } from './event-time.ts';
import type { GroupColumn } from './row-group.ts';
import { RowTable } from './row-table.ts';

/** Slabs, their labels and their ends, beside a list of rows that knows nothing of them. */

const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'unused', type: 'float64', nullable: true },
  { name: 'who', type: 'utf8', nullable: true },
  { name: 'note', type: 'utf8', nullable: false },
] as const;
const dataset = datasetWith(COLUMNS, { id: 'd' as DatasetId, relation: 't', eventTime: 'at' });
const kept = COLUMNS.filter(({ name }) => name !== 'unused');
const LIMITS = { rows: 12, labels: 6, relabels: 2 };

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open({ memoryMb: 128 });
});
afterAll(() => engine.close());

interface Row {
  readonly at: number;
  readonly who: string | null;
  readonly note: string;
}

const text = fc.oneof(
  { arbitrary: fc.constantFrom('a', 'b', 'c'), weight: 8 },
  // Some that no ENUM can hold, and some that are long.
  fc.constantFrom('', 'a\0', 'a\0b', '\'); DROP TABLE "dataset d 1"', 'ä'.repeat(30)),
  fc.string({ maxLength: 3 }),
);
const rows = (late: number) =>
  fc.array(
    fc.record({
      at: fc.nat({ max: 30 }).map((at) => at + late),
      who: fc.option(text),
      note: text,
    }),
    { minLength: 0, maxLength: 25 },
  );
const step = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      batches: fc
        .nat({ max: 60 })
        .chain((late) => fc.array(rows(late), { minLength: 1, maxLength: 3 })),
      knowsTimes: fc.boolean(),
    }),
    weight: 6,
  },
  {
    arbitrary: fc.record({ kind: fc.constant('drop' as const), by: fc.nat({ max: 30 }) }),
    weight: 3,
  },
  fc.record({ kind: fc.constant('remove' as const), number: fc.nat({ max: 20 }) }),
  { arbitrary: fc.record({ kind: fc.constant('clear' as const) }), weight: 1 },
);

const isNumbered = (number: number, count: number): GroupColumn['parts'][number] => ({
  values: new Uint8Array(new Uint32Array(count).fill(number).buffer),
  width: 4,
  validity: null,
});

class Scene {
  readonly table: RowTable;
  truth: (Row & { number: number })[] = [];
  batches = 0;
  keepFrom = 0;

  constructor(limits: Partial<typeof LIMITS> = {}) {
    this.table = new RowTable(engine, {
      ...{ dataset, columns: kept, own: [{ name: 'batch number', type: 'UINTEGER' }] },
      ...{ time: eventTimeColumnOf(dataset), limits: { ...LIMITS, ...limits } },
    });
  }

  async append(batches: readonly (readonly Row[])[], knowsTimes: boolean): Promise<void> {
    const stored = batches.map((own, index) => {
      const arrowBatch = readArrowBatch(
        encodeColumns([
          { contract: COLUMNS[0], values: own.map(({ at }) => BigInt(at) * 1_000n) },
          { contract: COLUMNS[1], values: own.map(() => null) },
          { contract: COLUMNS[2], values: own.map(({ who }) => who) },
          { contract: COLUMNS[3], values: own.map(({ note }) => note) },
        ]),
        dataset,
        own.length,
      );
      const all = own.map(({ at }) => at);
      const eventTime = { min: Math.min(...all), max: Math.max(...all) };
      const times = knowsTimes && own.length > 0 ? { eventTime } : {};
      return { arrowBatch, stream: 0, batchNumber: this.batches + index, ...times };
    });
    const parts = batches.map((own, index) => isNumbered(this.batches + index, own.length));
    const numbers = [{ name: 'batch number', type: UINTEGER, parts }];
    await this.table.append(stored, numbers, this.keepFrom);
    for (const own of batches) {
      const needed = own.filter(({ at }) => at >= this.keepFrom);
      this.truth.push(...needed.map((row) => ({ ...row, number: this.batches })));
      this.batches += 1;
    }
  }

  async drop(by: number): Promise<void> {
    this.keepFrom += by;
    await this.table.dropBefore(this.keepFrom);
    this.truth = this.truth.filter(({ at }) => at >= this.keepFrom);
  }

  async remove(number: number): Promise<void> {
    await this.table.delete(`"batch number" IN (${number})`);
    this.truth = this.truth.filter((row) => row.number !== number);
  }

  async clear(): Promise<void> {
    await this.table.clear();
    this.truth = [];
  }

  /** In their order: sums of floating-point numbers depend on it. */
  async expectTruth(start: number, end: number): Promise<void> {
    const sql = `SELECT epoch_ms("at"), who, note, "batch number"
      FROM ${this.table.relation({ start, end })}
      WHERE epoch_ms("at") >= ${start} AND epoch_ms("at") < ${end}`;
    const found = (await engine.read(sql)).getRows();
    const truth = this.truth.filter(({ at }) => at >= start && at < end);
    expect(found.map(([at, ...rest]) => [Number(at), ...rest])).toEqual(
      truth.map(({ at, who, note, number }) => [at, who, note, number]),
    );
  }

  async held(): Promise<number> {
    const sql = `SELECT count(*) FROM ${this.table.relation()}`;
    return Number((await engine.read(sql)).getRows()[0]?.[0]);
  }
}

test('a table of slabs is the rows that came and are needed, in their order', async () => {
  const least = fc.nat({ max: 100 });
  const windows = fc.array(fc.tuple(least, least), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), windows, async (steps, asked) => {
      const scene = new Scene();
      for (const each of steps) {
        if (each.kind === 'append') await scene.append(each.batches, each.knowsTimes);
        else if (each.kind === 'drop') await scene.drop(each.by);
        else if (each.kind === 'remove') await scene.remove(each.number);
        else await scene.clear();
      }
      for (const [start, size] of asked) {
        await scene.expectTruth(scene.keepFrom + start, scene.keepFrom + start + size);
      }
      await scene.expectTruth(scene.keepFrom, 1_000);
      // One append may overfill a slab, and removed rows count for what they were.
      expect(scene.table.rows).toBeGreaterThanOrEqual(await scene.held());
      await scene.clear();
      expect(scene.table.rows).toBe(0);
    }),
    { numRuns: 60 },
  );
}, 60_000);

const rowAt = (at: number): Row => ({ at, who: `label ${at % 11}`, note: `label ${at}` });

test('what expires in order goes with its slab', async () => {
  const scene = new Scene({ rows: 40 });
  for (let at = 0; at < 200; at += 1) {
    await scene.append([[rowAt(at), { ...rowAt(at), who: null }]], true);
    if (at < 10) continue;
    await scene.drop(1);
    await scene.expectTruth(scene.keepFrom, 1_000);
    // Two rows a moment: those of ten moments, and a slab of which the last row has not expired.
    expect(await scene.held()).toBeLessThanOrEqual(2 * 11 + 2 * 40);
  }
  await scene.clear();
});

test('what expires out of order is left behind by copies of the rest', async () => {
  const scene = new Scene({ rows: 40 });
  for (let at = 0; at < 400; at += 10) {
    await scene.append(
      [Array.from({ length: 10 }, (_none, n) => rowAt((at + n * 173) % 400))],
      true,
    );
  }
  expect(await scene.held()).toBe(400);
  for (let by = 0; by < 39; by += 1) {
    await scene.drop(10);
    await scene.expectTruth(scene.keepFrom, scene.keepFrom + 3);
    await scene.expectTruth(scene.keepFrom, 1_000);
    expect(await scene.held()).toBeLessThanOrEqual(2 * Math.max(40, 2 * scene.truth.length));
  }
  expect(await scene.held()).toBeLessThan(60);
  await scene.clear();
});

test('labels that go on coming are held as text, and not in a table each', async () => {
  const scene = new Scene({ rows: 1_000, labels: 1_000 });
  for (let at = 0; at < 60; at += 1) await scene.append([[rowAt(at)]], true);
  await scene.expectTruth(0, 1_000);
  const tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'dataset %'";
  // The first, one for each of two new labels, and one for each column that is text from then on.
  expect(Number((await engine.read(tables)).getRows()[0]?.[0])).toBeLessThanOrEqual(5);
  await scene.clear();
});

test.each([1, 3, 400])(
  'of %d batches that memory cannot hold not one is appended',
  async (batches) => {
    const small = await Engine.open({ memoryMb: 40 });
    const count = async () =>
      Number((await small.read('SELECT count(*) FROM t')).getRows()[0]?.[0]);
    try {
      await small.run('CREATE TABLE t (a DOUBLE)');
      const values = new Uint8Array(
        Float64Array.from({ length: 100_000 }, (_none, row) => Math.sin(row)).buffer,
      );
      const parts = Array.from({ length: batches }, () => ({ values, width: 8, validity: null }));
      const columns = [{ name: 'a', type: DOUBLE, parts }];
      const group = { columns, batchRows: parts.map(() => 100_000) };
      let appended = 0;
      let refusal: unknown;
      while (!refusal && appended < 400) {
        await small.append('t', group).then(
          () => {
            appended += batches;
          },
          (error: unknown) => {
            refusal = error;
          },
        );
      }
      expect(codeOf(refusal)).toBe('ERR_VAULT_MEMORY');
      expect(await count()).toBe(appended * 100_000);
      // What was refused frees its memory, and no appender holds any of it.
      await small.run('DROP TABLE t');
      await small.run('CREATE TABLE t (a DOUBLE)');
      const [part = { values, width: 8, validity: null }] = parts;
      await small.append('t', {
        columns: [{ name: 'a', type: DOUBLE, parts: [part] }],
        batchRows: [100_000],
      });
      expect(await count()).toBe(100_000);
    } finally {
      small.close();
    }
  },
);
