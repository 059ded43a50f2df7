import { freePort } from '@strongroom/record-log/free-port';
import type { RunningKafka } from '@strongroom/record-log/local-kafka';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';

/** The same version as deploy/kafka/pom.xml. */
const IMAGE = 'apache/kafka:4.4.0';
const PORT = 9092;
const START_MS_MAX = 120_000;

/** One Kafka node in a container, for machines without Java. Rejects when no engine answers. */
export async function startContainerKafka(
  onProgress: (line: string) => void = () => undefined,
): Promise<RunningKafka> {
  onProgress(`starting a container of ${IMAGE}`);
  const host = (await getContainerRuntimeClient()).info.containerRuntime.host;
  // A broker tells its clients its own address, so the port outside must be known before it starts.
  const port = await freePort('0.0.0.0');
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: PORT, host: port })
    .withEnvironment(settingsOf(`${host}:${port}`))
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withStartupTimeout(START_MS_MAX)
    .start();
  return {
    brokers: `${host}:${port}`,
    pid: 0,
    folder: '',
    async stop() {
      await container.stop();
    },
  };
}

/** deploy/kafka/local.properties in the image's spelling. */
function settingsOf(advertised: string): Record<string, string> {
  return {
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    // Kafka writes the marks of transactions through a connection to itself, and the address that
    // clients outside use does not lead back into the container.
    KAFKA_LISTENERS: `PLAINTEXT://:${PORT},INSIDE://:9094,CONTROLLER://:9093`,
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${advertised},INSIDE://localhost:9094`,
    KAFKA_INTER_BROKER_LISTENER_NAME: 'INSIDE',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
      'CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '1',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_TRANSACTION_MAX_TIMEOUT_MS: '60000',
    KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: '1000',
  };
}
