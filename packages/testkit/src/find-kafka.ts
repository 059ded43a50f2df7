import { findKafka as findInstalledKafka } from '@strongroom/record-log/find-kafka';
import type { LocalKafkaOptions, RunningKafka } from '@strongroom/record-log/local-kafka';
import { startContainerKafka } from './container-kafka.ts';

/** KAFKA_BROKERS, else this machine's JVM, else a container; else ERR_KAFKA_UNAVAILABLE. */
export function findKafka(options: LocalKafkaOptions): Promise<RunningKafka> {
  return findInstalledKafka({ ...options, startContainer: startContainerKafka });
}
