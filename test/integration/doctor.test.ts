import { randomUUID } from 'node:crypto';
import { TOPIC_CONFIGS } from '@strongroom/protocol/log-topics';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { expect, inject, test } from 'vitest';
import { checkKafka, newestRecords } from '../../services/cli/src/doctor/check-kafka.ts';
import { viewKafka } from '../../services/cli/src/doctor/kafka-view.ts';

/** What `strongroom doctor` sees of a real Kafka. */
test('settings and times of a real Kafka are seen, and wrong ones are found', async () => {
  const brokers = inject('brokers').split(',');
  const prefix = `doctor-${randomUUID()}`;
  const expected = [
    { name: `${prefix}.good`, label: 'good', keeps: 'all' },
    { name: `${prefix}.bad`, label: 'bad', keeps: 'all' },
    { name: `${prefix}.points`, label: 'points', keeps: 'newest' },
    { name: `${prefix}.gone`, label: 'gone', keeps: 'some' },
  ] as const;
  const log = await connectKafkaLog({ brokers, clientId: 'doctor-test' });
  const [good, bad, points] = expected.map(({ name }) => name) as [string, string, string];
  await log.createTopics([
    { topic: good, partitions: 2, config: TOPIC_CONFIGS.dataset },
    { topic: bad, config: { 'retention.ms': '1000', 'max.message.bytes': '1000' } },
    { topic: points, config: { 'cleanup.policy': 'compact' } },
  ]);
  await log.append(good, [{ key: null, value: new Uint8Array(3), headers: {} }], 1);
  await log.close();
  const view = await viewKafka(
    { brokers, clientId: 'doctor-test' },
    expected.map(({ name }) => name),
    10_000,
  );
  const found = checkKafka(view, expected).map(({ code, verdict, says }) => ({
    at: `${code} ${verdict}`,
    says,
  }));
  const saysOf = (at: string) => found.filter((each) => each.at === at).map(({ says }) => says);
  expect(saysOf('kafka-version ok')).toEqual([expect.stringContaining('Kafka 4')]);
  expect(saysOf('kafka-transactions ok')).toHaveLength(1);
  expect(saysOf('kafka-acls warn')).toEqual([expect.stringContaining('no authorizer')]);
  expect(saysOf('topic-there warn')).toEqual(['3 of 4 topics; not there or not shown: gone']);
  expect(saysOf('topic-retention fail')).toEqual(['bad: retention.ms=1000, retention.bytes=-1']);
  expect(saysOf('topic-record-size fail')).toEqual(['bad: max.message.bytes=1000']);
  expect(saysOf('topic-cleanup ok')).toEqual([
    'good: cleanup.policy=delete',
    'bad: cleanup.policy=delete',
    'points: cleanup.policy=compact',
  ]);
  const times = (now: number) => newestRecords(view, expected, now).map(({ verdict }) => verdict);
  expect(times(Date.now())).toEqual(['ok']);
  expect(times(Date.now() - 3_600_000)).toEqual(['fail']);
});
