// More than 300 lines, because nothing of kafkajs may be outside of this file.
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import kafkajs, {
  type ISocketFactory,
  type Kafka,
  type Mechanism,
  type Message,
  type Producer,
  type RetryOptions,
  type Transaction,
} from 'kafkajs';
import sayPlain from 'kafkajs/src/broker/saslAuthenticator/plain.js';
import sayScram256 from 'kafkajs/src/broker/saslAuthenticator/scram256.js';
import sayScram512 from 'kafkajs/src/broker/saslAuthenticator/scram512.js';
import Cluster, { type FetchResponse } from 'kafkajs/src/cluster/index.js';
import { appendingWriter } from './appending-writer.ts';
import { bearerMechanism } from './bearer-authenticator.ts';
import { within } from './deadline.ts';
import { connectFramedTls, FramedSocket } from './framed-socket.ts';
import type { KafkaConnection, KafkaSasl } from './kafka-connection.ts';
import { byRight, isUnauthorized, toLogError, toTransactionError } from './kafka-errors.ts';
import { LeaderFetches } from './leader-fetches.ts';
import type {
  AnswerMemory,
  LogRecord,
  RecordLog,
  TopicRecords,
  TopicToCreate,
  TransactionalWriter,
} from './log.ts';
import { LogError, type LogErrorFacts } from './log-error.ts';
import {
  type FetchedPartition,
  type PartitionFetcher,
  type Position,
  readEntries,
} from './read-entries.ts';
import { splitByTopic, splitIntoRequests } from './record-requests.ts';
import { tellingFailures } from './sasl-failures.ts';
import { tlsOptionsOf } from './tls-options.ts';
import { headersWithHint } from './trace-hint.ts';
import { untilHeardOf } from './until-heard-of.ts';

/**
 * The one file that loads kafkajs 2.2.4. Its producer is used with one awaited send at a time; its
 * consumer reads nothing: it needs a group, joins slowly, rebalances, hides positions and shows
 * aborted records (`kafka-group.ts` has it hand out numbers). Reading fetches directly with the
 * client's connections (`Cluster`).
 */

export interface KafkaLogOptions extends KafkaConnection {
  /** Told that the client complained, never in its words: they may quote what it was sending. */
  readonly logger?: ClientLogger;
}

export interface ClientLogger {
  debug(event: string, fields?: { readonly name?: string; readonly state?: string }): void;
}

/** Kafka's own clients wait for as long: a certificate and a password take their time from afar. */
const CONNECTION_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const METADATA_AGE_MS_MAX = 60_000;
/** 0.1, 0.2, ... 2, 2 seconds: some 8 s in all. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 7 };

/** Reading tries again with a new client, so one client gives up soon. */
const READING_RETRY = { initialRetryTime: 50, maxRetryTime: 200, retries: 2 };

/** An open transaction of a dead writer is aborted by the broker after so long. */
export const TRANSACTION_TIMEOUT_MS = 15_000;
/**
 * Some 30 s: InitProducerId must outlive the open transaction of a dead writer. The first pauses
 * are short, because a transaction's first request waits for the marks of the one before it.
 */
const TAKEOVER_RETRY = { initialRetryTime: 5, maxRetryTime: 500, retries: 70 };

/**
 * A call that takes longer has met a broker that tells the client to wait. A transaction is aborted
 * by the broker before its call is given up. A fetch may take so much more than one request.
 */
const FETCH_PATIENCE_MS = 5_000;
const COMMIT_MS_MAX = 2 * TRANSACTION_TIMEOUT_MS;
const CALL_MS_MAX = 120_000;

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const LATEST = -1;
const NO_REPLICA = -1;
const ALL_REPLICAS = -1;

/** Connects, so that a wrong address shows at once. Rejects with ERR_LOG_UNREACHABLE. */
export async function connectKafkaLog(options: KafkaLogOptions): Promise<RecordLog> {
  const control = createControl(options);
  const publisher = createPublisher(options, control);
  const writers = new Set<TransactionalWriter>();
  const closing = new AbortController();
  const close = async () => {
    closing.abort();
    await Promise.all([...writers].map((writer) => writer.close()));
    await Promise.all([publisher.close(), control.close()]);
  };
  try {
    await control.ask((cluster) => cluster.connect(), { brokers: options.brokers.join(',') });
  } catch (error) {
    await close();
    throw error;
  }
  const hasTransactions = hasTransactionsIn(options);
  return {
    hasTransactions,
    createTopics: async (topics) => createTopics(options, await missingOf(control, topics)),
    append: (topic, records, partition = 0) => publisher.append(topic, records, partition),
    read: (from, readOptions = {}) => {
      const signals = [closing.signal, readOptions.signal].filter((signal) => signal !== undefined);
      const signal = AbortSignal.any(signals);
      const open = () => openFetcher(options, readOptions.views);
      return readEntries(open, from, { ...readOptions, signal });
    },
    startOffset: (topic, partition = 0) => offsetOf(control, topic, partition, startOf),
    endOffset: (topic, partition = 0) => offsetOf(control, topic, partition, endIn(options)),
    async transaction(transactionalId) {
      if (!hasTransactions) return appendingWriter(publisher.append);
      const writer = await openWriter(options, transactionalId, control);
      writers.add(writer);
      return writer;
    },
    close,
  };
}

function hasTransactionsIn({ transactions }: KafkaLogOptions): boolean {
  return transactions !== 'none';
}

interface Client {
  readonly kafka: Kafka;
  readonly config: ClientConfig;
  readonly socketFactory: ISocketFactory;
  /** Runs the polite ways first, and cuts what has not closed after a moment. */
  disconnect(ways: readonly (() => Promise<void>)[]): Promise<void>;
}

/** What both of the client's entries are told: `Kafka`, and `Cluster` under it. */
interface ClientConfig {
  readonly brokers: string[];
  readonly clientId: string;
  readonly retry: RetryOptions;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: true;
  readonly ssl?: ConnectionOptions;
  readonly sasl?: Mechanism;
}

const POLITE_CLOSE_MS = 1_000;
/** Balancers in front of a cluster forget a connection that says nothing for some minutes. */
const KEEP_ALIVE_MS = 60_000;

/** Of one errand; after an error it is thrown away. */
export function createClient(
  options: KafkaLogOptions,
  retry: RetryOptions,
  memory?: AnswerMemory,
): Client {
  const sockets = new Set<Socket>();
  let isClosed = false;
  const config = configOf(options, retry);
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = config.ssl
      ? connectFramedTls(host, port, config.ssl, onConnect, memory)
      : new FramedSocket(memory).connect(port, host, onConnect);
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    // The client goes on with what it had begun, and would keep the process alive.
    if (isClosed) socket.destroy(new Error('closed'));
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const kafka = new kafkajs.Kafka({
    ...config,
    socketFactory,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry: { namespace: string; label: string }) => {
      options.logger?.debug('kafka-client', { name: entry.namespace, state: entry.label });
    },
  });
  return {
    kafka,
    config,
    socketFactory,
    async disconnect(ways) {
      const polite = Promise.allSettled(ways.map((way) => way()));
      const closed = new AbortController();
      const patience = delay(POLITE_CLOSE_MS, undefined, { signal: closed.signal });
      await Promise.race([polite, patience]);
      patience.catch(() => undefined);
      closed.abort();
      isClosed = true;
      // With an error, because the client fails its waiting requests only on one.
      for (const socket of sockets) socket.destroy(new Error('closed'));
    },
  };
}

function configOf(options: KafkaLogOptions, retry: RetryOptions): ClientConfig {
  const { brokers, clientId, tls, sasl } = options;
  return {
    ...{ brokers: [...brokers], clientId, retry },
    connectionTimeout: options.connectionTimeoutMs ?? CONNECTION_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: true,
    ...(tls && { ssl: tlsOptionsOf(tls) }),
    ...(sasl && { sasl: saslOptionsOf(sasl) }),
  };
}

/** A new object each time, so that no client sees the state of another one. */
function saslOptionsOf(sasl: KafkaSasl): Mechanism {
  if (sasl.mechanism === 'OAUTHBEARER') return bearerMechanism(sasl.tokens);
  const { mechanism, username } = sasl;
  const authenticator = AUTHENTICATORS[mechanism];
  const login = { username, password: sasl.password.reveal() };
  return { mechanism, authenticationProvider: tellingFailures(authenticator(login)) };
}

const AUTHENTICATORS = {
  PLAIN: sayPlain,
  'SCRAM-SHA-256': sayScram256,
  'SCRAM-SHA-512': sayScram512,
} as const;

/** A right to create is needed where there is something to create, and most have none. */
async function missingOf(
  control: Control,
  topics: readonly TopicToCreate[],
): Promise<TopicToCreate[]> {
  // All are there, as a rule, which one question tells; which one is not takes one for each.
  const names = topics.map(({ topic }) => topic);
  const asking = control.ask((cluster) => cluster.addMultipleTargetTopics(names));
  const areThere = await asking.then(
    () => true,
    () => false,
  );
  if (areThere) return [];
  const missing: TopicToCreate[] = [];
  for (const wanted of topics) {
    const { topic } = wanted;
    try {
      await byRight({ right: 'Describe', topic }, () => lookUp(control, topic));
    } catch (error) {
      if (toLogError(error).facts['reason'] !== NO_TOPIC) throw error;
      missing.push(wanted);
    }
  }
  return missing;
}

/** From then on the client knows where it is. */
function lookUp(control: Control, topic: string): Promise<void> {
  return control.ask((cluster) => cluster.addMultipleTargetTopics([topic]), { topic });
}

async function createTopics(
  options: KafkaLogOptions,
  topics: readonly TopicToCreate[],
): Promise<void> {
  const [first] = topics;
  if (!first) return;
  const client = createClient(options, RETRY);
  const admin = client.kafka.admin();
  const create = async () => {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    const wanted = topics.map(({ topic, partitions = 1, config = {} }) => ({
      topic,
      numPartitions: partitions,
      replicationFactor: Math.min(brokers.length, REPLICAS),
      configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
    }));
    await untilHeardOf(
      () => admin.createTopics({ waitForLeaders: true, topics: wanted }),
      ['UNKNOWN_TOPIC_OR_PARTITION'],
    );
  };
  try {
    await within(CALL_MS_MAX, byRight({ right: 'Create', topic: first.topic }, create));
  } catch (error) {
    throw toLogError(error);
  } finally {
    await client.disconnect([() => admin.disconnect()]);
  }
}

/** What production clusters use; a local one has fewer brokers. */
const REPLICAS = 3;

interface Control {
  ask<Value>(question: (cluster: Cluster) => Promise<Value>, facts?: LogErrorFacts): Promise<Value>;
  close(): Promise<void>;
}

/** For questions about topics. After an error it is built anew: half a client is none. */
function createControl(options: KafkaLogOptions): Control {
  let open: { readonly client: Client; readonly cluster: Cluster } | undefined;
  const opened = () => {
    if (open !== undefined) return open;
    const client = createClient(options, RETRY);
    open = { client, cluster: createCluster(client, options) };
    return open;
  };
  const discard = async (broken: typeof open) => {
    if (open === broken) open = undefined;
    await broken?.client.disconnect([() => broken.cluster.disconnect()]);
  };
  return {
    async ask(question, facts) {
      const asked = opened();
      try {
        return await within(CALL_MS_MAX, question(asked.cluster));
      } catch (error) {
        const failure = toLogError(error, facts);
        // An answer, and no failure of the client.
        if (failure.facts['reason'] !== NO_TOPIC) discard(asked).catch(() => undefined);
        throw failure;
      }
    },
    close: () => discard(open),
  };
}

/** Kafka's name for it. */
const NO_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';
const NO_STABLE_END = 'NO_LAST_STABLE_OFFSET';

/**
 * The idempotent producer loses records when sends overlap and an acknowledgement is lost
 * (kafkajs 1005), or when it goes on after an error: so calls queue, and an error ends it.
 */
function createPublisher(options: KafkaLogOptions, control: Control) {
  let idempotent: { readonly client: Client; readonly sender: Producer } | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  async function connected(): Promise<Producer> {
    if (idempotent === undefined) {
      const client = createClient(options, RETRY);
      const sender = client.kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: () => namedPartition,
        metadataMaxAge: options.metadataAgeMsMax ?? METADATA_AGE_MS_MAX,
      });
      idempotent = { client, sender };
      await sender.connect();
    }
    return idempotent.sender;
  }

  async function discard(): Promise<void> {
    const broken = idempotent;
    idempotent = undefined;
    await broken?.client.disconnect([() => broken.sender.disconnect()]);
  }

  async function sendAll(topic: string, records: readonly LogRecord[], partition: number) {
    for (const request of splitIntoRequests(records)) {
      const messages = messagesOf(request, partition);
      const sender = await connected();
      await sender.send({ topic, messages, acks: ALL_REPLICAS });
    }
  }

  async function send(topic: string, records: readonly LogRecord[], partition: number) {
    try {
      // The producer would look for a topic that does not exist through all of its retries.
      await byRight({ right: 'Write', topic }, async () => {
        await lookUp(control, topic);
        await within(CALL_MS_MAX, sendAll(topic, records, partition));
      });
    } catch (error) {
      const failure = toLogError(error, { topic });
      if (failure.code !== 'ERR_LIMIT_EXCEEDED') discard().catch(() => undefined);
      throw failure;
    }
  }

  return {
    append(topic: string, records: readonly LogRecord[], partition: number): Promise<void> {
      const sent = queue.then(() => send(topic, records, partition));
      queue = sent.catch(() => undefined);
      return sent;
    },
    close: discard,
  };
}

function messagesOf(records: readonly LogRecord[], partition: number): Message[] {
  return records.map(({ key, value, ...rest }) => ({
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: headersWithHint(rest),
    partition,
  }));
}

/** Where a record goes is said by its writer and never computed from its key. */
function namedPartition({ message }: { message: Message }): number {
  return message.partition ?? 0;
}

function createCluster(
  { kafka, config, socketFactory }: Client,
  { metadataAgeMsMax = METADATA_AGE_MS_MAX }: KafkaConnection,
): Cluster {
  return new Cluster({
    ...config,
    logger: kafka.logger(),
    socketFactory,
    metadataMaxAge: metadataAgeMsMax,
    allowAutoTopicCreation: false,
    isolationLevel: READ_COMMITTED,
  });
}

/** The leader of a topic that was made a moment ago may not know yet that it leads. */
function offsetOf(
  control: Control,
  topic: string,
  partition: number,
  asked: AskOffset,
): Promise<number> {
  const ask = (cluster: Cluster) => askOffset(cluster, topic, partition, asked);
  return byRight({ right: 'Describe', topic }, () =>
    untilHeardOf(() => control.ask(ask, { topic, partition }), LEADER_UNSETTLED),
  );
}

const LEADER_UNSETTLED = ['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'] as const;

type AskOffset = (
  cluster: Cluster,
  topic: string,
  partition: number,
) => Promise<string | undefined>;

async function askOffset(
  cluster: Cluster,
  topic: string,
  partition: number,
  asked: AskOffset,
): Promise<number> {
  await cluster.addMultipleTargetTopics([topic]);
  await cluster.refreshMetadataIfNecessary();
  const offset = Number(await asked(cluster, topic, partition));
  if (Number.isSafeInteger(offset) && offset >= 0) return offset;
  const reason = offset < 0 ? NO_STABLE_END : NO_TOPIC;
  throw new LogError('ERR_LOG_FAILED', { reason, topic, partition });
}

const startOf: AskOffset = (cluster, topic, partition) =>
  askLeaders(cluster, topic, partition, true);
const stableEnd: AskOffset = (cluster, topic, partition) =>
  askLeaders(cluster, topic, partition, false);

/**
 * Behind all that a reader of committed records sees. A log that knows no transactions may know no
 * such place and answer with -1 (ListOffsets and Fetch of Kafka's protocol have it as "unknown"):
 * where none are used that is where all of it ends, and elsewhere nobody can say.
 */
function endIn(options: KafkaLogOptions): AskOffset {
  return async (cluster, topic, partition) => {
    const stable = await stableEnd(cluster, topic, partition);
    if (hasTransactionsIn(options) || !(Number(stable) < 0)) return stable;
    return await endFor(cluster, topic, partition, READ_UNCOMMITTED);
  };
}

async function askLeaders(
  cluster: Cluster,
  topic: string,
  partition: number,
  fromBeginning: boolean,
): Promise<string | undefined> {
  const [found] = await cluster.fetchTopicsOffset([
    { topic, fromBeginning, partitions: [{ partition }] },
  ]);
  return found?.partitions[0]?.offset;
}

/** A leader answers as soon as there is anything. */
const LONG_POLL_MS = 500;

async function openFetcher(
  options: KafkaLogOptions,
  memory?: AnswerMemory,
): Promise<PartitionFetcher> {
  // A long poll holds its connection, so every reading has its own.
  const client = createClient(options, READING_RETRY, memory);
  const cluster = createCluster(client, options);
  const close = () => client.disconnect([]);
  const source = { cluster, hasTransactions: hasTransactionsIn(options) };
  const fetches = new LeaderFetches();
  const fetchMsMax = client.config.requestTimeout + FETCH_PATIENCE_MS;
  try {
    await cluster.connect();
  } catch (error) {
    await close();
    throw toLogError(error);
  }
  return {
    async endOffset(topic, partition) {
      try {
        const asking = () => askOffset(cluster, topic, partition, endIn(options));
        return await within(fetchMsMax, byRight({ right: 'Read', topic }, asking));
      } catch (error) {
        throw toLogError(error, { topic, partition });
      }
    },
    async fetch(positions, maxBytes) {
      try {
        return await within(fetchMsMax, fetchNext(source, fetches, positions, maxBytes));
      } catch (error) {
        throw toLogError(error);
      }
    },
    close,
  };
}

interface Source {
  readonly cluster: Cluster;
  readonly hasTransactions: boolean;
}

async function fetchNext(
  source: Source,
  fetches: LeaderFetches,
  positions: readonly Position[],
  maxBytes: number,
): Promise<FetchedPartition[]> {
  const { cluster } = source;
  await cluster.refreshMetadataIfNecessary();
  const leaders = positionsByLeader(cluster, positions);
  const share = Math.ceil(maxBytes / leaders.size);
  return await fetches.next(leaders, (nodeId, led) => fetchFrom(source, nodeId, led, share));
}

function positionsByLeader(
  cluster: Cluster,
  positions: readonly Position[],
): Map<string, Position[]> {
  const leaders = new Map<string, Position[]>();
  for (const position of positions) {
    const [nodeId] = Object.keys(
      cluster.findLeaderForPartitions(position.topic, [position.partition]),
    );
    if (nodeId === undefined) {
      const { topic, partition } = position;
      throw new LogError('ERR_LOG_FAILED', { reason: 'LEADER_NOT_AVAILABLE', topic, partition });
    }
    leaders.set(nodeId, [...(leaders.get(nodeId) ?? []), position]);
  }
  return leaders;
}

/** An answer that refuses names no topic: of several, the one that is refused by itself. */
async function fetchFrom(
  source: Source,
  nodeId: string,
  positions: readonly Position[],
  maxBytes: number,
): Promise<FetchedPartition[]> {
  const fetching = () => fetchOnce(source, nodeId, positions, maxBytes);
  const [first, ...others] = positions;
  if (first === undefined) return [];
  if (others.length === 0) return byRight({ right: 'Read', topic: first.topic }, fetching);
  try {
    return await fetching();
  } catch (error) {
    if (!isUnauthorized(error)) throw error;
    for (const position of positions) await fetchFrom(source, nodeId, [position], 1);
    throw error;
  }
}

async function fetchOnce(
  { cluster, hasTransactions }: Source,
  nodeId: string,
  positions: readonly Position[],
  maxBytes: number,
) {
  const leader = await cluster.findBroker({ nodeId });
  const { responses } = await leader.fetch({
    isolationLevel: READ_COMMITTED,
    maxWaitTime: LONG_POLL_MS,
    minBytes: 1,
    maxBytes,
    topics: positions.map(({ topic, partition, offset }) => ({
      topic,
      partitions: [{ partition, fetchOffset: String(offset), maxBytes }],
    })),
  });
  return partitionsOf(responses, hasTransactions);
}

/** What a fetch was answered, as the client has decoded it. @throws LogError */
export function partitionsOf(
  responses: FetchResponse['responses'],
  hasTransactions = true,
): FetchedPartition[] {
  return responses.flatMap(({ topicName: topic, partitions }) =>
    partitions.map((part) => {
      const { partition, messages, abortedTransactions } = part;
      // Records of before 2017 name no batch; Kafka 4 has none.
      if (messages.some(({ batchContext }) => batchContext === undefined)) {
        throw new LogError('ERR_LOG_FAILED', { reason: 'OLD_RECORD_FORMAT', topic });
      }
      // As `endIn` has it; a fetch says both ends.
      const stable = Number(part.lastStableOffset);
      const end = stable < 0 && !hasTransactions ? Number(part.highWatermark) : stable;
      if (end < 0)
        throw new LogError('ERR_LOG_FAILED', { reason: NO_STABLE_END, topic, partition });
      return { topic, partition, records: messages, aborted: abortedTransactions ?? [], end };
    }),
  );
}

/**
 * kafkajs's transactions are sound as long as nothing fails: it never retries EndTxn, and any
 * error leaves it in a state that it cannot leave. So any error closes the writer.
 */
async function openWriter(
  options: KafkaLogOptions,
  transactionalId: string,
  control: Control,
): Promise<TransactionalWriter> {
  const client = createClient(options, TAKEOVER_RETRY);
  const publisher = client.kafka.producer({
    transactionalId,
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: () => namedPartition,
    metadataMaxAge: options.metadataAgeMsMax ?? METADATA_AGE_MS_MAX,
  });
  const close = () => client.disconnect([() => publisher.disconnect()]);
  const sweep = createSweeper(publisher, control);
  let next: Transaction | undefined;
  const takeOver = async () => {
    await publisher.connect();
    // The first one sends InitProducerId; later ones begin without a request.
    return await publisher.transaction();
  };
  try {
    next = await within(CALL_MS_MAX, byRight({ right: 'Write', transactionalId }, takeOver));
  } catch (error) {
    await close();
    throw toTransactionError(error);
  }
  return {
    async commit(topic, records, beside = []) {
      const requests = splitByTopic([{ topic, records }, ...beside]);
      const begun = next;
      next = undefined;
      if (begun === undefined) throw new LogError('ERR_LOG_FAILED', { reason: 'CLOSED_OR_BUSY' });
      const run = async () => {
        const topics = [topic, ...beside.map((part) => part.topic)];
        for (const each of topics) {
          await byRight({ right: 'Write', topic: each }, () => lookUp(control, each));
        }
        const transaction = await sweep(begun, topics);
        let firstOffset: number | undefined;
        const ends = new Map<string, number>();
        for (const request of requests) {
          const sent = await sendIn(transaction, request);
          if (sent?.baseOffset === undefined) continue;
          const baseOffset = Number(sent.baseOffset);
          ends.set(request.topic, baseOffset + request.records.length);
          if (request.topic === topic) firstOffset ??= baseOffset;
        }
        await transaction.commit();
        return { following: await publisher.transaction(), firstOffset, ends };
      };
      try {
        const { following, firstOffset, ends } = await within(COMMIT_MS_MAX, run());
        next = following;
        await Promise.all([...ends].map(([each, end]) => untilReadable(control, each, end)));
        return firstOffset === undefined ? {} : { firstOffset };
      } catch (error) {
        await close();
        throw toTransactionError(error, { topic });
      }
    },
    async close() {
      next = undefined;
      await close();
    },
  };
}

/**
 * Before a writer's first commit to a topic, whatever is open there is aborted in its own name. A
 * Kafka that was killed may take an open transaction for aborted without marking it (seen in
 * 4.4.0), and the next commit of the same id would then show records that nobody could read before.
 */
function createSweeper(publisher: Producer, control: Control) {
  const swept = new Set<string>();
  return async (begun: Transaction, topics: readonly string[]): Promise<Transaction> => {
    const open: string[] = [];
    for (const topic of topics) {
      if (swept.has(topic)) continue;
      if (await control.ask((cluster) => hasOpenTransaction(cluster, topic))) open.push(topic);
      swept.add(topic);
    }
    if (open.length === 0) return begun;
    for (const topic of open) await sendIn(begun, { topic, records: [NOTHING] });
    await begun.abort();
    return await publisher.transaction();
  };
}

/** It is aborted with what it joins, and so read by nobody. */
const NOTHING: LogRecord = { key: null, value: new Uint8Array(), headers: {} };

/** Readers of committed records see less than the leader has. */
async function hasOpenTransaction(cluster: Cluster, topic: string): Promise<boolean> {
  const stable = await endFor(cluster, topic, 0, READ_COMMITTED);
  return stable !== (await endFor(cluster, topic, 0, READ_UNCOMMITTED));
}

async function endFor(
  cluster: Cluster,
  topic: string,
  partition: number,
  isolationLevel: number,
): Promise<string | undefined> {
  const [nodeId] = positionsByLeader(cluster, [{ topic, partition, offset: 0 }]).keys();
  const leader = await cluster.findBroker({ nodeId: nodeId ?? '' });
  const { responses } = await leader.listOffsets({
    replicaId: NO_REPLICA,
    isolationLevel,
    topics: [{ topic, partitions: [{ partition, timestamp: LATEST }] }],
  });
  return responses[0]?.partitions[0]?.offset;
}

/** One topic a call and one call at a time: a call over two leaders may write records twice. */
async function sendIn(transaction: Transaction, { topic, records }: TopicRecords) {
  const messages = messagesOf(records, 0);
  const sending = () => transaction.send({ topic, messages, acks: ALL_REPLICAS });
  const [sent] = await byRight({ right: 'Write', topic }, sending);
  return sent;
}

/** 1, 2, 4 ... 64, 64 milliseconds: about a second in all. */
const READABLE_ATTEMPTS_MAX = 20;
const READABLE_PAUSE_MS_MAX = 64;

/**
 * A commit is durable before its mark is written, and readable after. Waiting a little lets a
 * writer read what it wrote; an open transaction of somebody else may hide it for longer.
 */
async function untilReadable(control: Control, topic: string, endOfRecords: number): Promise<void> {
  for (let attempt = 0; attempt < READABLE_ATTEMPTS_MAX; attempt++) {
    // The commit stands, whatever happens here.
    const end = await offsetOf(control, topic, 0, stableEnd).catch(() => Number.POSITIVE_INFINITY);
    if (end > endOfRecords) return;
    await delay(Math.min(2 ** attempt, READABLE_PAUSE_MS_MAX));
  }
}

/**
 * We never compress, so a compressed batch is somebody else's: it is refused and never unpacked. A
 * fetch of 8 MiB could unfold to gigabytes.
 */
function refuseCompression(): never {
  throw new LogError('ERR_LOG_FAILED', { reason: 'COMPRESSED_RECORDS' });
}

const { GZIP, Snappy, LZ4, ZSTD } = kafkajs.CompressionTypes;
for (const type of [GZIP, Snappy, LZ4, ZSTD] as const) {
  kafkajs.CompressionCodecs[type] = refuseCompression;
}
