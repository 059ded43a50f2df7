import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findKafka } from '@strongroom/testkit/find-kafka';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Bootstrap servers of the Kafka of this run. */
    brokers: string;
  }
}

/** One Kafka for all integration tests; tests keep apart by the names of their topics. */
export default async function startKafka(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-kafka-'));
  const onProgress = (line: string) => process.stderr.write(`${line}\n`);
  const kafka = await findKafka({ folder, onProgress, shortLived: true });
  project.provide('brokers', kafka.brokers);
  return async () => {
    await kafka.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
