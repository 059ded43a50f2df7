import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findJava } from '@strongroom/record-log/kafka-jars';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import {
  localKafkaStatus,
  startLocalKafka,
  stopLocalKafka,
} from '@strongroom/record-log/local-kafka';
import { describe, expect, it, vi } from 'vitest';

const noJava = await findJava().then(
  () => false,
  () => true,
);
if (noJava) process.stderr.write('SKIPPED: a local Kafka: no Java 17 here\n');
const newFolder = () => mkdtemp(join(tmpdir(), 'strongroom-kafka-'));
const ENDS_WITHIN_MS = 15_000;

describe.skipIf(noJava)('a local Kafka', () => {
  it('ends when the process that started it is killed', async () => {
    const folder = await newFolder();
    const starter = spawn(
      process.execPath,
      [
        '--conditions=strongroom:source',
        fileURLToPath(import.meta.resolve('./hold-kafka.ts')),
        folder,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = await once(createInterface({ input: starter.stdout }), 'line');
    expect(line).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await localKafkaStatus(folder)).toMatchObject({ brokers: line });
    starter.kill('SIGKILL');
    const gone = async () => expect(await localKafkaStatus(folder)).toBeUndefined();
    await vi.waitFor(gone, { timeout: ENDS_WITHIN_MS, interval: 200 });
  });

  it('outlives its starter when detached, keeps its data, and is started once', async () => {
    const folder = await newFolder();
    const first = await startLocalKafka({ folder, detached: true });
    const second = await startLocalKafka({ folder, detached: true });
    expect(second).toMatchObject({ brokers: first.brokers, pid: first.pid });
    const log = await connectKafkaLog({ brokers: [first.brokers], clientId: 'test' });
    await log.createTopics([{ topic: 'kept' }]);
    await log.append('kept', [{ key: null, value: new Uint8Array(1), headers: {} }]);
    await log.close();
    await stopLocalKafka(folder);
    expect(await localKafkaStatus(folder)).toBeUndefined();

    const again = await startLocalKafka({ folder });
    const reopened = await connectKafkaLog({ brokers: [again.brokers], clientId: 'test' });
    expect(await reopened.endOffset('kept')).toBe(1);
    await reopened.close();
    await again.stop();
  });
});
