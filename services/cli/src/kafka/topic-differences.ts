import type { LogTopic } from '@strongroom/protocol/log-topics';

/**
 * What a topic is, beside what it should be. Nothing here makes the log let go of a record: what
 * would is left to people, with the command.
 */

export interface FoundTopic {
  readonly partitions: number;
  readonly replicas: number;
  /** Settings under their Kafka names. */
  readonly config: ReadonlyMap<string, string>;
}

export interface Difference {
  readonly setting: string;
  readonly is: string;
  readonly should: string;
  /** `set`: --apply does it. `people`: it has a price, and is for people. `harmless`: so told. */
  readonly mend: 'set' | 'people' | 'harmless';
}

export interface TopicVerdict {
  readonly topic: LogTopic;
  readonly state: 'missing' | 'differs' | 'same';
  readonly differences: readonly Difference[];
}

export interface Durability {
  readonly replicas: number;
  /** `min.insync.replicas`: one broker may be away. */
  readonly inSync: number;
}

export function durabilityOf(replicas: number): Durability {
  return { replicas, inSync: Math.max(1, replicas - 1) };
}

export function settingsOf(topic: LogTopic, { inSync }: Durability): Record<string, string> {
  return { ...topic.config, 'min.insync.replicas': `${inSync}` };
}

export function judgeTopic(
  topic: LogTopic,
  found: FoundTopic | undefined,
  durability: Durability,
): TopicVerdict {
  if (!found) return { topic, state: 'missing', differences: [] };
  const differences = [
    ...partitionsOf(topic, found),
    ...replicasOf(found, durability),
    ...Object.entries(settingsOf(topic, durability)).flatMap(([setting, should]) =>
      settingOf(topic, setting, found.config.get(setting) ?? '', should),
    ),
  ].map((each) => afterReplicas(each, found));
  return { topic, state: differences.length > 0 ? 'differs' : 'same', differences };
}

function partitionsOf({ partitions, channel }: LogTopic, found: FoundTopic): Difference[] {
  if (found.partitions === partitions) return [];
  // Records are placed by number, so more change nothing; but hosts share out all there are.
  const surplus = channel === 'slices' ? 'people' : 'harmless';
  const mend = found.partitions < partitions ? 'set' : surplus;
  return [{ setting: 'partitions', is: `${found.partitions}`, should: `${partitions}`, mend }];
}

function replicasOf(found: FoundTopic, { replicas }: Durability): Difference[] {
  if (found.replicas >= replicas) return [];
  const facts = { is: `${found.replicas}`, should: `${replicas}` };
  return [{ setting: 'replication.factor', ...facts, mend: 'people' }];
}

/** Where more than what is wanted is as good. */
const AT_LEAST: ReadonlySet<string> = new Set(['max.message.bytes', 'min.insync.replicas']);
/** Producers do not compress: what keeps their own way stores them as they are. */
const AS_GOOD: Readonly<Record<string, readonly string[]>> = { 'compression.type': ['producer'] };

function settingOf(topic: LogTopic, setting: string, is: string, should: string): Difference[] {
  if (is === should || AS_GOOD[setting]?.includes(is)) return [];
  if (AT_LEAST.has(setting) && Number(is) >= Number(should)) return [];
  const mend = letsGo(topic, setting, is, should) ? 'people' : 'set';
  return [{ setting, is, should, mend }];
}

/** Nobody could write any more where more of them have to be in step than there are. */
function afterReplicas(difference: Difference, { replicas }: FoundTopic): Difference {
  const { setting, should } = difference;
  const isTooEarly = setting === 'min.insync.replicas' && Number(should) > replicas;
  return isTooEarly ? { ...difference, mend: 'people' } : difference;
}

/** Whether Kafka would drop records for it that it keeps now. */
function letsGo({ config }: LogTopic, setting: string, is: string, should: string): boolean {
  if (setting === 'cleanup.policy') {
    const added = should.split(',').filter((each) => !is.split(',').includes(each));
    const isBounded = BOUNDS.some((bound) => (config[bound] ?? FOR_EVER) !== FOR_EVER);
    return added.includes('compact') || (added.includes('delete') && isBounded);
  }
  if (!BOUNDS.includes(setting) || should === FOR_EVER) return false;
  return is === FOR_EVER || Number(should) < Number(is);
}

const BOUNDS = ['retention.ms', 'retention.bytes'];
const FOR_EVER = '-1';
