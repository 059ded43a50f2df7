import { randomUUID } from 'node:crypto';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Deployment } from '../deployment/pipeline.ts';

/** What the log alone takes at the same time on the same machine: an append until it is read. */

const RECORD_BYTES = 4_096;

export interface LogProbe {
  /** Milliseconds from an append to its reading. */
  measure(): Promise<number>;
  stop(): Promise<void>;
}

export async function openProbe({ brokers, log }: Deployment): Promise<LogProbe> {
  const topic = `probe.${randomUUID()}`;
  await log.createTopics([{ topic }]);
  const following = await connectKafkaLog({ brokers: brokers.split(','), clientId: 'probe' });
  const entries = following.read([{ topic, offset: 0 }])[Symbol.asyncIterator]();
  return {
    async measure() {
      const began = performance.now();
      const read = entries.next();
      await append(log, topic);
      await read;
      return performance.now() - began;
    },
    stop: () => following.close(),
  };
}

function append(log: RecordLog, topic: string): Promise<void> {
  return log.append(topic, [{ key: null, value: new Uint8Array(RECORD_BYTES), headers: {} }]);
}
