import { datasetOf } from '@strongroom/protocol/contract';
import { MessageMemory } from '@strongroom/protocol/message-memory';
import { datasetTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { setUp } from '../deployment/organisations.ts';
import {
  type Deployment,
  prepareTopics,
  publish,
  type Shipment,
  workerSummary,
} from '../deployment/pipeline.ts';
import { say } from '../deployment/terminal.ts';
import { envelopeSpeed } from './envelope.ts';
import { consumerSpeed } from './kafka-programs.ts';
import { copySpeed, decryptSpeed } from './machine.ts';
import { compareSpeeds, type Measured, median } from './measured.ts';
import { ORDERS_PLAN, writeOrders } from './orders.ts';
import { streamsSpeed } from './streams.ts';
import { publishTwin, readyTwin, readyWorker, twinSummary, withKafka } from './worlds.ts';

/**
 * Worker and vault alone, and beside them what else could count the same rows or carry the same
 * bytes. What the owner has published is on the log when a clock starts, and ours stops with the
 * end of the worker, after the last committed result.
 */

export const SCAN_PARTS = ['scan', 'streams', 'envelope', 'consumer', 'machine'] as const;
export type ScanPart = (typeof SCAN_PARTS)[number];

const ROUNDS = 3;
const ROWS = 10_000_000;
/** RSA makes them some thousand times slower: a rate needs no more of them. */
const ENVELOPES = 10_000;
/** As many as fit into a record: some 22,000. */
const LARGE_BATCHES = ['--batch-rows', '65536'];
const GOALS = { twin: 0.95, json: 3, envelope: 50, consumer: 0.5 } as const;
const WE = 'worker and vault over a full log';

export async function benchScan(parts: ReadonlySet<ScanPart>, rows = ROWS): Promise<Measured[]> {
  return await withKafka('scan', async ({ folders, processes, log, brokers }) => {
    const shipment = await writeOrders(folders.run, rows);
    const agreement = await setUp(processes, folders, ORDERS_PLAN);
    const deployment = { processes, folders, agreement, log, brokers };
    const against = { deployment, shipment, rows };

    const seconds = await runRounds(against, parts.has('scan'));
    const sealed = await sizeOf(deployment);
    const ours = rows / median(seconds.ours);
    const ourBytes = sealed.bytes / 1e6 / median(seconds.ours);
    return [
      ...(parts.has('scan') ? againstTwin(rows, seconds) : []),
      ...(parts.has('streams') ? await againstStreams(against, ours) : []),
      ...(parts.has('envelope') ? await againstEnvelopes(against, ours) : []),
      ...(parts.has('consumer') ? await againstConsumer(deployment, sealed, ourBytes) : []),
      ...(parts.has('machine') ? againstMachine(ourBytes) : []),
    ];
  });
}

interface Against {
  readonly deployment: Deployment;
  readonly shipment: Shipment;
  readonly rows: number;
}

interface Seconds {
  readonly ours: number[];
  readonly twin: number[];
}

async function runRounds(against: Against, withTwin: boolean): Promise<Seconds> {
  const seconds: Seconds = { ours: [], twin: [] };
  for (let round = 0; round < (withTwin ? ROUNDS : 1); round += 1) {
    if (withTwin) seconds.twin.push(await runTwin(against, `twin-${round}`));
    seconds.ours.push(await runOurs(against, `ours-${round}`));
    const twin = withTwin ? `, twin ${seconds.twin.at(-1)?.toFixed(2)} s` : '';
    say(`round ${round + 1}: ${seconds.ours.at(-1)?.toFixed(2)} s${twin}`);
    sayProcessors(against.deployment, round);
  }
  return seconds;
}

/** From a process's start to its end, which a busy machine does not change much. */
function sayProcessors({ processes }: Deployment, round: number): void {
  const of = processes.cpuSeconds();
  const names = [`worker-ours-${round}`, `worker-ours-${round}/child`, `worker-twin-${round}`];
  const [worker, vault, twin] = names.map((name) => (of[name] ?? 0).toFixed(2));
  say(`  seconds of a processor: worker ${worker}, vault ${vault}, twin ${twin}`);
}

async function runOurs({ deployment, shipment, rows }: Against, namespace: string) {
  const named = { ...deployment, namespace };
  await prepareTopics(named);
  await publish(named, shipment, LARGE_BATCHES);
  const worker = await readyWorker(named);
  const began = performance.now();
  const { rowsCounted } = await workerSummary(worker);
  if (rowsCounted !== rows) throw new Error('rows differ');
  return (performance.now() - began) / 1_000;
}

async function runTwin({ deployment, shipment, rows }: Against, namespace: string) {
  const named = { ...deployment, namespace };
  await prepareTopics(named);
  await publishTwin(named, shipment, LARGE_BATCHES);
  const worker = await readyTwin(named);
  const began = performance.now();
  if ((await twinSummary(worker)) !== rows) throw new Error('rows differ');
  return (performance.now() - began) / 1_000;
}

interface Sealed {
  readonly topic: string;
  readonly records: number;
  readonly bytes: number;
}

/** What the owner published in the first round, as Kafka's consumer counts it. */
async function sizeOf({ agreement, log }: Deployment): Promise<Sealed> {
  const dataset = datasetOf(agreement.contract, 'orders');
  const topic = datasetTopic(agreement.contractId, dataset.id, 'ours-0');
  let [records, bytes] = [0, 0];
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    records += entries.length;
    for (const { key, value } of entries) bytes += Buffer.byteLength(key ?? '') + value.length;
  }
  return { topic, records, bytes };
}

function againstTwin(rows: number, seconds: Seconds): Measured[] {
  const rate = (all: readonly number[]) => rows / median(all) / 1e6;
  const speeds = { ours: rate(seconds.ours), baseline: rate(seconds.twin), goal: GOALS.twin };
  return [compareSpeeds(`${WE}, against the plaintext twin`, 'million rows/s', speeds)];
}

async function againstStreams(against: Against, ours: number): Promise<Measured[]> {
  const { deployment, shipment, rows } = against;
  const { brokers, folders } = deployment;
  const work = { brokers, folder: folders.run, source: shipment.source, rows };
  const measured: Measured[] = [];
  for (const format of ['json', 'avro'] as const) {
    const theirs = await streamsSpeed(work, format);
    const goal = format === 'json' ? { goal: GOALS.json } : {};
    const speeds = { ours: ours / 1e6, baseline: theirs / 1e6, ...goal };
    const name = `${WE}, against Kafka Streams in plain ${format}`;
    measured.push(compareSpeeds(name, 'million rows/s', speeds));
  }
  return measured;
}

async function againstEnvelopes(against: Against, ours: number): Promise<Measured[]> {
  const { deployment, shipment, rows } = against;
  const count = Math.min(rows, ENVELOPES);
  say(`${count} rows as envelopes`);
  const baseline = await envelopeSpeed(deployment.log, shipment.source, count);
  const speeds = { ours, baseline, goal: GOALS.envelope };
  return [compareSpeeds(`${WE}, against an RSA envelope a row`, 'rows/s', speeds)];
}

async function againstConsumer({ brokers, log }: Deployment, sealed: Sealed, ours: number) {
  const baseline = await consumerSpeed(brokers, sealed.topic, sealed.records);
  // The first reading warms up, as the Java program does in its seconds before.
  const speeds = [await clientSpeed(log, sealed), await clientSpeed(log, sealed)];
  const goal = GOALS.consumer;
  const alone = { ours: speeds[1] ?? 0, baseline, goal };
  return [
    compareSpeeds(`${WE}, against Kafka's consumer speed test`, 'MB/s', { ours, baseline, goal }),
    compareSpeeds("the log's client alone, against Kafka's consumer speed test", 'MB/s', alone),
  ];
}

/** What the worker reads with, where nobody takes what it reads. */
async function clientSpeed(log: RecordLog, { topic, bytes }: Sealed): Promise<number> {
  const began = performance.now();
  const views = new MessageMemory();
  const reading = log.read([{ topic, offset: 0 }], { untilEnd: true, views });
  for await (const entries of reading) views.giveBack(entries.map(({ value }) => value));
  return bytes / 1e3 / (performance.now() - began);
}

function againstMachine(ours: number): Measured[] {
  const decrypt = { ours, baseline: decryptSpeed() };
  const copy = { ours, baseline: copySpeed() };
  return [
    compareSpeeds(`${WE}, against AES-256-GCM alone on one core`, 'MB/s', decrypt),
    compareSpeeds(`${WE}, against memcpy on one core`, 'MB/s', copy),
  ];
}
