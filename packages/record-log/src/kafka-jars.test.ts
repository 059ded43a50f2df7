import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findKafka } from './find-kafka.ts';
import { javaVersion } from './kafka-jars.ts';
import { localKafkaStatus, startLocalKafka, stopLocalKafka } from './local-kafka.ts';

const folder = () => mkdtemp(join(tmpdir(), 'strongroom-kafka-'));
afterEach(() => vi.unstubAllEnvs());

describe('finding a Kafka', () => {
  it.each([
    ['openjdk version "17.0.15" 2025-04-15', 17],
    ['openjdk version "21" 2023-09-19', 21],
    ['java version "1.8.0_392"', 8],
    ['The program java can be found in these packages', 0],
  ])('reads %s as %i', (text, version) => {
    expect(javaVersion(text)).toBe(version);
  });

  it('takes the one that KAFKA_BROKERS names, and does not stop it', async () => {
    vi.stubEnv('KAFKA_BROKERS', 'one:9092,two:9092');
    const kafka = await findKafka({ folder: await folder() });
    expect(kafka.brokers).toBe('one:9092,two:9092');
    await kafka.stop();
  });

  it('names the ways out when there is neither Java nor a container', async () => {
    vi.stubEnv('KAFKA_BROKERS', '');
    vi.stubEnv('JAVA_HOME', '');
    vi.stubEnv('PATH', await folder());
    const startContainer = () => Promise.reject(new Error('no engine'));
    const unavailable = { code: 'ERR_KAFKA_UNAVAILABLE', facts: { reason: 'no-java' } };
    await expect(findKafka({ folder: await folder() })).rejects.toMatchObject(unavailable);
    const tried = findKafka({ folder: await folder(), startContainer });
    await expect(tried).rejects.toMatchObject(unavailable);
    await expect(tried).rejects.toThrow(/KAFKA_BROKERS.*Java 17 and Maven.*Docker/);
  });

  it('takes a container where there is no Java', async () => {
    vi.stubEnv('KAFKA_BROKERS', '');
    vi.stubEnv('JAVA_HOME', '');
    vi.stubEnv('PATH', await folder());
    const container = { brokers: 'c:1', pid: 0, folder: '', stop: async () => undefined };
    const startContainer = async () => container;
    expect(await findKafka({ folder: await folder(), startContainer })).toBe(container);
  });

  it('does not take another server’s answer on its port for Kafka’s', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(startLocalKafka({ folder: await folder(), port })).rejects.toMatchObject({
      code: 'ERR_PORT_UNAVAILABLE',
      facts: { port },
    });
    server.close();
  });

  it('knows of none in a folder where none was started', async () => {
    const empty = await folder();
    expect(await localKafkaStatus(empty)).toBeUndefined();
    await stopLocalKafka(empty);
  });
});
