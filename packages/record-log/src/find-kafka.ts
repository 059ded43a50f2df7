import { type LocalKafkaOptions, type RunningKafka, startLocalKafka } from './local-kafka.ts';
import { LogError } from './log-error.ts';

export interface FindKafkaOptions extends LocalKafkaOptions {
  /** Tried where no local one can start; the testkit's starts a container. */
  readonly startContainer?: (onProgress: (line: string) => void) => Promise<RunningKafka>;
}

/**
 * A Kafka to work with, in this order: the one that KAFKA_BROKERS names, one on this machine's JVM,
 * a container. Rejects with ERR_KAFKA_UNAVAILABLE, which names all three ways.
 */
export async function findKafka(options: FindKafkaOptions): Promise<RunningKafka> {
  const configured = process.env['KAFKA_BROKERS'] ?? '';
  if (configured !== '') {
    return { brokers: configured, pid: 0, folder: '', stop: async () => undefined };
  }
  try {
    return await startLocalKafka(options);
  } catch (error) {
    const unavailable = error instanceof LogError && error.code === 'ERR_KAFKA_UNAVAILABLE';
    if (!unavailable || options.startContainer === undefined) throw error;
    const onProgress = options.onProgress ?? (() => undefined);
    // Both ways failed: the reason of the first one is what most people can repair.
    return await options.startContainer(onProgress).catch(() => Promise.reject(error));
  }
}
