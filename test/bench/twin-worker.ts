import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { datasetsOf, type Query } from '@strongroom/protocol/contract';
import { MessageMemory } from '@strongroom/protocol/message-memory';
import { datasetTopic } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogEntry, LogRecord } from '@strongroom/record-log/log';
import { verifyContract } from '@strongroom/sealing/verify';
import { disclose } from '../../services/enclave-worker/src/vault/disclose.ts';
import { Aggregator } from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import { readArrowBatch } from '../../services/enclave-worker/src/vault/engine/arrow-batch.ts';
import {
  frontierOf,
  type InputProgress,
  neededFrom,
  type TimeWindow,
  windowRuleOf,
  windowsToClose,
} from '../../services/enclave-worker/src/vault/engine/window.ts';
import { TWIN_HEADERS } from './twin-headers.ts';

/**
 * The worker's plaintext twin: the same log client, engine, windows and SQL in one process; no
 * seal, no attestation, no vault process, no checkpoint. Results go to Kafka in plain.
 */

/** No more than one step of ours: a request cannot carry a whole backlog of windows. */
const COMMIT_BYTES = 256 << 10;
const EARLIEST = Number.NEGATIVE_INFINITY;

const { values } = parseArgs({
  options: {
    contract: { type: 'string', default: '' },
    brokers: { type: 'string', default: '' },
    namespace: { type: 'string', default: '' },
  },
});

const text = await readFile(values.contract, 'utf8');
const { contract, contractId } = await verifyContract(JSON.parse(text));
const log = await connectKafkaLog({ brokers: values.brokers.split(','), clientId: 'twin-worker' });
const results = `${values.namespace}.${contractId}.plain-results`;
await log.createTopics([{ topic: results }]);
const writer = await log.transaction(`twin.${values.namespace}`);
const aggregator = await Aggregator.open(contract);
const inputs = new Map(
  contract.datasets.map((dataset): [string, Mutable<InputProgress>] => [
    dataset.id,
    {
      ...{ hasEventTime: dataset.eventTime !== undefined, watermark: null, final: false },
      ...{ caughtUp: true, eventTime: null },
    },
  ]),
);
type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };
const closed = new Map<string, number | null>(contract.queries.map(({ id }) => [id, null]));
const done = new Set<string>();
let rows = 0;
let windows = 0;

async function accept(datasetId: string, entries: readonly LogEntry[]): Promise<void> {
  const dataset = contract.datasets.find(({ id }) => id === datasetId);
  const input = inputs.get(datasetId);
  if (!dataset || !input) return;
  const batches = [];
  for (const { value, headers } of entries) {
    if (headers[TWIN_HEADERS.final] === 'true') {
      input.final = true;
      continue;
    }
    const count = Number(headers[TWIN_HEADERS.rows]);
    batches.push({ arrowBatch: readArrowBatch(value, dataset, count), stream: 0, batchNumber: 0 });
    rows += count;
    const watermark = headers[TWIN_HEADERS.watermark] ?? '';
    if (watermark === '') continue;
    input.watermark = Number(watermark);
    const min = input.eventTime?.min ?? Number(headers[TWIN_HEADERS.earliest]);
    input.eventTime = { min, max: Number(watermark) };
  }
  if (batches.length > 0) await aggregator.append(dataset.id, batches, EARLIEST);
}

function closable(query: Query): (TimeWindow | null)[] {
  if (done.has(query.id)) return [];
  const progress = query.relations
    .flatMap((relation) => datasetsOf(contract, relation))
    .flatMap(({ id }) => inputs.get(id) ?? []);
  const complete = frontierOf(progress, 0) === Number.POSITIVE_INFINITY;
  const rule = windowRuleOf(query);
  if (!rule) return complete ? [null] : [];
  const open = windowsToClose(progress, rule, closed.get(query.id) ?? null, 64);
  if (open.length === 0 && complete) done.add(query.id);
  return open;
}

async function closeWindows(): Promise<void> {
  for (const query of contract.queries) {
    for (let open = closable(query); open.length > 0; open = closable(query)) {
      await aggregator.prepare(query, open);
      let records: LogRecord[] = [];
      let bytes = 0;
      for (const window of open) {
        const value = disclose(await aggregator.aggregate(query, window)).encode();
        records.push({ key: query.id, value, headers: {} });
        windows += 1;
        bytes += value.length;
        if (window === null) done.add(query.id);
        else closed.set(query.id, window.end);
        if (bytes < COMMIT_BYTES) continue;
        await writer.commit(results, records);
        records = [];
        bytes = 0;
      }
      if (records.length > 0) await writer.commit(results, records);
    }
    await forget(query);
  }
}

/** What no open window needs: else its memory would grow with the rows, which ours does not. */
async function forget(query: Query): Promise<void> {
  const rule = windowRuleOf(query);
  const from = rule ? neededFrom(rule, closed.get(query.id) ?? null) : EARLIEST;
  if (from === EARLIEST) return;
  const datasets = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  for (const { id } of datasets) await aggregator.rows.dropBefore(id, from);
}

process.stdout.write('ready\n');
const topics = contract.datasets.map(({ id }) => datasetTopic(contractId, id, values.namespace));
const from = topics.map((topic) => ({ topic, offset: 0 }));
const views = new MessageMemory();
for await (const entries of log.read(from, { views })) {
  const topic = entries[0]?.topic ?? '';
  await accept(topic.slice(topic.lastIndexOf('.') + 1), entries);
  views.giveBack(entries.map(({ value }) => value));
  await closeWindows();
  if (done.size === contract.queries.length) break;
}
await writer.close();
await log.close();
aggregator.close();
process.stdout.write(`${JSON.stringify({ rows, windows })}\n`);
