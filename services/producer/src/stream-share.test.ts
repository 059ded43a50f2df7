import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ColumnType } from '@strongroom/protocol/contract';
import { murmur2 } from '@strongroom/protocol/partitioning';
import {
  type Int,
  Int8,
  Int32,
  Int64,
  Table,
  tableToIPC,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import {
  datasetOf,
  failureOf,
  fileWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';
import type { PublishStep } from './outbox.ts';

/** Each stream of a dataset with `partitionBy` gets its rows, and every row is in one stream. */

const folder = temporaryFolder();
afterAll(() => folder.remove());

const NAMES = ['gate-a', 'gate-b', 'gate-c'] as const;
const streams = NAMES.map((id, partition) => ({ id, partition })) as never;
const shared = (columns: readonly string[], partitionBy: string) => ({
  ...datasetOf(columns),
  streams,
  partitionBy: partitionBy as never,
});

/** As a producer in another language would write it. */
function placeOf(value: unknown): number {
  const text = typeof value === 'string' ? new TextEncoder().encode(value) : undefined;
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigInt64(0, BigInt.asIntN(64, BigInt(text ? 0 : `${value}`)), true);
  return (murmur2(text ?? new Uint8Array(bytes.buffer)) & 0x7fffffff) % NAMES.length;
}

const KEYS: readonly (readonly [ColumnType, Int | Utf8, fc.Arbitrary<bigint | string>])[] = [
  ['utf8', new Utf8(), fc.string({ unit: 'grapheme', maxLength: 9 })],
  ['int8', new Int8(), fc.bigInt(-128n, 127n)],
  ['uint16', new Uint16(), fc.bigInt(0n, 65_535n)],
  ['int32', new Int32(), fc.bigInt(-(2n ** 31n), 2n ** 31n - 1n)],
  ['uint32', new Uint32(), fc.bigInt(0n, 2n ** 32n - 1n)],
  ['int64', new Int64(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)],
  ['uint64', new Uint64(), fc.bigInt(0n, 2n ** 64n - 1n)],
];

describe('rows that are shared out by a column', () => {
  test.each(KEYS)('each go to the stream of their value: %s', async (type, arrowType, values) => {
    const dataset = shared([`who ${type}`, 'n int32', 'word utf8?'], 'who');
    const table = fc.array(fc.tuple(values, fc.option(fc.string({ maxLength: 3 }))), {
      minLength: 1,
      maxLength: 60,
    });
    const property = fc.asyncProperty(table, fc.integer({ min: 1, max: 70 }), async (all, cut) => {
      const columns = {
        who: vectorFromArray(
          all.map(([who]) => (/64$/.test(type) || typeof who === 'string' ? who : Number(who))),
          arrowType,
        ),
        n: vectorFromArray(
          all.map((_row, n) => n),
          new Int32(),
        ),
        word: vectorFromArray(
          all.map(([, word]) => word),
          new Utf8(),
        ),
      };
      const bytes = tableToIPC(new Table(columns), 'stream');
      const path = fileWith(folder.path, `${type}.arrow`, bytes);
      const whole = rowsOf(await readAll(dataset, path));
      for (const [place, stream] of NAMES.entries()) {
        const options = { stream: stream as never, batchRows: cut };
        const found = await readAll(dataset, path, options);
        const own = whole.filter(([who]) => placeOf(who) === place);
        expect(rowsOf(found)).toEqual(own);
        // From wherever a batch has ended, the rest follows.
        const [first] = found;
        const rest = await readAll(dataset, path, { ...options, skipRows: first?.cursor ?? 0 });
        expect(rowsOf(rest)).toEqual(own.slice(first?.rows ?? 0));
      }
    });
    await fc.assert(property, { numRuns: 8 });
  });

  test('are told by their number in the source when something is wrong with them', async () => {
    const dataset = shared(['who int32', 'n int32'], 'who');
    const lines = Array.from({ length: 90 }, (_none, at) => `${at},${at === 77 ? 'x' : at}`);
    const path = fileWith(folder.path, 'bad.ndjson', lines.map(lineOf).join('\n'));
    const place = placeOf(77);
    const reading = readAll(dataset, path, { stream: NAMES[place] as never });
    expect((await failureOf(reading)).text).toContain('"row":78');
    function lineOf(line: string): string {
      const [who, n] = line.split(',');
      return `{"who":${who},"n":${n === 'x' ? '"x"' : n}}`;
    }
  });
});

const ROWS = 3_000;
const source = fileWith(
  folder.path,
  'rows.csv',
  `who,n\n${Array.from({ length: ROWS }, (_none, n) => `member ${n % 500},${n}\n`).join('')}`,
);
const agreed = await agreeOn(shared(['who utf8', 'n int32'], 'who'));
const own = (place: number) =>
  Array.from({ length: ROWS }, (_none, n) => [`member ${n % 500}`, n]).filter(
    ([who]) => placeOf(who) === place,
  );

let benches = 0;
function newBench(place: number): Bench {
  benches += 1;
  const bench = benchOf(agreed, folder.path, `shared-${benches}`);
  return {
    ...bench,
    entries: () => bench.entries(place),
    publish: (from, more) => bench.publish(from, { stream: NAMES[place], ...more }),
  };
}

describe('a producer of one share', () => {
  test.each([0, 1, 2])(
    'publishes its rows once, whenever it is killed: stream %d',
    async (place) => {
      for (const kill of [1, 2, 5]) {
        const bench = newBench(place);
        let left = kill;
        const onStep = () => {
          left -= 1;
          if (left === 0) throw new Error('killed');
        };
        await expect(bench.publish(source, { outbox: { onStep } })).rejects.toThrow('killed');
        await bench.publish(source);
        const received = await receive(bench);
        expect(received).toMatchObject({ rows: own(place), final: true });
      }
    },
  );

  test('goes on behind a limit, at the row of the source that it was', async () => {
    const bench = newBench(1);
    for (const limitRows of [1, 700, 701, 2_999]) {
      await bench.publish(source, { limitRows, final: false });
    }
    const report = await bench.publish(source);
    expect(report).toMatchObject({ totalRows: own(1).length, final: true });
    expect((await receive(bench)).rows).toEqual(own(1));
  });

  test('reads a lost stream back from the log', async () => {
    const bench = newBench(2);
    const few = { batchRows: 10 };
    const dying = async (at: PublishStep, more: object) => {
      const onStep = (step: PublishStep) => {
        if (step === at) throw new Error('killed');
      };
      const run = bench.publish(source, { ...few, ...more, outbox: { onStep } });
      await expect(run).rejects.toThrow('killed');
    };
    await dying('records-sent', {});
    rmSync(bench.stateFolder, { recursive: true });
    // Behind the opening of its new epoch, and before any row of it.
    await dying('group-written', { recover: true });
    const report = await bench.publish(source, few);
    expect(report).toMatchObject({ totalRows: own(2).length, final: true });
    expect(report.rows).toBeLessThan(own(2).length);
    expect((await receive(bench)).rows).toEqual(own(2));
  });

  test('without a row says that there is none', async () => {
    const few = fileWith(folder.path, 'few.csv', 'who,n\nmember 1,1\n');
    const place = [0, 1, 2].find((each) => each !== placeOf('member 1')) ?? 0;
    const bench = newBench(place);
    expect(await bench.publish(few)).toMatchObject({ rows: 0, final: true });
    expect(await receive({ ...bench, stateFolder: join(folder.path, 'none') })).toMatchObject({
      rows: [],
      final: true,
    });
  });
});
