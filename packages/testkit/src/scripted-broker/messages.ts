import {
  array,
  bool,
  bytes,
  type Codec,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
  nullableString,
  string,
  struct,
  type ValueOf,
} from './wire.ts';

/**
 * The requests that the double answers, each in one version: the newest of kafkajs, which all are
 * below the flexible ones. Field names are those of Kafka's own message files.
 */

/** The same shape in four requests: topics, and something for each of their partitions. */
function perPartition<Value>(of: Codec<Value>) {
  return array(struct({ name: string, partitions: array(of) }));
}

const ack = struct({ partition: int32, errorCode: int16 });

export const APIS = {
  Produce: {
    key: 0,
    version: 7,
    request: struct({
      transactionalId: nullableString,
      acks: int16,
      timeoutMs: int32,
      topics: perPartition(struct({ partition: int32, records: bytes })),
    }),
    response: struct({
      topics: perPartition(
        struct({
          partition: int32,
          errorCode: int16,
          baseOffset: int64,
          logAppendTimeMs: int64,
          logStartOffset: int64,
        }),
      ),
      throttleTimeMs: int32,
    }),
  },
  Fetch: {
    key: 1,
    version: 11,
    request: struct({
      replicaId: int32,
      maxWaitMs: int32,
      minBytes: int32,
      maxBytes: int32,
      isolationLevel: int8,
      sessionId: int32,
      sessionEpoch: int32,
      topics: perPartition(
        struct({
          partition: int32,
          currentLeaderEpoch: int32,
          fetchOffset: int64,
          logStartOffset: int64,
          partitionMaxBytes: int32,
        }),
      ),
      forgottenTopics: perPartition(int32),
      rackId: string,
    }),
    response: struct({
      throttleTimeMs: int32,
      errorCode: int16,
      sessionId: int32,
      topics: perPartition(
        struct({
          partition: int32,
          errorCode: int16,
          highWatermark: int64,
          lastStableOffset: int64,
          logStartOffset: int64,
          abortedTransactions: nullableArray(struct({ producerId: int64, firstOffset: int64 })),
          preferredReadReplica: int32,
          records: bytes,
        }),
      ),
    }),
  },
  ListOffsets: {
    key: 2,
    version: 3,
    request: struct({
      replicaId: int32,
      isolationLevel: int8,
      topics: perPartition(struct({ partition: int32, timestamp: int64 })),
    }),
    response: struct({
      throttleTimeMs: int32,
      topics: perPartition(
        struct({ partition: int32, errorCode: int16, timestamp: int64, offset: int64 }),
      ),
    }),
  },
  Metadata: {
    key: 3,
    version: 6,
    request: struct({ topics: nullableArray(string), allowAutoTopicCreation: bool }),
    response: struct({
      throttleTimeMs: int32,
      brokers: array(struct({ nodeId: int32, host: string, port: int32, rack: nullableString })),
      clusterId: nullableString,
      controllerId: int32,
      topics: array(
        struct({
          errorCode: int16,
          name: string,
          isInternal: bool,
          partitions: array(
            struct({
              errorCode: int16,
              partition: int32,
              leaderId: int32,
              replicaNodes: array(int32),
              isrNodes: array(int32),
              offlineReplicas: array(int32),
            }),
          ),
        }),
      ),
    }),
  },
  FindCoordinator: {
    key: 10,
    version: 2,
    request: struct({ key: string, keyType: int8 }),
    response: struct({
      throttleTimeMs: int32,
      errorCode: int16,
      errorMessage: nullableString,
      nodeId: int32,
      host: string,
      port: int32,
    }),
  },
  ApiVersions: {
    key: 18,
    version: 2,
    request: struct({}),
    response: struct({
      errorCode: int16,
      apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
      throttleTimeMs: int32,
    }),
  },
  CreateTopics: {
    key: 19,
    version: 3,
    request: struct({
      topics: array(
        struct({
          name: string,
          numPartitions: int32,
          replicationFactor: int16,
          assignments: array(struct({ partition: int32, brokerIds: array(int32) })),
          configs: array(struct({ name: string, value: nullableString })),
        }),
      ),
      timeoutMs: int32,
      validateOnly: bool,
    }),
    response: struct({
      throttleTimeMs: int32,
      topics: array(struct({ name: string, errorCode: int16, errorMessage: nullableString })),
    }),
  },
  InitProducerId: {
    key: 22,
    version: 1,
    request: struct({ transactionalId: nullableString, transactionTimeoutMs: int32 }),
    response: struct({
      throttleTimeMs: int32,
      errorCode: int16,
      producerId: int64,
      producerEpoch: int16,
    }),
  },
  AddPartitionsToTxn: {
    key: 24,
    version: 1,
    request: struct({
      transactionalId: string,
      producerId: int64,
      producerEpoch: int16,
      topics: perPartition(int32),
    }),
    response: struct({ throttleTimeMs: int32, topics: perPartition(ack) }),
  },
  EndTxn: {
    key: 26,
    version: 1,
    request: struct({
      transactionalId: string,
      producerId: int64,
      producerEpoch: int16,
      committed: bool,
    }),
    response: struct({ throttleTimeMs: int32, errorCode: int16 }),
  },
} as const;

export type ApiName = keyof typeof APIS;
export type RequestOf<Name extends ApiName> = ValueOf<(typeof APIS)[Name]['request']>;
export type ResponseOf<Name extends ApiName> = ValueOf<(typeof APIS)[Name]['response']>;

export const API_NAMES = Object.keys(APIS) as ApiName[];

/** Kafka's error codes, as far as anybody here says them. */
export const ERRORS = {
  UNKNOWN_SERVER_ERROR: -1,
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  CONCURRENT_TRANSACTIONS: 51,
  UNKNOWN_PRODUCER_ID: 59,
  PRODUCER_FENCED: 90,
  TRANSACTION_ABORTABLE: 120,
} as const;
