import { mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { type ColumnContract, type Dataset, datasetOf } from '@strongroom/protocol/contract';
import { systemClock } from '@strongroom/runtime/clock';
import { openBatch } from '@strongroom/sealing/open';
import {
  createStreamSealer,
  newStreamId,
  type SealedRecord,
  streamStart,
} from '@strongroom/sealing/seal';
import { readArrowBatch } from '../../services/enclave-worker/src/vault/engine/arrow-batch.ts';
import type { ArrowBatch } from '../../services/producer/src/arrow-batch.ts';
import { openSource } from '../../services/producer/src/batch-source.ts';
import { parseColumnMapping } from '../../services/producer/src/column-mapping.ts';
import { identifySource } from '../../services/producer/src/source-format.ts';
import { openInput } from '../../services/producer/src/source-input.ts';
import { COLUMN_NAMES, FLIGHT_COLUMNS } from '../demo/contract.ts';
import { splitSources } from '../demo/sources.ts';
import { say } from '../deployment/terminal.ts';
import type { Measured } from './measured.ts';
import { ORDER_COLUMNS, writeOrders } from './orders.ts';
import { benchContract } from './sealing.ts';

/**
 * Bytes of a row on the wire, sealed with and without compression, against what the same rows have
 * as CSV, JSON lines, plain Arrow and Parquet; and what sealing and opening them costs.
 */

const ROWS = 1_000_000;
const ROUNDS = 5;
const LEVELS = [undefined, 1, 3, 6, 9] as const;
/** The producer's default, and as many as fit into a record. */
const BATCH_ROWS = [8_192, 65_536];
const FILES = {
  CSV: 'FORMAT csv',
  'JSON lines': 'FORMAT json',
  'Parquet, snappy': 'FORMAT parquet, COMPRESSION snappy',
  'Parquet, zstd': 'FORMAT parquet, COMPRESSION zstd',
} as const;

interface Subject {
  readonly name: string;
  readonly columns: readonly ColumnContract[];
  readonly time: string;
  readonly source: string;
  /** Of the source's columns. */
  readonly mapping: string;
}

export async function benchWire(rows = ROWS): Promise<Measured[]> {
  const folder = path.resolve(import.meta.dirname, `../../.strongroom/wire-${process.pid}`);
  await mkdir(folder, { recursive: true });
  try {
    const results: Measured[] = [];
    for (const subject of await subjects(folder, rows)) {
      results.push(...(await benchSubject(subject, folder, rows)));
    }
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function subjects(folder: string, rows: number): Promise<Subject[]> {
  const orders = await writeOrders(folder, rows);
  const { flights } = await splitSources(folder, rows);
  return [
    {
      ...{ name: 'orders', columns: ORDER_COLUMNS, time: 'at' },
      ...{ source: orders.source, mapping: orders.columns },
    },
    {
      ...{ name: 'flights', columns: FLIGHT_COLUMNS, time: 'flight_time' },
      ...{ source: flights.east, mapping: COLUMN_NAMES.flights },
    },
  ];
}

async function benchSubject(subject: Subject, folder: string, rows: number): Promise<Measured[]> {
  const results: Measured[] = [];
  const world = await benchContract(subject.columns, subject.time);
  const dataset = datasetOf(world.contract, 'bench');
  const files = await fileSizes(subject, folder, rows);
  for (const batchRows of BATCH_ROWS) {
    const batches = await readBatches(subject, dataset, batchRows, rows);
    const count = batches.reduce((sum, each) => sum + each.rows, 0);
    const plain = batches.reduce((sum, { bytes }) => sum + bytes.length, 0) / count;
    const others = { ...files.of(count), 'plain Arrow': plain };
    for (const level of LEVELS) {
      const sealed = await sealAll(batches, level, world);
      const opened = await openAll(sealed.records, world, dataset);
      const ours = sealed.bytes / count;
      const compression = level === undefined ? 'no compression' : `zstd ${level}`;
      const name = `${subject.name} by ${batchRows}, ${compression}`;
      const cost = [sealed, opened].map(({ us }) => (us / count).toFixed(3));
      say(`${name}: ${ours.toFixed(1)} B/row, seal ${cost[0]} us/row, open ${cost[1]} us/row`);
      for (const [other, baseline] of Object.entries(others)) {
        results.push(measured(`wire: ${name}, against ${other}`, ours, baseline));
      }
    }
  }
  return results;
}

/** More than 1: fewer bytes than the baseline. */
function measured(name: string, ours: number, baseline: number): Measured {
  const short = (value: number) => Number(value.toFixed(1));
  const ratio = Number((baseline / ours).toFixed(2));
  return { name, ours: short(ours), baseline: short(baseline), ratio, unit: 'bytes/row' };
}

async function readBatches(
  subject: Subject,
  dataset: Dataset,
  batchRows: number,
  limitRows: number,
): Promise<ArrowBatch[]> {
  const source = await openSource({
    ...{ dataset, batchRows, limitRows },
    source: await identifySource(await openInput(subject.source), 'auto'),
    columns: parseColumnMapping(subject.mapping, dataset),
  });
  const batches: ArrowBatch[] = [];
  try {
    for await (const each of source) batches.push({ ...each, bytes: each.bytes.slice() });
  } finally {
    await source.close();
  }
  return batches;
}

type World = Awaited<ReturnType<typeof benchContract>>;

async function sealAll(batches: readonly ArrowBatch[], level: number | undefined, world: World) {
  const { contract, contractId, owner } = world;
  const dataset = datasetOf(contract, 'bench');
  const position = { contract: contractId, dataset: dataset.id, stream: newStreamId(), epoch: 0 };
  const sealer = createStreamSealer({
    ...{ contractId, dataset, stream: position.stream, epoch: 0, point: streamStart(position) },
    ...{ signer: owner.signer, kid: owner.party, clock: systemClock },
  });
  let records: SealedRecord[] = [];
  const us = await processorTime(async () => {
    records = [];
    for (const { bytes, rows, eventTime } of batches) {
      records.push((await sealer.seal(bytes, { rows, eventTime }, level)).record);
    }
  });
  return { records, us, bytes: records.reduce((sum, record) => sum + bytesOf(record), 0) };
}

/** All that a record has to carry: value, key and headers, the seal among them. */
function bytesOf({ key, value, headers }: SealedRecord): number {
  const texts = [key, ...Object.entries(headers).flat()];
  return value.length + texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** As the vault does, up to the columns that are put into its engine. */
async function openAll(records: readonly SealedRecord[], world: World, dataset: Dataset) {
  const { contract, contractId, unwrapper } = world;
  const us = await processorTime(async () => {
    for (const record of records) {
      const { seal, plaintext } = await openBatch(record, {
        ...{ contract, contractId, dataset, unwrapper },
      });
      readArrowBatch(plaintext, dataset, seal.rows);
    }
  });
  return { us };
}

/** The least of some rounds, in microseconds: the machine may have other things to do. */
async function processorTime(work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    times.push(user + system);
  }
  return Math.min(...times);
}

async function fileSizes(subject: Subject, folder: string, rowsMax: number) {
  const names = subject.mapping.split(',').map((pair) => pair.split('=')[0] ?? '');
  const list = names.map((name) => `"${name}"`).join();
  const rows = `FROM (SELECT ${list} FROM read_parquet('${subject.source}') LIMIT ${rowsMax})`;
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const sizes: Record<string, number> = {};
  try {
    for (const [name, format] of Object.entries(FILES)) {
      const file = path.join(folder, 'other');
      await connection.run(`COPY (${rows}) TO '${file}' (${format})`);
      sizes[name] = (await stat(file)).size;
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  const of = (count: number) =>
    Object.fromEntries(Object.entries(sizes).map(([name, bytes]) => [name, bytes / count]));
  return { of };
}
