import { describe, expect, test } from 'vitest';
import { agreedContract } from '../../test/signed-contract.ts';
import { checkKafka, type ExpectedTopic, expectedTopics, newestRecords } from './check-kafka.ts';
import type { CheckCode, Verdict } from './checks.ts';
import type { KafkaView, TopicView } from './kafka-view.ts';

const KEPT = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };
const COMMON = {
  'min.insync.replicas': '2',
  'max.message.bytes': '1048588',
  'unclean.leader.election.enable': 'false',
};
const THREE = { replicas: 3, inSync: 3 };

const topic = (config: Record<string, string>, more: Partial<TopicView> = {}): TopicView => ({
  partitions: [THREE],
  config: new Map(Object.entries({ ...COMMON, ...config })),
  ...more,
});

const EXPECTED: readonly ExpectedTopic[] = [
  { name: 'c.flights', label: 'dataset flights', keeps: 'all' },
  { name: 'c.checkpoints', label: 'checkpoints', keeps: 'newest' },
];
const FLIGHTS = topic(KEPT);
const CHECKPOINTS = topic({ 'cleanup.policy': 'compact', 'retention.ms': '604800000' });

function view(change: Partial<KafkaView> = {}, flights = FLIGHTS, points = CHECKPOINTS): KafkaView {
  return {
    brokers: 3,
    usesTransactions: true,
    apis: new Map([
      ['Produce', 13],
      ['Fetch', 18],
      ['InitProducerId', 6],
    ]),
    topics: new Map([
      ['c.flights', flights],
      ['c.checkpoints', points],
    ]),
    acls: 12,
    ...change,
  };
}

const unwell = (seen: KafkaView) =>
  checkKafka(seen, EXPECTED).filter(({ verdict }) => verdict !== 'ok');

describe('what is judged of a cluster', () => {
  test('one as it should be has nothing to mend', () => {
    expect(unwell(view())).toEqual([]);
  });

  test.each<[string, KafkaView, CheckCode, Verdict, RegExp]>([
    ['one broker', view({ brokers: 1 }), 'kafka-replicas', 'warn', /1 of 3/],
    [
      'an old one',
      view({ apis: new Map([['InitProducerId', 2]]) }),
      'kafka-version',
      'warn',
      /2\.7/,
    ],
    [
      'one of 3.9',
      view({
        apis: new Map([
          ['Produce', 11],
          ['Fetch', 17],
          ['InitProducerId', 5],
        ]),
      }),
      ...(['kafka-version', 'warn', /3\.9/] as const),
    ],
    [
      'no transactions',
      view({ apis: new Map([['Produce', 13]]) }),
      ...(['kafka-transactions', 'fail', /no transactions/] as const),
    ],
    [
      'transactions that are not used',
      view({ usesTransactions: false }),
      ...(['kafka-transactions', 'skip', /not used/] as const),
    ],
    [
      'no right to them',
      view({ transactionsProblem: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED' }),
      ...(['kafka-transactions', 'fail', /AUTHORIZATION_FAILED/] as const),
    ],
    ['no authorizer', view({ acls: 'no-authorizer' }), 'kafka-acls', 'warn', /no authorizer/],
    ['hidden ACLs', view({ acls: 'hidden' }), 'kafka-acls', 'skip', /may not see/],
    ['no ACLs', view({ acls: 0 }), 'kafka-acls', 'warn', /^0 ACLs/],
    [
      'a topic that is gone',
      view({ topics: new Map([['c.flights', FLIGHTS]]) }),
      ...(['topic-there', 'warn', /1 of 2 .*checkpoints/] as const),
    ],
    [
      'a dataset that ages',
      view({}, topic({ ...KEPT, 'retention.ms': '604800000' })),
      ...(['topic-retention', 'fail', /flights: retention.ms=604800000/] as const),
    ],
    [
      'a dataset that overflows',
      view({}, topic({ ...KEPT, 'retention.bytes': '1000' })),
      ...(['topic-retention', 'fail', /retention.bytes=1000/] as const),
    ],
    [
      'a dataset that is compacted',
      view({}, topic({ ...KEPT, 'cleanup.policy': 'compact' })),
      ...(['topic-cleanup', 'fail', /cleanup.policy=compact/] as const),
    ],
    [
      'checkpoints that age',
      view({}, FLIGHTS, topic({ 'cleanup.policy': 'compact,delete' })),
      ...(['topic-cleanup', 'fail', /compact,delete/] as const),
    ],
    [
      'small records only',
      view({}, topic({ ...KEPT, 'max.message.bytes': '1000' })),
      ...(['topic-record-size', 'fail', /=1000/] as const),
    ],
    [
      'elections that lose',
      view({}, topic({ ...KEPT, 'unclean.leader.election.enable': 'true' })),
      ...(['kafka-elections', 'fail', /=true/] as const),
    ],
    [
      'one replica',
      view({}, topic(KEPT, { partitions: [{ replicas: 1, inSync: 1 }] })),
      ...(['topic-replicas', 'fail', /nothing can be written/] as const),
    ],
    [
      'a replica behind',
      view({}, topic(KEPT, { partitions: [THREE, { replicas: 3, inSync: 2 }] })),
      ...(['topic-replicas', 'warn', /1 partitions/] as const),
    ],
    [
      'min.insync.replicas=1',
      view({}, topic({ ...KEPT, 'min.insync.replicas': '1' })),
      ...(['topic-replicas', 'warn', /=1/] as const),
    ],
    [
      'settings that are hidden',
      view({}, { partitions: [THREE] }),
      ...(['topic-retention', 'skip', /DescribeConfigs/] as const),
    ],
  ])('%s', (_name, seen, code, verdict, says) => {
    expect(unwell(seen)).toEqual([{ code, verdict, says: expect.stringMatching(says) }]);
  });

  test('of the newest records only one from the future counts', () => {
    const now = 1_800_000_000_000;
    const at = (newestAt: number) => view({}, topic(KEPT, { newestAt }));
    const judged = (newestAt: number) =>
      newestRecords(at(newestAt), EXPECTED, now).map(({ verdict }) => verdict);
    expect(judged(now - 86_400_000)).toEqual(['ok']);
    expect(judged(now + 4_000)).toEqual(['ok']);
    expect(judged(now + 20_000)).toEqual(['warn']);
    expect(judged(now + 60_000)).toEqual(['fail']);
    expect(newestRecords(view(), EXPECTED, now)).toEqual([]);
  });
});

test('a contract names its topics, in a namespace', async () => {
  const { contract, contractId } = await agreedContract();
  const names = expectedTopics(contract, contractId, 'staging').map(({ name }) => name);
  expect(names).toEqual(
    ['flights', 'aggregates', 'checkpoints', 'challenges', 'evidence'].map(
      (each) => `staging.${contractId}.${each}`,
    ),
  );
});
