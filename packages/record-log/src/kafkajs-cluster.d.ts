/**
 * The part of kafkajs 2.2.4 under its consumer, which it does not declare: connections, metadata,
 * and single requests. The version is pinned; the tests against a real Kafka hold these shapes.
 */
declare module 'kafkajs/src/cluster/index.js' {
  import type { ConnectionOptions } from 'node:tls';
  import type { ISocketFactory, Logger, Mechanism, RetryOptions } from 'kafkajs';
  import type { AbortedTransaction, FetchedRecord } from './committed-records.ts';

  interface ClusterOptions {
    readonly logger: Logger;
    readonly socketFactory: ISocketFactory;
    readonly brokers: readonly string[];
    readonly clientId: string;
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly enforceRequestTimeout: boolean;
    readonly metadataMaxAge: number;
    readonly retry: RetryOptions;
    readonly ssl?: ConnectionOptions;
    readonly sasl?: Mechanism;
    readonly allowAutoTopicCreation: boolean;
    /** 1: read committed. */
    readonly isolationLevel: number;
  }

  interface FetchRequest {
    readonly isolationLevel: number;
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }[];
    }[];
  }

  export interface FetchResponse {
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly highWatermark: string;
        /** -1 where the log knows none. */
        readonly lastStableOffset: string;
        readonly abortedTransactions?: readonly AbortedTransaction[];
        readonly messages: readonly FetchedRecord[];
      }[];
    }[];
  }

  interface ListOffsetsRequest {
    readonly replicaId: number;
    readonly isolationLevel: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
    }[];
  }

  interface ListOffsetsResponse {
    readonly responses: readonly {
      readonly partitions: readonly { readonly offset: string }[];
    }[];
  }

  class Cluster {
    constructor(options: ClusterOptions);
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    /** Node id -> partitions that it leads. */
    findLeaderForPartitions(
      topic: string,
      partitions: readonly number[],
    ): Readonly<Record<string, readonly number[]>>;
    findBroker(node: { nodeId: string }): Promise<{
      fetch(request: FetchRequest): Promise<FetchResponse>;
      listOffsets(request: ListOffsetsRequest): Promise<ListOffsetsResponse>;
    }>;
    fetchTopicsOffset(
      topics: readonly {
        readonly topic: string;
        readonly fromBeginning: boolean;
        readonly partitions: readonly { readonly partition: number }[];
      }[],
    ): Promise<
      readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
      }[]
    >;
  }

  export default Cluster;
}

declare module 'kafkajs/src/broker/saslAuthenticator/plain.js' {
  import type { Mechanism } from 'kafkajs';

  const provider: (login: {
    readonly username: string;
    readonly password: string;
  }) => Mechanism['authenticationProvider'];
  export default provider;
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram256.js' {
  import type { Mechanism } from 'kafkajs';

  const provider: (login: {
    readonly username: string;
    readonly password: string;
  }) => Mechanism['authenticationProvider'];
  export default provider;
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram512.js' {
  import type { Mechanism } from 'kafkajs';

  const provider: (login: {
    readonly username: string;
    readonly password: string;
  }) => Mechanism['authenticationProvider'];
  export default provider;
}
