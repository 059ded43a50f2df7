import { type Channel, type LogTopic, TOPIC_CONFIGS } from '@strongroom/protocol/log-topics';
import { describe, expect, test } from 'vitest';
import { durabilityOf, type FoundTopic, judgeTopic, settingsOf } from './topic-differences.ts';

const THREE = durabilityOf(3);

const topicOf = (channel: Channel, partitions = 1): LogTopic => ({
  ...{ channel, name: `c.${channel}`, label: channel, partitions },
  config: TOPIC_CONFIGS[channel],
});

function found(topic: LogTopic, more: Partial<FoundTopic> = {}, config = {}): FoundTopic {
  const settings = { ...settingsOf(topic, THREE), 'segment.ms': '604800000', ...config };
  return {
    partitions: topic.partitions,
    replicas: 3,
    ...more,
    config: new Map(Object.entries(settings)),
  };
}

const FLIGHTS = topicOf('dataset', 2);

test('one broker may be away, of a cluster that has more than one', () => {
  expect([1, 2, 3, 5].map((replicas) => durabilityOf(replicas).inSync)).toEqual([1, 1, 2, 4]);
});

describe('is as it should be', () => {
  test.each<[string, FoundTopic]>([
    ['as it was made', found(FLIGHTS)],
    ['larger records', found(FLIGHTS, {}, { 'max.message.bytes': '2000000' })],
    ['more replicas', found(FLIGHTS, { replicas: 5 })],
    [
      'no compression but what a producer chose',
      found(FLIGHTS, {}, { 'compression.type': 'producer' }),
    ],
  ])('%s', (_, is) => {
    expect(judgeTopic(FLIGHTS, is, THREE)).toMatchObject({ state: 'same', differences: [] });
  });
});

test('a topic that is not there is missing', () => {
  expect(judgeTopic(FLIGHTS, undefined, THREE).state).toBe('missing');
});

describe('differs', () => {
  test.each<[string, LogTopic, Partial<FoundTopic>, Record<string, string>, string]>([
    ['partitions that are lacking', FLIGHTS, { partitions: 1 }, {}, 'set'],
    ['partitions that nobody uses', FLIGHTS, { partitions: 9 }, {}, 'harmless'],
    [
      'partitions that a host would be given',
      topicOf('slices', 3),
      { partitions: 9 },
      {},
      'people',
    ],
    ['too few replicas', FLIGHTS, { replicas: 1 }, {}, 'people'],
    ['nobody in step', FLIGHTS, {}, { 'min.insync.replicas': '1' }, 'set'],
    ['records too small', FLIGHTS, {}, { 'max.message.bytes': '1000' }, 'set'],
    ['compressed', FLIGHTS, {}, { 'compression.type': 'zstd' }, 'set'],
    ['kept too short', FLIGHTS, {}, { 'retention.ms': '1000' }, 'set'],
    ['kept too long', topicOf('evidence'), {}, { 'retention.ms': '-1' }, 'people'],
    ['kept too large', topicOf('quarantine'), {}, { 'retention.bytes': '-1' }, 'people'],
    ['compacted', FLIGHTS, {}, { 'cleanup.policy': 'compact' }, 'set'],
    [
      'compacted where it is bounded',
      topicOf('evidence'),
      {},
      { 'cleanup.policy': 'compact' },
      'people',
    ],
    ['not compacted', topicOf('checkpoints'), {}, { 'cleanup.policy': 'delete' }, 'people'],
    [
      'compacted and deleted',
      topicOf('checkpoints'),
      {},
      { 'cleanup.policy': 'compact,delete' },
      'set',
    ],
    [
      'by the time of strangers',
      topicOf('evidence'),
      {},
      { 'message.timestamp.type': 'CreateTime' },
      'set',
    ],
    ['leaders that lost records', FLIGHTS, {}, { 'unclean.leader.election.enable': 'true' }, 'set'],
  ])('%s', (_, topic, more, config, mend) => {
    const { state, differences } = judgeTopic(topic, found(topic, more, config), THREE);
    expect(state).toBe('differs');
    expect(differences.map((each) => each.mend)).toEqual([mend]);
  });

  test('nothing is asked of replicas that are not there', () => {
    const single = found(FLIGHTS, { replicas: 1 }, { 'min.insync.replicas': '1' });
    expect(judgeTopic(FLIGHTS, single, THREE).differences.map(({ mend }) => mend)).toEqual([
      ...['people', 'people'],
    ]);
  });
});
