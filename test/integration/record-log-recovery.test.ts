import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import {
  localKafkaStatus,
  type RunningKafka,
  startLocalKafka,
} from '@strongroom/record-log/local-kafka';
import type { RecordLog } from '@strongroom/record-log/log';
import {
  END_TXN,
  type FaultyProxy,
  FETCH,
  type Meeting,
  PRODUCE,
  startFaultyProxy,
  type Verdict,
} from '@strongroom/testkit/faulty-proxy';
import { readAll, record, textsOf } from '@strongroom/testkit/record-log-suite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leaderOf } from './ask-kafka.ts';
import { startSecondNode } from './second-kafka-node.ts';

/**
 * What becomes of a transaction when its node is killed, when its writer sleeps and wakes behind a
 * successor, and when two leaders share it. A Kafka of its own, since nodes are killed.
 */

let folder: string;
let kafka: RunningKafka;
let proxy: FaultyProxy;
let direct: RecordLog;
/** Through the proxy. */
let log: RecordLog;

const connect = (brokers: string) =>
  connectKafkaLog({ brokers: brokers.split(','), clientId: 'recovery-test' });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'strongroom-recovery-'));
  kafka = await startLocalKafka({ folder: path.join(folder, 'first'), shortLived: true });
  proxy = await startFaultyProxy(kafka.brokers);
  direct = await connect(kafka.brokers);
  log = await connect(proxy.brokers);
});

afterAll(async () => {
  await log?.close();
  await direct?.close();
  await proxy?.close();
  await kafka?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function newTopic(): Promise<string> {
  const topic = `recovery.${randomUUID()}`;
  await direct.createTopics([{ topic }]);
  return topic;
}

const killNode = () => process.kill(kafka.pid, 'SIGKILL');

/** On the same port and data, as an operator would. */
async function restartNode(): Promise<void> {
  const port = Number(kafka.brokers.split(':').at(-1));
  await expect.poll(() => localKafkaStatus(kafka.folder), { timeout: 10_000 }).toBeUndefined();
  kafka = await startLocalKafka({ folder: kafka.folder, port, shortLived: true });
}

const outcomeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'resolved',
    (error: { code?: unknown }) => String(error.code),
  );

type Kill = readonly [words: string, when: 'before' | 'after' | 'during', possible: string[][]];
const KILLS: readonly Kill[] = [
  ['before it sees the end of a transaction', 'before', [['first']]],
  // The latter where its marks were lost with it (L1 in docs/record-log.md).
  ['when it has answered the end of a transaction', 'after', [['first', 'second'], ['first']]],
];
const KILLS_AT_RANDOM: readonly Kill[] = Array.from({ length: 10 }, (_, time) => [
  `${time + 1} ms into the end of a transaction`,
  'during',
  [['first'], ['first', 'second']],
]);

describe('a node that is killed', () => {
  it.each(process.env['STRONGROOM_LONG'] === '1' ? [...KILLS, ...KILLS_AT_RANDOM] : KILLS)(
    '%s leaves it whole or not at all',
    async (words, when, possible) => {
      const topic = await newTopic();
      const id = `writer-${topic}`;
      const writer = await log.transaction(id);
      await writer.commit(topic, [record('first')]);
      const seen = await readInBackground(topic);

      proxy.meetNext(END_TXN, when === 'after' ? 'after' : 'before', () => {
        if (when === 'during') setTimeout(killNode, Number.parseInt(words, 10));
        else killNode();
        return when === 'during' ? 'pass' : 'cut';
      });
      const outcome = await outcomeOf(writer.commit(topic, [record('second')]));
      if (when !== 'during') expect(outcome).toBe('ERR_LOG_FAILED');
      await restartNode();

      // The same connections to the log, and the same id.
      const next = await log.transaction(id);
      const settled = textsOf(await readAll(direct, topic));
      expect(possible).toContainEqual(settled);
      if (outcome === 'resolved') expect(settled).toContain('second');
      await next.commit(topic, [record('third')]);
      const expected = [...settled, 'third'];
      expect(textsOf(await readAll(direct, topic))).toEqual(expected);
      expect(await seen(expected.length)).toEqual(expected);
      await next.close();
    },
  );
});

/** A reading that began before the node was killed, and goes on behind it. */
async function readInBackground(topic: string) {
  const stopping = new AbortController();
  const texts: string[] = [];
  const reading = (async () => {
    const options = { signal: stopping.signal };
    for await (const entries of log.read([{ topic, offset: 0 }], options)) {
      texts.push(...textsOf(entries));
    }
  })();
  await expect.poll(() => texts.length, { timeout: 10_000 }).toBe(1);
  return async (count: number) => {
    await expect.poll(() => texts.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(count);
    stopping.abort();
    await reading;
    return texts;
  };
}

describe('a writer that is a process, and sleeps', () => {
  it('between transactions: its successor fences it for ever', async () => {
    const topic = await newTopic();
    const id = `writer-${topic}`;
    const zombie = await startWriter(kafka.brokers, topic, id);
    expect(await zombie.commit('a')).toBe('a committed');
    process.kill(zombie.pid, 'SIGSTOP');
    const next = await direct.transaction(id);
    await next.commit(topic, [record('b')]);
    process.kill(zombie.pid, 'SIGCONT');
    expect(await zombie.commit('zombie')).toBe('zombie ERR_LOG_FENCED');
    await next.commit(topic, [record('c')]);
    expect(textsOf(await readAll(direct, topic))).toEqual(['a', 'b', 'c']);
    await zombie.stop();
    await next.close();
  });

  it('in a transaction, whose end reaches the node behind its successor', async () => {
    const topic = await newTopic();
    const id = `writer-${topic}`;
    const zombie = await startWriter(proxy.brokers, topic, id);
    expect(await zombie.commit('a')).toBe('a committed');
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<Verdict>();
    proxy.meetNext(END_TXN, 'before', () => {
      arrived.resolve();
      return released.promise;
    });
    const late = zombie.commit('late');
    await arrived.promise;
    process.kill(zombie.pid, 'SIGSTOP');
    const next = await direct.transaction(id);
    await next.commit(topic, [record('b')]);
    released.resolve('pass');
    process.kill(zombie.pid, 'SIGCONT');
    expect(await late).toBe('late ERR_LOG_FENCED');
    expect(textsOf(await readAll(direct, topic))).toEqual(['a', 'b']);
    await zombie.stop();
    await next.close();
  });
});

async function startWriter(brokers: string, topic: string, id: string) {
  const main = path.join(import.meta.dirname, 'record-log-writer.ts');
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    ['--conditions=strongroom:source', main, brokers, topic, id],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  expect(await nextLine()).toBe('open');
  return {
    pid: child.pid ?? 0,
    commit(text: string): Promise<string> {
      child.stdin.write(`${text}\n`);
      return nextLine();
    },
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

describe('two nodes', () => {
  let second: Awaited<ReturnType<typeof startSecondNode>>;
  let both: FaultyProxy;
  let twofold: RecordLog;

  beforeAll(async () => {
    second = await startSecondNode(kafka, path.join(folder, 'second'));
    both = await startFaultyProxy(`${kafka.brokers},${second.brokers}`);
    twofold = await connect(both.brokers);
  });
  afterAll(async () => {
    await twofold?.close();
    await both?.close();
    await second?.stop();
  });

  it('are read each for itself: a silent one holds up nothing of the other', async () => {
    const [silent, talking] = await topicsOfTwoLeaders(twofold);
    const speaks = Promise.withResolvers<void>();
    const meet: Meeting = async ({ node }): Promise<Verdict> => {
      both.meetNext(FETCH, 'before', meet);
      if (node === 0) await speaks.promise;
      return 'pass';
    };
    both.meetNext(FETCH, 'before', meet);
    const stop = new AbortController();
    const from = [silent, talking].map((topic) => ({ topic, offset: 0 }));
    const seen: string[] = [];
    for (const topic of [silent, talking]) await twofold.append(topic, [record(topic)]);
    for await (const entries of twofold.read(from, { signal: stop.signal })) {
      seen.push(...entries.map(({ topic }) => topic));
      if (seen.length === 1) await twofold.append(talking, [record('more')]);
      if (seen.length === 2) speaks.resolve();
      if (seen.length === 3) stop.abort();
    }
    expect(seen).toEqual([talking, talking, silent]);
  });

  it('are written to once, when one is slow and the other fails', async () => {
    const [slow, failing] = await topicsOfTwoLeaders(twofold);
    let failed = false;
    const meet: Meeting = async ({ node }) => {
      both.meetNext(PRODUCE, 'before', meet);
      if (node === 0) await delay(300);
      const cut = node === 1 && !failed;
      failed ||= cut;
      return cut ? 'cut' : 'pass';
    };
    both.meetNext(PRODUCE, 'before', meet);
    const writer = await twofold.transaction(`writer-${slow}`);
    await writer.commit(slow, [record('a')], [{ topic: failing, records: [record('b')] }]);
    expect(failed).toBe(true);
    const read = async (topic: string) => textsOf(await readAll(twofold, topic));
    await expect.poll(() => Promise.all([read(slow), read(failing)])).toEqual([['a'], ['b']]);
  });
});

/** One that the first node leads, and one that the second does. */
async function topicsOfTwoLeaders(twofold: RecordLog): Promise<[string, string]> {
  const led = new Map<number, string>();
  while (led.size < 2) {
    const topic = `leaders.${randomUUID()}`;
    await twofold.createTopics([{ topic }]);
    led.set(await leaderOf(kafka.brokers, topic), topic);
  }
  return [led.get(1) ?? '', led.get(2) ?? ''];
}
