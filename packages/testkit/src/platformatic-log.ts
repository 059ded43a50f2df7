// More than 300 lines, because one file holds all that knows this client.
import { setTimeout as delay } from 'node:timers/promises';
import {
  Admin,
  type ClusterMetadata,
  Consumer,
  Producer,
  stringSerializers,
} from '@platformatic/kafka';
import type { FetchedRecord } from '@strongroom/record-log/committed-records';
import type {
  LogRecord,
  RecordLog,
  TopicRecords,
  TopicToCreate,
  TransactionalWriter,
} from '@strongroom/record-log/log';
import { LogError, type LogErrorFacts } from '@strongroom/record-log/log-error';
import {
  type FetchedPartition,
  type PartitionFetcher,
  type Position,
  readEntries,
} from '@strongroom/record-log/read-entries';
import { splitByTopic, splitIntoRequests } from '@strongroom/record-log/record-requests';
import { headersWithHint } from '@strongroom/record-log/trace-hint';

/**
 * The port through @platformatic/kafka, for comparison only (ADR 0004 and docs/record-log.md): the
 * same suites say what would change if it took kafkajs's place. It is used by the same rules: one
 * awaited send at a time, our own filter of aborted records, everything is thrown away after an
 * error.
 */

export interface PlatformaticLogOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
}

const ACKS_ALL = -1;
const READ_COMMITTED = 1;
const WAIT_MS = 100;
const REQUEST_MS = 5_000;

export async function connectPlatformaticLog(options: PlatformaticLogOptions): Promise<RecordLog> {
  const base = baseOptions(options);
  const closing = new AbortController();
  const writers = new Set<TransactionalWriter>();
  const publisher = createPublisher(base);
  const control = new Consumer({ ...base, groupId: base.clientId });
  const close = async () => {
    closing.abort();
    await Promise.all([...writers].map((writer) => writer.close()));
    await Promise.all([publisher.close(), control.close(true)]);
  };
  try {
    await control.connectToBrokers();
  } catch (error) {
    await close();
    throw toLogError(error);
  }
  return {
    hasTransactions: true,
    createTopics: (topics) => createTopics(base, topics),
    append: publisher.append,
    read: (from, readOptions = {}) => {
      const signals = [closing.signal, readOptions.signal].filter((signal) => signal !== undefined);
      const signal = AbortSignal.any(signals);
      return readEntries(async () => openFetcher(base), from, { ...readOptions, signal });
    },
    startOffset: (topic, partition = 0) => endOffset(control, topic, partition, EARLIEST),
    endOffset: (topic, partition = 0) => endOffset(control, topic, partition),
    async transaction(transactionalId) {
      const writer = await openWriter(base, transactionalId, control);
      writers.add(writer);
      return writer;
    },
    close,
  };
}

type Base = ReturnType<typeof baseOptions>;

function baseOptions({ brokers, clientId }: PlatformaticLogOptions) {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    // It has one setting for the timeout of a request and for that of a transaction.
    timeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    connectTimeout: 3_000,
    retries: 8,
    retryDelay: (_client: object, _operation: string, attempt: number) =>
      Math.min(10 * 2 ** attempt, 500),
    metadataMaxAge: 60_000,
  };
}

async function createTopics(base: Base, topics: readonly TopicToCreate[]): Promise<void> {
  const admin = new Admin(base);
  try {
    const { brokers } = await admin.metadata({ topics: [] });
    const replicas = Math.min(brokers.size, 3);
    for (const { topic, partitions = 1, config = {} } of topics) {
      const configs = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin
        .createTopics({ topics: [topic], partitions, replicas, configs })
        .catch((error: unknown) => {
          if (apiIdOf(error) !== 'TOPIC_ALREADY_EXISTS') throw error;
        });
      await admin.metadata({ topics: [topic] });
    }
  } catch (error) {
    throw toLogError(error);
  } finally {
    await admin.close();
  }
}

type TextProducer = Producer<string, Buffer, string, string>;

function createProducer(base: Base, transactionalId?: string): TextProducer {
  return new Producer({
    ...base,
    idempotent: true,
    serializers: {
      ...stringSerializers,
      value: (value) => value,
    },
    ...(transactionalId === undefined ? {} : { transactionalId }),
  });
}

function messagesOf(topic: string, records: readonly LogRecord[], partition: number) {
  return records.map(({ key, value, ...rest }) => ({
    topic,
    partition,
    value: Buffer.from(value),
    headers: headersWithHint(rest),
    ...(key === null ? {} : { key }),
  }));
}

function createPublisher(base: Base) {
  let open: TextProducer | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  async function send(topic: string, records: readonly LogRecord[], partition: number) {
    const requests = splitIntoRequests(records);
    try {
      open ??= createProducer(base);
      for (const request of requests) {
        await open.send({ messages: messagesOf(topic, request, partition), acks: ACKS_ALL });
      }
    } catch (error) {
      const broken = open;
      open = undefined;
      await broken?.close(true).catch(() => undefined);
      throw toLogError(error, { topic });
    }
  }
  return {
    append(topic: string, records: readonly LogRecord[], partition = 0): Promise<void> {
      const sent = queue.then(() => send(topic, records, partition));
      queue = sent.catch(() => undefined);
      return sent;
    },
    async close() {
      await open?.close(true);
    },
  };
}

/** What ListOffsets takes in the place of a time. */
const EARLIEST = -2n;
const LATEST = -1n;

async function endOffset(
  consumer: Consumer,
  topic: string,
  partition: number,
  timestamp = LATEST,
): Promise<number> {
  try {
    const asked = { topics: [topic], partitions: { [topic]: [partition] }, timestamp };
    const found = await consumer.listOffsets({ ...asked, isolationLevel: READ_COMMITTED });
    return Number(found.get(topic)?.[partition]);
  } catch (error) {
    throw toLogError(error, { topic, partition });
  }
}

function openFetcher(base: Base): PartitionFetcher {
  // Its consumer fetches without a group, as long as it is asked for each fetch.
  const consumer = new Consumer({ ...base, groupId: base.clientId });
  return {
    endOffset: (topic, partition) => endOffset(consumer, topic, partition),
    async fetch(positions, maxBytes) {
      try {
        const topics = [...new Set(positions.map(({ topic }) => topic))];
        consumer.topics.trackAll(...topics);
        const metadata = await consumer.metadata({ topics });
        const leaders = Map.groupBy(positions, ({ topic, partition }) => {
          return metadata.topics.get(topic)?.partitions[partition]?.leader ?? -1;
        });
        const answers = [...leaders].map(([node, led]) =>
          fetchFrom(consumer, metadata, node, led, Math.ceil(maxBytes / leaders.size)),
        );
        return (await Promise.all(answers)).flat();
      } catch (error) {
        throw toLogError(error);
      }
    },
    close: async () => {
      await consumer.close(true);
    },
  };
}

async function fetchFrom(
  consumer: Consumer,
  metadata: ClusterMetadata,
  node: number,
  positions: readonly Position[],
  maxBytes: number,
): Promise<FetchedPartition[]> {
  const idOf = (topic: string) => metadata.topics.get(topic)?.id ?? '';
  const { responses } = await consumer.fetch({
    node,
    maxBytes,
    minBytes: 1,
    maxWaitTime: WAIT_MS,
    isolationLevel: READ_COMMITTED,
    topics: [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, own]) => ({
      topicId: idOf(topic),
      partitions: own.map(({ partition, offset }) => ({
        partition,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
        fetchOffset: BigInt(offset),
        partitionMaxBytes: maxBytes,
      })),
    })),
  });
  const topicOf = new Map(positions.map(({ topic }) => [idOf(topic), topic]));
  return responses.flatMap(({ topicId, partitions }) =>
    partitions.map((part) => ({
      topic: topicOf.get(topicId) ?? '',
      partition: part.partitionIndex,
      records: (part.records ?? []).flatMap(recordsOf),
      aborted: (part.abortedTransactions ?? []).map(({ producerId, firstOffset }) => ({
        producerId: String(producerId),
        firstOffset: String(firstOffset),
      })),
      end: Number(part.lastStableOffset),
    })),
  );
}

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
type Fetched = Awaited<ReturnType<Consumer['fetch']>>['responses'][number]['partitions'][number];

function recordsOf(recordBatch: NonNullable<Fetched['records']>[number]): FetchedRecord[] {
  const { attributes, producerId, firstOffset } = recordBatch;
  return recordBatch.records.map(({ offsetDelta, key, value, headers }) => ({
    offset: String(firstOffset + BigInt(offsetDelta)),
    key,
    value,
    headers: Object.fromEntries(headers.map(([name, text]) => [String(name), text])),
    isControlRecord: (attributes & CONTROL) !== 0,
    batchContext: {
      producerId: String(producerId),
      inTransaction: (attributes & TRANSACTIONAL) !== 0,
    },
  }));
}

/**
 * Without it InitProducerId names producer 0 in epoch 0, as if this were the one that had it, and
 * Kafka fences every takeover.
 */
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1 };

async function openWriter(
  base: Base,
  transactionalId: string,
  control: Consumer,
): Promise<TransactionalWriter> {
  const publisher = createProducer(base, transactionalId);
  const begin = () => publisher.beginTransaction(NO_PRODUCER);
  const close = () => publisher.close(true).catch(() => undefined);
  let next: Awaited<ReturnType<typeof begin>> | undefined;
  try {
    next = await begin();
  } catch (error) {
    await close();
    throw toTransactionError(error);
  }
  return {
    async commit(topic, records, beside: readonly TopicRecords[] = []) {
      const requests = splitByTopic([{ topic, records }, ...beside]);
      const transaction = next;
      next = undefined;
      if (transaction === undefined) {
        throw new LogError('ERR_LOG_FAILED', { reason: 'CLOSED_OR_BUSY' });
      }
      try {
        const sent = [];
        for (const part of requests) {
          sent.push(await transaction.send({ messages: messagesOf(part.topic, part.records, 0) }));
        }
        await transaction.commit();
        next = await begin();
        for (const [at, part] of requests.entries()) {
          const baseOffset = Number(sent[at]?.offsets?.[0]?.offset);
          await untilReadable(control, part.topic, baseOffset + part.records.length);
        }
        return { firstOffset: Number(sent[0]?.offsets?.[0]?.offset) };
      } catch (error) {
        await close();
        throw toTransactionError(error);
      }
    },
    async close() {
      next = undefined;
      await close();
    },
  };
}

async function untilReadable(control: Consumer, topic: string, endOfRecords: number) {
  for (let attempt = 0; attempt < 20; attempt++) {
    const end = await endOffset(control, topic, 0).catch(() => Number.POSITIVE_INFINITY);
    if (end > endOfRecords) return;
    await delay(Math.min(2 ** attempt, 64));
  }
}

const FENCED = new Set([
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
]);
const UNREACHABLE = new Set(['PLT_KFK_NETWORK', 'PLT_KFK_TIMEOUT']);

function toLogError(thrown: unknown, facts: LogErrorFacts = {}): LogError {
  if (thrown instanceof LogError) return thrown;
  const reason = apiIdOf(thrown) ?? 'UNKNOWN';
  const code = UNREACHABLE.has(reason) ? 'ERR_LOG_UNREACHABLE' : 'ERR_LOG_FAILED';
  return new LogError(code, { reason, ...facts });
}

function toTransactionError(thrown: unknown): LogError {
  const reason = apiIdOf(thrown) ?? 'UNKNOWN';
  return new LogError(FENCED.has(reason) ? 'ERR_LOG_FENCED' : 'ERR_LOG_FAILED', { reason });
}

/** The name of Kafka's error, wherever it is among causes; else the client's own code. */
function apiIdOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if ('apiId' in thrown && typeof thrown.apiId === 'string') return thrown.apiId;
  // It says so in words alone.
  if (thrown.message.startsWith('Unknown topic')) return 'UNKNOWN_TOPIC_OR_PARTITION';
  const inner = thrown instanceof AggregateError ? thrown.errors : [thrown.cause];
  const found = inner.map(apiIdOf).find((each) => each !== undefined);
  return found ?? ('code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined);
}
