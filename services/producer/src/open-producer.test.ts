import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '@strongroom/protocol/errors';
import type { RecordLog } from '@strongroom/record-log/log';
import {
  DateDay,
  Dictionary,
  Float64,
  Int32,
  Int64,
  type RecordBatch,
  Table,
  TimestampMillisecond,
  tableFromArrays,
  tableFromIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, fileWith, readAll, temporaryFolder } from '../test/source-fixtures.ts';
import { openProducerOn, type Producer } from './open-producer.ts';
import type { ProducerOptions } from './producer-options.ts';

/** What a program is offered, over a log in memory: the pipeline under it is the command's. */

const folder = temporaryFolder();
afterAll(() => folder.remove());

const columns = ['seen timestamp-ms', 'n int64', 'word utf8?', 'day date32?', 'ratio float64?'];
const agreed = await agreeOn(datasetOf(columns, 'seen'));
const identity = fileWith(folder.path, 'owner.identity.json', agreed.ownerJson);
const START = Date.UTC(2001, 0, 1);

let benches = 0;
let bench: Bench;
beforeEach(() => {
  benches += 1;
  bench = benchOf(agreed, folder.path, `state-${benches}`);
});

/** A connection that may be closed, to a log that stays. */
function open(changes: Partial<ProducerOptions> = {}): Promise<Producer> {
  const log: RecordLog = { ...bench.log, close: async () => undefined };
  const { signedContract: contract, dataset } = agreed;
  const where = { contract: contract as object, dataset: dataset.id, brokers: 'kafka:9092' };
  const own = { identity, state: bench.stateFolder, batchRows: 100, logLevel: 'silent' } as const;
  return openProducerOn({ ...where, ...own, ...changes }, async () => log);
}

interface Seen {
  readonly seen: Date;
  readonly n: bigint | number;
  readonly word?: string | null;
}

const seenAt = (n: number): Seen => ({ seen: new Date(START + n * 1_000), n, word: `word ${n}` });

function* rowsTo(end: number, from = 0): Generator<Seen> {
  for (let n = from; n < end; n += 1) yield seenAt(n);
}

async function* failingAfter(end: number, error: Error) {
  yield* rowsTo(end);
  throw error;
}

const errorOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error) => error,
  );

const numbersReceived = async () => (await receive(bench)).rows.map(([, n]) => Number(n));
const upTo = (end: number) => Array.from({ length: end }, (_, n) => n);

describe('plain objects', () => {
  test('of every kind of value are published as they are', async () => {
    const large = 9_007_199_254_740_993n;
    const day = new Date(0);
    const publisher = await open();
    const summary = await publisher.publish(
      [
        { seen: new Date(START), n: large, word: 'say "ü"', day, ratio: -2.5e300 },
        { seen: '2001-01-01 00:00:01', n: -1, word: null, day: '1970-01-02' },
        { seen: new Date(START + 2_000), n: 0, word: undefined, ratio: 0.1 },
      ],
      { final: true },
    );
    await publisher.close();
    expect(summary).toMatchObject({ rows: 3, totalRows: 3, final: true, stopped: false });
    expect((await receive(bench)).rows).toEqual([
      [BigInt(START), large, 'say "ü"', 0, -2.5e300],
      [BigInt(START + 1_000), -1n, null, 1, null],
      [BigInt(START + 2_000), 0n, null, null, 0.1],
    ]);
  });

  test('come in several portions, the last of which ends the dataset', async () => {
    const publisher = await open();
    expect(await publisher.publish(rowsTo(250))).toMatchObject({ rows: 250, final: false });
    expect(await publisher.publish(rowsTo(400, 250))).toMatchObject({ rows: 150, totalRows: 400 });
    expect(await publisher.publish([], { final: true })).toMatchObject({ rows: 0, final: true });
    const late = publisher.publish(rowsTo(1));
    expect(codeOf(await errorOf(late))).toBe('ERR_SOURCE_CHANGED');
    await publisher.close();
    expect(await numbersReceived()).toEqual(upTo(400));
  });

  test('go on behind what was published when they are given again', async () => {
    const broken = new Error('the cursor is gone');
    const first = await open();
    await expect(first.publish(failingAfter(20_000, broken))).rejects.toBe(broken);
    await first.close();
    const second = await open();
    const summary = await second.publish(rowsTo(21_000), { final: true });
    await second.close();
    expect(summary).toMatchObject({ totalRows: 21_000, final: true });
    expect(await numbersReceived()).toEqual(upTo(21_000));
  });

  test.each([
    ['a number that is not finite', { ...seenAt(0), n: Number.NaN }, 'ERR_COLUMN_TYPE'],
    ['a fraction of a whole number', { ...seenAt(0), n: 0.5 }, 'ERR_COLUMN_TYPE'],
    ['an invalid Date', { ...seenAt(0), seen: new Date(Number.NaN) }, 'ERR_COLUMN_TYPE'],
    ['a day with a time', { ...seenAt(0), day: new Date(START + 1) }, 'ERR_COLUMN_TYPE'],
    ['a Date as a text', { ...seenAt(0), word: new Date(START) }, 'ERR_COLUMN_TYPE'],
    ['an object', { ...seenAt(0), word: { secret: 1 } }, 'ERR_COLUMN_TYPE'],
    ['a stranger', { ...seenAt(0), stranger: 1 }, 'ERR_COLUMN_UNKNOWN'],
    ['nothing where something must be', { word: 'x' }, 'ERR_COLUMN_MISSING'],
    ['a list', ['x'], 'ERR_SOURCE_MALFORMED'],
  ])('are refused with %s', async (_name, row, code) => {
    const publisher = await open();
    const failure = await errorOf(publisher.publish([seenAt(0), row] as never));
    await publisher.close();
    expect(codeOf(failure)).toBe(code);
    expect(JSON.stringify(failure)).not.toContain('secret');
    expect(bench.entries()).toEqual([]);
  });

  test('may have other names, and members that are left out', async () => {
    const publisher = await open();
    const renamed = { at: 'seen', n: 'n', text: 'word', day: 'day', ratio: 'ratio' };
    const rows = [{ at: new Date(START), n: 1, text: 'x', remark: Number.NaN }];
    expect(await publisher.publish(rows, { columns: renamed })).toMatchObject({ rows: 1 });
    await publisher.close();
    expect((await receive(bench)).rows).toEqual([[BigInt(START), 1n, 'x', null, null]]);
  });
});

describe('Arrow batches', () => {
  async function arrowBatches(): Promise<RecordBatch[]> {
    const lines = [...rowsTo(300)].map((row) => JSON.stringify(row)).join('\n');
    const path = fileWith(folder.path, `arrow-${benches}.ndjson`, lines);
    const found = await readAll(agreed.dataset, path, { batchRows: 100 });
    return found.flatMap(({ bytes }) => tableFromIPC(bytes).batches);
  }

  test('are published one by one', async () => {
    const publisher = await open();
    const summary = await publisher.publish(await arrowBatches(), { final: true });
    await publisher.close();
    expect(summary).toMatchObject({ rows: 300, batches: 3, final: true });
    expect(await numbersReceived()).toEqual(upTo(300));
  });

  /** A dictionary of words, as the library makes it of texts; and other words by the same column. */
  function withWords(words: string[], like?: RecordBatch): RecordBatch {
    const from = like ? 2 : 0;
    const seen = vectorFromArray(
      [from, from + 1].map((n) => new Date(START + n)),
      new TimestampMillisecond(),
    );
    const n = BigInt64Array.from([BigInt(from), BigInt(from + 1)]);
    const type = like?.schema.fields.find(({ name }) => name === 'word')?.type;
    const word = vectorFromArray(words, type ?? new Dictionary(new Utf8(), new Int32()));
    const empty = vectorFromArray([null, null], new DateDay());
    const ratio = vectorFromArray([null, null], new Float64());
    const [arrowBatch] = new Table({
      seen,
      n: vectorFromArray([...n], new Int64()),
      word,
      day: empty,
      ratio,
    }).batches;
    if (!arrowBatch) throw new Error('two rows are a batch');
    return arrowBatch;
  }

  test('with dictionaries of their own are the texts that they mean', async () => {
    const first = withWords(['a', 'b']);
    const publisher = await open();
    await publisher.publish([first, withWords(['c', 'd'], first)]);
    await publisher.close();
    expect((await receive(bench)).rows.map(([, , word]) => word)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('that stop coming are not waited for once the producer is closed', async () => {
    const given = await arrowBatches();
    const silence = Promise.withResolvers<void>();
    async function* silent() {
      for (let at = 0; at < 200; at += 1) yield* given;
      silence.resolve();
      await new Promise(() => undefined);
    }
    const publisher = await open({ allowLate: true });
    const publishing = publisher.publish(silent());
    await silence.promise;
    await publisher.close();
    const { rows, stopped } = await publishing;
    expect(stopped).toBe(true);
    expect(rows).toBeGreaterThan(0);
  });

  test('of other columns than the first one are refused', async () => {
    const [first, ...rest] = await arrowBatches();
    const [other] = tableFromArrays({ n: Int32Array.of(1) }).batches;
    const publisher = await open();
    const given = [first, other, ...rest] as RecordBatch[];
    const failure = await errorOf(publisher.publish(given));
    await publisher.close();
    expect(failure).toMatchObject({ code: 'ERR_SOURCE_MALFORMED', facts: { arrowBatch: 2 } });
  });
});

describe('a producer', () => {
  test.each([
    ['the first row', []],
    ['a row behind others', upTo(3).map(seenAt)],
    ['an Arrow batch', tableFromArrays({ seen: [new Date(START)] }).batches],
  ])('that is closed does not wait for %s', async (_name, before) => {
    async function* silent(): AsyncGenerator<Seen> {
      yield* before as Seen[];
      await new Promise(() => undefined);
    }
    const publisher = await open();
    const publishing = publisher.publish(silent());
    await new Promise((resolve) => setTimeout(resolve, 20));
    await publisher.close();
    expect(await publishing).toMatchObject({ rows: 0, stopped: true });
  });

  test('publishes a file, and knows it again', async () => {
    const path = join(folder.path, 'file.csv');
    writeFileSync(path, 'at,n,note\n2001-01-01,1,x\n2001-01-02,2,y\n');
    const options = { columns: { at: 'seen', n: 'n', note: 'word' } };
    const publisher = await open({ withoutForm: 'null' });
    const failure = await errorOf(publisher.publish(path, options));
    expect(codeOf(failure)).toBe('ERR_COLUMN_MISSING');
    writeFileSync(path, 'at,n,note,day,ratio\n2001-01-01,1,x,,\n2001-01-02,2,y,,\n');
    const named = { columns: { ...options.columns, day: 'day', ratio: 'ratio' } };
    expect(await publisher.publish(path, named)).toMatchObject({ rows: 2, resumed: false });
    expect(await publisher.publish(path, named)).toMatchObject({ rows: 0, resumed: true });
    await publisher.close();
    expect(await numbersReceived()).toEqual([1, 2]);
  });

  test('that is closed lets go of rows that never come, and loses none that came', async () => {
    let isCleanedUp = false;
    async function* silent() {
      try {
        yield* rowsTo(10);
        await new Promise(() => undefined);
      } finally {
        isCleanedUp = true;
      }
    }
    const first = await open();
    const publishing = first.publish(silent());
    await new Promise((resolve) => setTimeout(resolve, 50));
    await first.close();
    expect(codeOf(await errorOf(first.publish([])))).toBe('ERR_USAGE');
    expect(await publishing).toMatchObject({ rows: 0, stopped: true, final: false });
    expect(isCleanedUp).toBe(false);
    const second = await open();
    await second.publish(rowsTo(20));
    await second[Symbol.asyncDispose]();
    expect(await numbersReceived()).toEqual(upTo(20));
  });

  test('does one thing at a time, and stops when it is told to', async () => {
    const stopping = new AbortController();
    async function* endless() {
      for (let n = 0; ; n += 1) {
        if (n === 30_000) stopping.abort();
        yield seenAt(n);
      }
    }
    const publisher = await open();
    const publishing = publisher.publish(endless(), { signal: stopping.signal });
    expect(codeOf(await errorOf(publisher.publish([])))).toBe('ERR_USAGE');
    expect(await publishing).toMatchObject({ stopped: true, final: false });
    await publisher.publish(rowsTo(31_000), { final: true });
    await publisher.close();
    expect(await numbersReceived()).toEqual(upTo(31_000));
  });

  test.each([
    ['a wrong number', { batchRows: 0 }, 'ERR_USAGE'],
    ['no broker', { brokers: [] }, 'ERR_USAGE'],
    ['an unknown dataset', { dataset: 'nowhere' }, 'ERR_DATASET_UNKNOWN'],
    ['a contract that is none', { contract: {} }, 'ERR_CONTRACT_MALFORMED'],
    ['an identity that is not there', { identity: 'nowhere.json' }, 'ERR_FILE_UNREADABLE'],
  ] as const)('is not opened with %s', async (_name, changes, code) => {
    expect(codeOf(await errorOf(open(changes)))).toBe(code);
  });
});
