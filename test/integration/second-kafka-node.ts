import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@strongroom/record-log/free-port';
import { findJava, kafkaJars, run } from '@strongroom/record-log/kafka-jars';
import type { RunningKafka } from '@strongroom/record-log/local-kafka';
import { nodesOf } from './ask-kafka.ts';

/** A second node beside a local Kafka, so that topics have leaders on two of them. */
export async function startSecondNode(
  first: RunningKafka,
  folder: string,
): Promise<{ readonly brokers: string; stop(): Promise<void> }> {
  const java = await findJava();
  const jars = await kafkaJars(() => undefined);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const settings = join(folder, 'server.properties');
  await writeFile(settings, await secondSettings(first.folder, folder, port));
  const heap = ['-cp', join(jars, '*'), '-Xmx384m', '-XX:+UseSerialGC'];
  const log = await open(join(folder, 'kafka.log'), 'a');

  const clusterId = await settingOf(join(first.folder, 'data', 'meta.properties'), 'cluster.id');
  const tool = ['kafka.tools.StorageTool', 'format', `--cluster-id=${clusterId}`];
  await run(java, [...heap, ...tool, `--config=${settings}`], () => undefined);
  const stdio = ['ignore', log.fd, log.fd] as const;
  const kafka = spawn(java, [...heap, 'kafka.Kafka', settings], { stdio: [...stdio] });
  await log.close();
  const ended = once(kafka, 'exit');
  while ((await nodesOf(first.brokers)).length < 2) {
    if (kafka.exitCode !== null) throw new Error(`the second node ended: ${folder}`);
    await delay(100);
  }
  return {
    brokers: `127.0.0.1:${port}`,
    async stop() {
      kafka.kill('SIGKILL');
      await ended;
    },
  };
}

/** Those of the first node, with a role, a name and places of its own. */
async function secondSettings(first: string, folder: string, port: number): Promise<string> {
  const common = await readFile(join(first, 'server.properties'), 'utf8');
  const own = [
    'process.roles=broker',
    'node.id=2',
    `listeners=PLAINTEXT://127.0.0.1:${port}`,
    `log.dirs=${join(folder, 'data')}`,
  ];
  // The last line of a name counts.
  return `${common}\n${own.join('\n')}\n`;
}

async function settingOf(path: string, name: string): Promise<string> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  return lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}
