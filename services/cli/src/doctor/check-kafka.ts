import type { Contract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { RECORD_BYTES_MAX } from '@strongroom/protocol/limits';
import { type Channel, topicsOf } from '@strongroom/protocol/log-topics';
import { type Finding, fail, ok, skip, warn } from './checks.ts';
import { judgeClock } from './judge-clock.ts';
import type { KafkaView, TopicView } from './kafka-view.ts';

/** A topic of the contract, and what may happen to its records. */
export interface ExpectedTopic {
  readonly name: string;
  /** As the contract's parties know it. */
  readonly label: string;
  /** `all`: never let go of; `newest`: compacted; `some`: of bounded size by intent. */
  readonly keeps: 'all' | 'newest' | 'some';
}

const KEEPS: Readonly<Partial<Record<Channel, ExpectedTopic['keeps']>>> = {
  checkpoints: 'newest',
  sliceCheckpoints: 'newest',
  quarantine: 'some',
  challenges: 'some',
  evidence: 'some',
};

export function expectedTopics(
  contract: Contract,
  id: ContractId,
  namespace: string,
): readonly ExpectedTopic[] {
  return topicsOf(contract, id, namespace).map(({ name, label, channel }) => ({
    ...{ name, label, keeps: KEEPS[channel] ?? 'all' },
  }));
}

export function checkKafka(view: KafkaView, expected: readonly ExpectedTopic[]): Finding[] {
  const topics = expected.flatMap((topic) => {
    const found = view.topics.get(topic.name);
    return found ? checkTopic(topic, found) : [];
  });
  return [
    ok('kafka-reachable', `${view.brokers} ${view.brokers === 1 ? 'broker' : 'brokers'}`),
    version(view),
    replicas(view.brokers),
    transactions(view),
    ...missing(view, expected),
    ...topics,
    acls(view.acls),
  ];
}

/** Requests whose newest version came with a release of Kafka, newest first. */
const RELEASES = [
  ['Produce', 13, '4.1'],
  ['Produce', 12, '4.0'],
  ['Fetch', 17, '3.9'],
  ['Fetch', 16, '3.7'],
  ['Fetch', 15, '3.5'],
  ['Fetch', 13, '3.1'],
  ['Fetch', 12, '2.7'],
] as const;

function version({ apis }: KafkaView): Finding {
  const speaks = RELEASES.find(([api, newest]) => (apis.get(api) ?? -1) >= newest);
  if (!speaks) return warn('kafka-version', 'the protocol is older than that of Kafka 2.7');
  const [, , release] = speaks;
  const says = `speaks the protocol of Kafka ${release}${release === '4.1' ? ' or newer' : ''}`;
  return (release.startsWith('4') ? ok : warn)('kafka-version', says);
}

const REPLICAS = 3;
const IN_SYNC = 2;

function replicas(brokers: number): Finding {
  const says = `${brokers} of ${REPLICAS} brokers that ${REPLICAS} replicas need`;
  return brokers >= REPLICAS
    ? ok('kafka-replicas', `${brokers} brokers`)
    : warn('kafka-replicas', says);
}

function transactions({ apis, usesTransactions, transactionsProblem }: KafkaView): Finding {
  if (!usesTransactions) {
    return skip('kafka-transactions', 'strongroom.transactions=none: they are not used');
  }
  if (!apis.has('InitProducerId')) return fail('kafka-transactions', 'it has no transactions');
  if (transactionsProblem !== undefined) {
    return fail('kafka-transactions', `no coordinator: ${transactionsProblem}`);
  }
  return ok('kafka-transactions', 'a coordinator answers');
}

function missing(view: KafkaView, expected: readonly ExpectedTopic[]): Finding[] {
  if (expected.length === 0) return [skip('topic-there', 'no contract: --contract')];
  const gone = expected.filter(({ name }) => !view.topics.has(name));
  const count = `${expected.length - gone.length} of ${expected.length} topics`;
  if (gone.length === 0) return [ok('topic-there', count)];
  const labels = gone.map(({ label }) => label).join(', ');
  return [warn('topic-there', `${count}; not there or not shown: ${labels}`)];
}

function checkTopic(topic: ExpectedTopic, view: TopicView): Finding[] {
  const { config } = view;
  const seen = config
    ? [cleanup(topic, config), retention(topic, config), recordSize(topic, config)]
    : [skip('topic-retention', `${topic.label}: its settings may not be seen (DescribeConfigs)`)];
  return [inStep(topic, view), ...seen, ...(config ? [elections(topic, config)] : [])];
}

type Config = ReadonlyMap<string, string>;

function inStep({ label }: ExpectedTopic, { partitions, config }: TopicView): Finding {
  const code = 'topic-replicas';
  const fewest = Math.min(...partitions.map((each) => each.replicas));
  const behind = partitions.filter((each) => each.inSync < each.replicas).length;
  const least = Number(config?.get('min.insync.replicas') ?? IN_SYNC);
  const says = `${label}: ${fewest} replicas, min.insync.replicas=${least}`;
  if (partitions.some(({ inSync }) => inSync < least)) {
    return fail(code, `${says}; too few are in step, nothing can be written`);
  }
  if (behind > 0) return warn(code, `${says}; ${behind} partitions with a replica that is behind`);
  return (fewest >= REPLICAS && least >= IN_SYNC ? ok : warn)(code, says);
}

function cleanup({ label, keeps }: ExpectedTopic, config: Config): Finding {
  const policy = config.get('cleanup.policy') ?? '';
  const says = `${label}: cleanup.policy=${policy}`;
  const isRight = policy === (keeps === 'newest' ? 'compact' : 'delete');
  return (isRight ? ok : fail)('topic-cleanup', says);
}

const FOR_EVER = '-1';

function retention({ label, keeps }: ExpectedTopic, config: Config): Finding {
  const time = config.get('retention.ms') ?? '';
  const size = config.get('retention.bytes') ?? '';
  const says = `${label}: retention.ms=${time}, retention.bytes=${size}`;
  // What is only compacted has neither; what is bounded by intent may have both.
  const isKept = keeps !== 'all' || (time === FOR_EVER && size === FOR_EVER);
  return (isKept ? ok : fail)('topic-retention', says);
}

function recordSize({ label }: ExpectedTopic, config: Config): Finding {
  const bytes = Number(config.get('max.message.bytes'));
  const says = `${label}: max.message.bytes=${bytes}`;
  return (bytes >= RECORD_BYTES_MAX ? ok : fail)('topic-record-size', says);
}

function elections({ label, keeps }: ExpectedTopic, config: Config): Finding {
  const value = config.get('unclean.leader.election.enable') ?? 'false';
  const says = `${label}: unclean.leader.election.enable=${value}`;
  if (value === 'false') return ok('kafka-elections', says);
  return (keeps === 'some' ? warn : fail)('kafka-elections', says);
}

function acls(found: KafkaView['acls']): Finding {
  if (found === 'hidden') return skip('kafka-acls', 'this principal may not see them');
  if (found === 'no-authorizer') {
    return warn('kafka-acls', 'no authorizer: whoever reaches a broker may write and delete');
  }
  const says = `${found} ${found === 1 ? 'ACL concerns' : 'ACLs concern'} topics`;
  return (found > 0 ? ok : warn)('kafka-acls', says);
}

/** Times in records are those of who wrote them: one from the future shows a clock that is off. */
export function newestRecords(
  view: KafkaView,
  expected: readonly ExpectedTopic[],
  now: number,
): Finding[] {
  const ages = expected.flatMap(({ name, label }) => {
    const newestAt = view.topics.get(name)?.newestAt;
    return newestAt === undefined ? [] : [{ label, ahead: newestAt - now }];
  });
  const [first] = ages.toSorted((one, other) => other.ahead - one.ahead);
  if (!first) return [];
  return [judgeClock('clock-kafka', `newest record, ${first.label}`, Math.max(0, first.ahead))];
}
