import assert from 'node:assert/strict';
import type { ColumnContract, Query } from '@strongroom/protocol/contract';
import type { SealedRecord } from '@strongroom/sealing/seal';
import {
  agreeOn,
  type Computation,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { arrowFields, encodeArrow } from '../../services/producer/src/arrow-encoding.ts';
import { ORDERS_PER_BATCH_MAX, type OrderMaker, orderMaker, wide } from './order-batches.ts';
import { ORDER_COLUMNS } from './orders.ts';

/** What grows, and everything else of its world, which does not. */

export interface GrowthCase {
  /** Of what grows. */
  readonly size: number;
  /** What time is divided by: it should be the same at each size. */
  readonly units: number;
  readonly computation: Computation;
  /** The records of each dataset, in their order; made while they are read. */
  readonly inputs: ReadonlyMap<string, () => AsyncIterable<SealedRecord>>;
}

export interface Growth {
  readonly name: string;
  readonly unit: string;
  readonly sizes: readonly number[];
  readonly at: (size: number) => Promise<GrowthCase>;
}

const HOUR_MS = 3_600_000;
const START = Math.floor(1_700_000_000_000 / HOUR_MS) * HOUR_MS;
const ROWS = 1_000_000;
const ROWS_A_WINDOW = 250_000;
/** Of two columns of 64 bits; 16 bytes a row. */
const NARROW_PER_BATCH = 50_000;
const NARROW: readonly ColumnContract[] = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'kind', type: 'int64', nullable: false },
];
const BY_KIND = 'SELECT kind, count(*) AS n FROM t GROUP BY kind';
const BY_CATEGORY = `SELECT region, category, count(*) AS n, sum(qty) AS qty, avg(price) AS price
FROM t GROUP BY region, category`;

type Window = Query['window'];
const HOURLY: Window = { kind: 'tumbling', sizeMs: HOUR_MS };

/** @param rows of the largest of the first two curves */
export function growths(rows: number): Growth[] {
  const toRows = [ROWS, 10 * ROWS, 100 * ROWS].filter((each) => each <= Math.max(rows, ROWS));
  return [
    { name: 'rows, in windows of 250,000', unit: 'row', sizes: toRows, at: rowsInHours },
    { name: 'rows, in one window of all', unit: 'row', sizes: toRows, at: rowsInOne },
    { name: 'open windows', unit: 'window', sizes: [10, 100, 1_000, 10_000], at: openWindows },
    { name: 'groups of a window', unit: 'row', sizes: GROUPS, at: groups },
    { name: 'parties', unit: 'row', sizes: [2, 10, 50], at: parties },
    { name: 'rows of a batch', unit: 'row', sizes: BATCH_ROWS, at: batchRows },
  ];
}

const GROUPS = [10, 1_000, 10_000, 50_000, 100_000, 1_000_000];
const BATCH_ROWS = [1_000, 8_192, 50_000, 250_000, 1_000_000];

async function rowsInHours(rows: number): Promise<GrowthCase> {
  const computation = await agree(['orders'], ORDER_COLUMNS, BY_CATEGORY, HOURLY);
  const hours = rows / ROWS_A_WINDOW;
  const input = { rows, end: START + hours * HOUR_MS, maker: orderMaker(ORDERS_PER_BATCH_MAX) };
  return { size: rows, units: rowsIn(input), computation, inputs: inputsOf(computation, input) };
}

async function rowsInOne(rows: number): Promise<GrowthCase> {
  const computation = await agree(['orders'], ORDER_COLUMNS, BY_CATEGORY, { kind: 'whole' });
  const input = { rows, end: START + HOUR_MS, maker: orderMaker(ORDERS_PER_BATCH_MAX) };
  return { size: rows, units: rowsIn(input), computation, inputs: inputsOf(computation, input) };
}

/** All are open when the stream ends, and are closed then. */
async function openWindows(windows: number): Promise<GrowthCase> {
  const computation = await agree(['numbers'], NARROW, BY_KIND, HOURLY);
  const rows = windows * ROWS_OF_SMALL_WINDOW;
  const maker = numberMaker(Math.min(rows, NARROW_PER_BATCH), 10);
  const input = { rows, end: START + windows * HOUR_MS, maker, manifests: false };
  return { size: windows, units: windows, computation, inputs: inputsOf(computation, input) };
}

const ROWS_OF_SMALL_WINDOW = 100;

async function groups(size: number): Promise<GrowthCase> {
  const computation = await agree(['numbers'], NARROW, BY_KIND, HOURLY);
  const maker = numberMaker(NARROW_PER_BATCH, size);
  const input = { rows: ROWS, end: START + HOUR_MS, maker };
  return { size, units: ROWS, computation, inputs: inputsOf(computation, input) };
}

/** All but one are owners: the rows are shared out, in batches of one size. */
async function parties(size: number): Promise<GrowthCase> {
  const names = Array.from({ length: size - 1 }, (_none, index) => `set-${index}`);
  const computation = await agree(names, NARROW, BY_KIND, HOURLY);
  const maker = numberMaker(PARTIES_BATCH, 10);
  const input = { rows: ROWS / names.length, end: START + 4 * HOUR_MS, maker };
  const units = names.length * rowsIn(input);
  return { size, units, computation, inputs: inputsOf(computation, input) };
}

const PARTIES_BATCH = 5_000;

/** Those that are too large as they are, are compressed before they are sealed, as are all here. */
async function batchRows(size: number): Promise<GrowthCase> {
  const computation = await agree(['numbers'], NARROW, BY_KIND, HOURLY);
  const maker = numberMaker(size, 10);
  const input = { rows: 2 * ROWS, end: START + HOUR_MS, maker, level: 1 };
  return { size, units: rowsIn(input), computation, inputs: inputsOf(computation, input) };
}

function agree(
  datasets: readonly string[],
  columns: readonly ColumnContract[],
  sql: string,
  window: Window,
): Promise<Computation> {
  const plans = datasets.map((id) => ({
    ...{ id, relation: 't', columns },
    ...(window.kind === 'whole' ? {} : { eventTime: 'at' }),
  }));
  const query = { id: 'q' as Query['id'], sql, relations: ['t'], window, latenessMs: 0 };
  return agreeOn(plans, [query], 1);
}

interface Input {
  /** Of one dataset, and what fills the last of its batches. */
  readonly rows: number;
  readonly end: number;
  readonly maker: OrderMaker;
  /** Whether windows are closed as soon as they are complete; absent: they are. */
  readonly manifests?: boolean;
  readonly level?: number;
}

function rowsIn({ rows, maker }: Pick<Input, 'rows' | 'maker'>): number {
  return Math.ceil(rows / maker.rows) * maker.rows;
}

function inputsOf(computation: Computation, input: Input): GrowthCase['inputs'] {
  return new Map(
    computation.contract.datasets.map(({ id }) => [id, () => recordsOf(computation, id, input)]),
  );
}

/** Batches in the order of time, with a manifest behind each that reaches into another hour. */
async function* recordsOf(
  computation: Computation,
  dataset: string,
  { rows, end, maker, manifests = true, level }: Input,
): AsyncGenerator<SealedRecord> {
  const { sealer } = new TestStream(computation, dataset);
  const hasTimes = computation.contract.datasets[0]?.eventTime !== undefined;
  const batches = Math.ceil(rows / maker.rows);
  const timeOf = (index: number) => START + Math.floor((index * (end - START)) / batches);
  for (let index = 0; index < batches; index += 1) {
    const { bytes, eventTime } = maker.batch(timeOf(index), timeOf(index + 1));
    const facts = { rows: maker.rows, eventTime: hasTimes ? eventTime : null };
    yield (await sealer.seal(bytes, facts, level)).record;
    const watermark = timeOf(index + 1);
    const isOther = Math.floor(watermark / HOUR_MS) > Math.floor(timeOf(index) / HOUR_MS);
    if (manifests && hasTimes && isOther) yield await sealer.manifest({ watermark, final: false });
  }
  yield await sealer.manifest({ watermark: hasTimes ? end : null, final: true });
}

/** Rows of a time and a number below `kinds`, each as often as the others. */
function numberMaker(rows: number, kinds: number): OrderMaker {
  const fields = arrowFields(NARROW);
  const [atColumn, kindColumn] = NARROW;
  assert(atColumn && kindColumn);
  const shape = { words: 2, valid: null, dictionary: null } as const;
  let made = 0;
  const arrowBatch = (start: number, end: number) => {
    const first = made;
    made += rows;
    // Runs of equal times, as of a source that looks at its clock now and then.
    const timeOf = (index: number) =>
      start + Math.floor(((index - (index % RUN)) * (end - start)) / rows);
    const columns = [
      { ...shape, contract: atColumn, values: wide(rows, timeOf) },
      { ...shape, contract: kindColumn, values: wide(rows, (index) => (first + index) % kinds) },
    ];
    const eventTime = { min: timeOf(0), max: timeOf(rows - 1) };
    return { bytes: encodeArrow(fields, columns, rows), eventTime };
  };
  return { rows, batch: arrowBatch };
}

const RUN = 50;
