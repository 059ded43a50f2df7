import path from 'node:path';
import { findJava, mavenJars, run } from '@strongroom/record-log/kafka-jars';
import { say } from '../deployment/terminal.ts';

/** The Java of the baselines: Kafka's own speed test, and Kafka Streams in streams/. */

const FOLDER = path.join(import.meta.dirname, 'streams');
const MEMORY = ['-Xms256m', '-Xmx2g', '-XX:+UseParallelGC'];
const MIB = 1 << 20;

/** @returns the lines that it printed */
async function runJava(program: readonly string[]): Promise<string[]> {
  const java = await findJava();
  const what = 'Kafka Streams with Maven (some 110 MB, only the first time)';
  const pom = path.join(FOLDER, 'pom.xml');
  const jars = await mavenJars({ name: 'bench-streams', pom, what }, say);
  const lines: string[] = [];
  const args = ['-cp', path.join(jars, '*'), ...MEMORY, ...program];
  const ended = await run(java, args, (line) => lines.push(line));
  if (ended !== 0) throw new Error(`${program[0]} failed: ${lines.slice(-20).join('\n')}`);
  return lines;
}

/** Compiles and runs the one source file. @returns the JSON of its last line */
export async function runStreams<Answer>(args: readonly string[]): Promise<Answer> {
  const lines = await runJava([path.join(FOLDER, 'StreamsBench.java'), ...args]);
  return JSON.parse(lines.findLast((line) => line.startsWith('{')) ?? '{}');
}

/**
 * How fast Kafka's own consumer reads a topic and drops it, in MB/s (10^6 bytes), without the time
 * in which it joins its group.
 */
export async function consumerSpeed(
  brokers: string,
  topic: string,
  records: number,
): Promise<number> {
  const lines = await runJava([
    'org.apache.kafka.tools.ConsumerPerformance',
    ...['--bootstrap-server', brokers, '--topic', topic, '--num-records', `${records}`],
    // Ours asks for as much at once.
    ...['--fetch-size', `${16 * MIB}`],
  ]);
  const columns = (line: string | undefined) => (line ?? '').split(',').map((each) => each.trim());
  const heads = columns(lines.find((line) => line.startsWith('start.time')));
  const figures = columns(lines.findLast((line) => /^\d{4}-/.test(line)));
  const figure = (name: string) => Number(figures[heads.indexOf(name)]);
  if (figure('data.consumed.in.nMsg') < records) throw new Error('Kafka read fewer records');
  return (figure('fetch.MB.sec') * MIB) / 1e6;
}
