import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import {
  API_NAMES,
  APIS,
  type ApiName,
  ERRORS,
  type RequestOf,
  type ResponseOf,
} from './messages.ts';
import { PartitionLog } from './partition-log.ts';
import { Transactions } from './transactions.ts';

/** What a cluster that works and tells the truth answers to each request. */

export interface Node {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

interface Topic {
  readonly partitions: readonly PartitionLog[];
  /** Node id of the leader, for each partition. */
  readonly leaders: number[];
}

export class Cluster {
  readonly nodes: Node[] = [];
  readonly topics = new Map<string, Topic>();
  readonly transactions: Transactions;
  /** Something was appended or ended. */
  readonly changes = new EventEmitter<{ change: [] }>();

  constructor(firstEpoch?: number) {
    this.transactions = new Transactions(firstEpoch);
    this.changes.setMaxListeners(0);
  }

  /** The leaders of topics and partitions take turns, so that two topics have two. */
  create(name: string, partitions = 1): void {
    const logs = Array.from({ length: partitions }, () => new PartitionLog());
    const turn = (index: number) => ((this.topics.size + index) % this.nodes.length) + 1;
    this.topics.set(name, { partitions: logs, leaders: logs.map((_, index) => turn(index)) });
  }

  /** Undefined: it is not there, or this node does not lead it. */
  ledBy(nodeId: number, topic: string, partition: number): PartitionLog | number {
    const found = this.topics.get(topic);
    const log = found?.partitions[partition];
    if (log === undefined) return ERRORS.UNKNOWN_TOPIC_OR_PARTITION;
    return found?.leaders[partition] === nodeId ? log : ERRORS.NOT_LEADER_OR_FOLLOWER;
  }

  leaderOf(topic: string, partition: number): number | undefined {
    return this.topics.get(topic)?.leaders[partition];
  }

  /** Another node leads the partition from now on. */
  lead(topic: string, partition: number, nodeId: number): void {
    const leaders = this.topics.get(topic)?.leaders;
    if (leaders !== undefined) leaders[partition] = nodeId;
  }

  get coordinator(): Node {
    const [first] = this.nodes;
    assert(first !== undefined);
    return first;
  }
}

type Answer<Name extends ApiName> = (
  cluster: Cluster,
  nodeId: number,
  request: RequestOf<Name>,
) => ResponseOf<Name> | Promise<ResponseOf<Name>>;

export const TRUTHFUL: { readonly [Name in ApiName]: Answer<Name> } = {
  ApiVersions: () => ({
    errorCode: ERRORS.NONE,
    apiKeys: API_NAMES.map((name) => {
      const { key: apiKey, version } = APIS[name];
      return { apiKey, minVersion: version, maxVersion: version };
    }),
    throttleTimeMs: 0,
  }),
  Metadata: (cluster, _nodeId, { topics }) => ({
    throttleTimeMs: 0,
    brokers: cluster.nodes.map((node) => ({ ...node, rack: null })),
    clusterId: 'scripted',
    controllerId: cluster.coordinator.nodeId,
    topics: (topics ?? [...cluster.topics.keys()]).map((name) => topicMetadata(cluster, name)),
  }),
  CreateTopics: (cluster, _nodeId, { topics }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, numPartitions }) => {
      const exists = cluster.topics.has(name);
      if (!exists) cluster.create(name, numPartitions);
      const errorCode = exists ? ERRORS.TOPIC_ALREADY_EXISTS : ERRORS.NONE;
      return { name, errorCode, errorMessage: null };
    }),
  }),
  ListOffsets: (cluster, nodeId, { isolationLevel, topics }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, timestamp }) => {
        const log = cluster.ledBy(nodeId, name, partition);
        if (!(log instanceof PartitionLog)) {
          return { partition, errorCode: log, timestamp: -1, offset: -1 };
        }
        const end = isolationLevel === 1 ? log.lastStableOffset : log.highWatermark;
        const offset = timestamp === EARLIEST ? log.logStart : end;
        return { partition, errorCode: ERRORS.NONE, timestamp: -1, offset };
      }),
    })),
  }),
  Fetch: answerFetch,
  Produce: answerProduce,
  FindCoordinator: (cluster) => ({
    throttleTimeMs: 0,
    errorCode: ERRORS.NONE,
    errorMessage: null,
    ...cluster.coordinator,
  }),
  InitProducerId: (cluster, _nodeId, { transactionalId }) => {
    const plain = { errorCode: ERRORS.NONE, producerEpoch: 0 };
    if (transactionalId === null) {
      const producerId = cluster.transactions.newProducerId();
      return { throttleTimeMs: 0, ...plain, producerId };
    }
    const taken = cluster.transactions.take(transactionalId);
    cluster.changes.emit('change');
    return { throttleTimeMs: 0, ...taken };
  },
  AddPartitionsToTxn: (cluster, _nodeId, { topics, ...writer }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => {
        const log = cluster.topics.get(name)?.partitions[partition];
        const errorCode =
          log === undefined
            ? ERRORS.UNKNOWN_TOPIC_OR_PARTITION
            : cluster.transactions.add(writer, log);
        return { partition, errorCode };
      }),
    })),
  }),
  EndTxn: (cluster, _nodeId, { committed, ...writer }) => {
    const errorCode = cluster.transactions.end(writer, committed);
    cluster.changes.emit('change');
    return { throttleTimeMs: 0, errorCode };
  },
};

const EARLIEST = -2;

function topicMetadata(cluster: Cluster, name: string) {
  const topic = cluster.topics.get(name);
  const all = cluster.nodes.map(({ nodeId }) => nodeId);
  return {
    errorCode: topic === undefined ? ERRORS.UNKNOWN_TOPIC_OR_PARTITION : ERRORS.NONE,
    name,
    isInternal: false,
    partitions: (topic?.leaders ?? []).map((leaderId, partition) => ({
      errorCode: ERRORS.NONE,
      partition,
      leaderId,
      replicaNodes: all,
      isrNodes: all,
      offlineReplicas: [],
    })),
  };
}

function answerProduce(
  cluster: Cluster,
  nodeId: number,
  { topics, transactionalId }: RequestOf<'Produce'>,
): ResponseOf<'Produce'> {
  const append = (name: string, partition: number, records: Buffer) => {
    const log = cluster.ledBy(nodeId, name, partition);
    if (!(log instanceof PartitionLog)) return { errorCode: log, baseOffset: -1 };
    if (transactionalId !== null) {
      const writer = { transactionalId, ...writerOf(records) };
      const errorCode = cluster.transactions.verify(writer, log);
      if (errorCode !== ERRORS.NONE) return { errorCode, baseOffset: -1 };
    }
    return log.append(records);
  };
  const answer = topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partition, records }) => ({
      partition,
      ...append(name, partition, records),
      logAppendTimeMs: -1,
      logStartOffset: 0,
    })),
  }));
  cluster.changes.emit('change');
  return { topics: answer, throttleTimeMs: 0 };
}

/** Of the first batch; a request holds those of one writer. */
function writerOf(records: Buffer) {
  return { producerId: Number(records.readBigInt64BE(43)), producerEpoch: records.readInt16BE(51) };
}

async function answerFetch(
  cluster: Cluster,
  nodeId: number,
  request: RequestOf<'Fetch'>,
): Promise<ResponseOf<'Fetch'>> {
  const waiting = AbortSignal.timeout(request.maxWaitMs);
  for (;;) {
    const response = fetchNow(cluster, nodeId, request);
    const parts = response.topics.flatMap(({ partitions }) => partitions);
    const isDue = parts.some(({ errorCode, records }) => errorCode !== 0 || records.length > 0);
    if (isDue || waiting.aborted) return response;
    await once(cluster.changes, 'change', { signal: waiting }).catch(() => undefined);
  }
}

function fetchNow(cluster: Cluster, nodeId: number, request: RequestOf<'Fetch'>) {
  const committedOnly = request.isolationLevel === 1;
  return {
    throttleTimeMs: 0,
    errorCode: ERRORS.NONE,
    sessionId: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, fetchOffset, partitionMaxBytes }) => {
        const log = cluster.ledBy(nodeId, name, partition);
        if (!(log instanceof PartitionLog)) return emptyPart(partition, log);
        if (fetchOffset > log.highWatermark || fetchOffset < log.logStart) {
          return emptyPart(partition, ERRORS.OFFSET_OUT_OF_RANGE);
        }
        return {
          ...emptyPart(partition, ERRORS.NONE),
          highWatermark: log.highWatermark,
          lastStableOffset: log.lastStableOffset,
          logStartOffset: log.logStart,
          abortedTransactions: committedOnly ? log.abortedFrom(fetchOffset) : null,
          records: log.read(fetchOffset, partitionMaxBytes, committedOnly),
        };
      }),
    })),
  };
}

function emptyPart(partition: number, errorCode: number) {
  return {
    partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: Buffer.alloc(0),
  };
}
