import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import { aggregatesTopic } from '@strongroom/protocol/record';
import type { LogEntry, LogRecord } from '@strongroom/record-log/log';
import { Int64, Table, vectorFromArray } from 'apache-arrow';
import { beforeAll, describe, expect, test } from 'vitest';
import { collect, createScene, type Scene } from '../test/scene.ts';
import { type ReadableLog, readAggregates } from './read-aggregates.ts';
import { checkedWords, checkSavedResult, createRecordShelf } from './saved-result.ts';

/** Results of three records each, as a log may show them; and one in a file. */

const RESULT_BYTES = 2 * CIPHERTEXT_BYTES_MAX + 4_096;
const PARTS = 3;

let scene: Scene;
let token: LogRecord;
/** The parts of emissions 0, 1 and 2 of one query. */
let a: readonly LogRecord[];
let b: readonly LogRecord[];
let c: readonly LogRecord[];
/** Of another query of the same contract. */
let total: readonly LogRecord[];
/** Of another reader. */
let foreign: readonly LogRecord[];

beforeAll(async () => {
  scene = await createScene((contract) => {
    const queries = Array.isArray(contract['queries']) ? contract['queries'] : [];
    for (const query of queries) query.disclosure.resultBytes = RESULT_BYTES;
    return contract;
  });
  const worker = await scene.worker();
  token = worker.tokenRecord;
  a = await worker.sealParts();
  b = await worker.sealParts({ emission: 1 });
  c = await worker.sealParts({ emission: 2 });
  total = await worker.sealParts({ query: 'total' });
  foreign = await worker.sealParts({ reader: 'institute' });
});

/** A log of these records, in fetches of so many. */
function logOf(records: readonly LogRecord[], perFetch: number): ReadableLog {
  const topic = aggregatesTopic(scene.contractId);
  const entries = records.map(
    (each, offset): LogEntry => ({ ...each, topic, partition: 0, offset }),
  );
  return {
    endOffset: () => Promise.resolve(entries.length),
    async *read() {
      for (let at = 0; at < entries.length; at += perFetch) {
        yield await Promise.resolve(entries.slice(at, at + perFetch));
      }
    },
  };
}

/** What a reader is told: results by number, refusals by code and offset, the code of the end. */
async function told(records: readonly LogRecord[], perFetch = 4): Promise<string[]> {
  const { contract, contractId, authority: identity, clock } = scene;
  const log = logOf([token, ...records], perFetch);
  const seen: string[] = [];
  try {
    const options = { contract, contractId, identity, clock, log, roots: AMD_ROOTS };
    for await (const reading of readAggregates(options)) {
      if (reading.kind === 'result') {
        const { seal, records: own, content } = reading.result;
        expect(own).toHaveLength(PARTS);
        expect(content.rows).toBe(2);
        seen.push(`${seal.query}.${seal.emission}`);
      }
      if (reading.kind === 'refused') seen.push(`${reading.code} at ${reading.offset - 1}`);
    }
  } catch (error) {
    seen.push(`end ${codeOf(error) ?? error}`);
  }
  return seen;
}

const INCOMPLETE = 'ERR_AGGREGATE_INCOMPLETE';
const without = (records: readonly LogRecord[], index: number) => records.toSpliced(index, 1);

describe('results of several parts', () => {
  test.each([1, 2, 3, 4, 100])('are told whole, %i records a fetch', async (perFetch) => {
    const all = ['daily.0', 'daily.1', 'total.0'];
    expect(await told([...a, ...b, ...total], perFetch)).toEqual(all);
  });

  test('are told beside those of other readers, which nobody looks at', async () => {
    expect(await told([...foreign, ...a, ...without(foreign, 1), ...b])).toEqual([
      'daily.0',
      'daily.1',
    ]);
  });

  test('are told once, however often and far the log repeats them', async () => {
    const again = [...a.slice(0, 2), ...a, ...a.slice(0, 1), ...b, ...a.slice(1), ...b];
    expect(await told(again)).toEqual(['daily.0', 'daily.1']);
    const stuttered = a.flatMap((part) => [part, part]);
    expect(await told(stuttered)).toEqual(['daily.0']);
  });

  const lies: [string, () => readonly LogRecord[], readonly string[]][] = [
    [
      'withholds a first part',
      () => [...without(a, 0), ...b],
      [`${INCOMPLETE} at 0`, `${INCOMPLETE} at 1`, 'end ERR_AGGREGATE_GAP'],
    ],
    [
      'withholds a part between',
      () => [...without(a, 1), ...b],
      [`${INCOMPLETE} at 1`, `${INCOMPLETE} at 0`, 'end ERR_AGGREGATE_GAP'],
    ],
    [
      'withholds a last part',
      () => [...without(a, 2), ...b],
      [`${INCOMPLETE} at 0`, 'end ERR_AGGREGATE_GAP'],
    ],
    ['ends within a result', () => [...a, ...b.slice(0, 2)], ['daily.0', `${INCOMPLETE} at 3`]],
    [
      'goes on with another query within a result',
      () => [...a.slice(0, 2), ...total],
      [`${INCOMPLETE} at 0`, 'total.0'],
    ],
    [
      'exchanges two parts',
      () => [a[0], a[2], a[1]].flatMap((part) => part ?? []),
      [`${INCOMPLETE} at 1`, `${INCOMPLETE} at 0`],
    ],
    [
      'puts a part of one result into another',
      () => [a[0], b[1], a[2]].flatMap((part) => part ?? []),
      [`${INCOMPLETE} at 1`, `${INCOMPLETE} at 2`, `${INCOMPLETE} at 0`],
    ],
    [
      'shuffles two results into each other',
      () => a.flatMap((part, index) => [part, b[index] ?? part]),
      [
        `${INCOMPLETE} at 0`,
        ...[2, 4].map((at) => `${INCOMPLETE} at ${at}`),
        'end ERR_AGGREGATE_GAP',
      ],
    ],
    [
      'damages a part',
      () => a.map((part, index) => (index === 1 ? { ...part, value: new Uint8Array(99) } : part)),
      ['ERR_AGGREGATE_MALFORMED at 1', `${INCOMPLETE} at 2`, `${INCOMPLETE} at 0`],
    ],
    ['leaves a whole result out', () => [...a, ...c], ['daily.0', 'end ERR_AGGREGATE_GAP']],
  ];
  test.each(lies)('are not told by a log that %s', async (_what, records, codes) => {
    expect(await told(records())).toEqual(codes);
  });

  test('are told though somebody puts a damaged copy of a part before it', async () => {
    const copy = a.map((part) => ({ ...part, value: new Uint8Array(99) }));
    const mixed = a.flatMap((part, index) => [copy[index] ?? part, part]);
    const codes = [0, 2, 4].map((at) => `ERR_AGGREGATE_MALFORMED at ${at}`);
    expect((await told(mixed)).toSorted()).toEqual([...codes, 'daily.0']);
  });
});

describe('a saved result of several parts', () => {
  const fileOf = (records: readonly LogRecord[]) => {
    const shelf = createRecordShelf();
    shelf.add(token);
    return shelf.fileOf(records, JSON.parse(scene.signedText)) ?? '';
  };
  const check = (text: string, identity?: Scene['authority']) =>
    checkSavedResult(text, {
      clock: scene.clock,
      rootsFor: () => AMD_ROOTS,
      ...(identity ? { identity } : {}),
    });

  test('is verified without a key, and opened by its reader', async () => {
    const sealed = await check(fileOf(b));
    expect(sealed.seal).toMatchObject({ emission: 1, part: { index: 0, count: PARTS } });
    const opened = await check(fileOf(b), scene.authority);
    expect(checkedWords(opened).proven).toContainEqual(['rows', '2 opened, 1 groups withheld']);
  });

  test.each<[string, () => readonly LogRecord[]]>([
    ['lacks a part', () => without(a, 1)],
    ['has a part twice', () => [...a, ...a.slice(2)]],
    ['has its parts in another order', () => a.toReversed()],
    ['has a part of another result', () => [...a.slice(0, 2), ...b.slice(2)]],
    ['has two results', () => [...a, ...b]],
  ])('that %s is refused', async (_what, records) => {
    const code = await check(fileOf(records())).then(() => 'none', codeOf);
    expect(code).toBe(INCOMPLETE);
  });
});

test('a table of more rows than one record holds is told', async () => {
  const plain = await createScene();
  const worker = await plain.worker();
  const rows = 150_000;
  const table = new Table({
    flights: vectorFromArray(
      Array.from({ length: rows }, (_none, row) => BigInt(row)),
      new Int64(),
    ),
  });
  await plain.append(worker.tokenRecord, ...(await worker.sealParts({ table })));
  const { contract, contractId, authority: identity, clock, log } = plain;
  const options = { contract, contractId, identity, clock, log, roots: AMD_ROOTS };
  const found = await collect(readAggregates(options));
  expect(found).toHaveLength(1);
  const [reading] = found;
  const result = reading?.kind === 'result' ? reading.result : expect.fail('a result');
  expect(result.records).toHaveLength(2);
  expect(result.columns[0]?.cells).toHaveLength(rows);
  expect(result.columns[0]?.cells.at(-1)).toBe(BigInt(rows - 1));
});
