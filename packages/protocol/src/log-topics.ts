// More than 300 lines, because what topics are set to and who may do what with them are one table.
import { type Contract, ownersOf, partitionsOf } from './contract.ts';
import type { ContractId, PartyId } from './fields.ts';
import {
  EVIDENCE_RETENTION_BYTES,
  EVIDENCE_RETENTION_MS,
  MESSAGE_BYTES_MAX,
  QUARANTINE_RETENTION_BYTES,
  UNFENCED_COMPACTION_LAG_MS,
} from './limits.ts';
import {
  aggregatesTopic,
  challengesTopic,
  checkpointsTopic,
  datasetTopic,
  evidenceTopic,
  partialsTopic,
  quarantineTopic,
  slicesTopic,
  usesTopic,
} from './record.ts';
import { ownersWithUses } from './use-entry.ts';

/**
 * The topics of a contract: what they are set to, and who does what with them. Whoever makes a
 * topic makes it by this table, ACLs are generated from it, schemas/asyncapi.yaml is held to it.
 */

/** By their names in schemas/asyncapi.yaml. */
export const CHANNELS = [
  'dataset',
  'aggregates',
  'checkpoints',
  'sliceCheckpoints',
  'partials',
  'slices',
  'uses',
  'quarantine',
  'challenges',
  'evidence',
] as const;
export type Channel = (typeof CHANNELS)[number];

export interface LogTopic {
  readonly channel: Channel;
  readonly name: string;
  /** As the contract's parties know it. */
  readonly label: string;
  readonly partitions: number;
  /** Settings under their Kafka names. */
  readonly config: Readonly<Record<string, string>>;
  /** Whose, where it is of one owner. */
  readonly owner?: PartyId;
  readonly slice?: number;
}

export function topicsOf(
  contract: Contract,
  id: ContractId,
  namespace: string,
): readonly LogTopic[] {
  const topic = (channel: Channel, name: string, more: Partial<LogTopic> = {}): LogTopic => ({
    ...{ channel, name, label: channel, partitions: 1, config: TOPIC_CONFIGS[channel] },
    ...more,
  });
  const { slices } = contract;
  const parts = Array.from({ length: slices ?? 0 }, (_none, slice) => slice);
  return [
    ...contract.datasets.map((each) =>
      topic('dataset', datasetTopic(id, each.id, namespace), {
        label: `dataset ${each.id}`,
        partitions: partitionsOf(each),
        owner: each.owner,
      }),
    ),
    topic('aggregates', aggregatesTopic(id, namespace)),
    topic('checkpoints', checkpointsTopic(id, namespace)),
    ...parts.flatMap((slice) => [
      topic('sliceCheckpoints', checkpointsTopic(id, namespace, slice), {
        label: `checkpoints of slice ${slice}`,
        slice,
      }),
      topic('partials', partialsTopic(id, slice, namespace), {
        label: `partials of slice ${slice}`,
        slice,
      }),
    ]),
    ...(slices === undefined
      ? []
      : [topic('slices', slicesTopic(id, namespace), { partitions: slices + 1 })]),
    ...ownersWithUses(contract).flatMap(({ id: owner }) => [
      topic('uses', usesTopic(id, owner, namespace), { label: `uses of ${owner}`, owner }),
      topic('quarantine', quarantineTopic(id, owner, namespace), {
        label: `quarantine of ${owner}`,
        owner,
      }),
    ]),
    topic('challenges', challengesTopic(id, namespace)),
    topic('evidence', evidenceTopic(id, namespace)),
  ];
}

/** Ciphertext does not compress, and a reader refuses what somebody else has compressed. */
const COMMON = {
  'compression.type': 'uncompressed',
  'max.message.bytes': `${MESSAGE_BYTES_MAX}`,
  'unclean.leader.election.enable': 'false',
};
/** Until somebody deletes the topic. */
const KEPT = {
  ...COMMON,
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
};
/**
 * The log keeps the newest of each key, and does not begin with that before a segment is full: of a
 * small one, so that a restart reads little.
 */
const NEWEST = {
  ...COMMON,
  'cleanup.policy': 'compact',
  'segment.bytes': `${8 * 1024 * 1024}`,
  'min.cleanable.dirty.ratio': '0.1',
};
/** Strangers may write: by the broker's time, or a record from the future would stay for ever. */
const BOUNDED = {
  ...COMMON,
  'cleanup.policy': 'delete',
  'retention.ms': `${EVIDENCE_RETENTION_MS}`,
  'retention.bytes': `${EVIDENCE_RETENTION_BYTES}`,
  'segment.bytes': `${EVIDENCE_RETENTION_BYTES / 4}`,
  'message.timestamp.type': 'LogAppendTime',
};

export const TOPIC_CONFIGS: Readonly<Record<Channel, Readonly<Record<string, string>>>> = {
  dataset: KEPT,
  aggregates: KEPT,
  checkpoints: NEWEST,
  sliceCheckpoints: NEWEST,
  partials: KEPT,
  slices: KEPT,
  uses: KEPT,
  // For people, who may be on holiday; and of a size that a flood cannot exceed.
  quarantine: { ...KEPT, 'retention.bytes': `${QUARANTINE_RETENTION_BYTES}` },
  challenges: BOUNDED,
  evidence: BOUNDED,
};

/**
 * Who speaks to the log. Without slices there is one worker; with them one a slice, and one that
 * merges. A host runs whichever of these it is given.
 */
export const ROLE_KINDS = [
  'producer',
  'owner',
  'analyst',
  'auditor',
  'worker',
  'merger',
  'slice',
  'host',
] as const;
export type RoleKind = (typeof ROLE_KINDS)[number];

/** Kafka's operations; Read and Write bring Describe. None of them creates, alters or deletes. */
export type Operation = 'Read' | 'Write' | 'Describe';
type Access = Readonly<Partial<Record<RoleKind, readonly Operation[]>>>;

/** Whoever computes; which of a slice's topics are its own follows from the topic. */
const computing = (...operations: Operation[]) => ({
  worker: operations,
  merger: operations,
  slice: operations,
});
const ASKING: Access = { owner: ['Write'], analyst: ['Write'], auditor: ['Write'] };
const ANSWERED: Access = { owner: ['Read'], analyst: ['Read'], auditor: ['Read'] };

/**
 * Least rights. A producer reads its own streams back; an auditor looks at `strongroom status`,
 * receipts and evidence.
 */
export const TOPIC_ACCESS: Readonly<Record<Channel, Access>> = {
  dataset: {
    producer: ['Read', 'Write'],
    worker: ['Read'],
    slice: ['Read'],
    auditor: ['Describe'],
  },
  aggregates: {
    worker: ['Write'],
    merger: ['Write'],
    owner: ['Read'],
    analyst: ['Read'],
    auditor: ['Read'],
  },
  checkpoints: { worker: ['Read', 'Write'], merger: ['Read', 'Write'], auditor: ['Read'] },
  sliceCheckpoints: { slice: ['Read', 'Write'] },
  partials: { slice: ['Write'], merger: ['Read'] },
  slices: { host: ['Read'] },
  uses: { ...computing('Write'), owner: ['Read'] },
  quarantine: { ...computing('Write'), owner: ['Read'], auditor: ['Describe'] },
  challenges: { worker: ['Read'], merger: ['Read'], ...ASKING },
  evidence: { worker: ['Write'], merger: ['Write'], ...ANSWERED },
};

export type OtherResource = 'TransactionalId' | 'Group';
export const OTHER_ACCESS: Readonly<Record<OtherResource, Access>> = {
  TransactionalId: computing('Write'),
  Group: { host: ['Read'] },
};

export interface Right {
  /** `worker`, `slice:0`, `producer:north`, … */
  readonly role: string;
  readonly resource: 'Topic' | OtherResource;
  readonly name: string;
  readonly operation: Operation;
}

/** What every role needs, and nothing more, in the order of roles and then of topics. */
export function rightsOf(contract: Contract, id: ContractId, namespace: string): readonly Right[] {
  const places = placesOf(contract, id, namespace);
  const rights = rolesOf(contract).flatMap((role) => rightsOfRole(role, places));
  if (contract.slices === undefined) return rights;
  // A host may be given any part.
  const parts = rights.filter(({ role }) => role === 'merger' || role.startsWith('slice:'));
  const ofHost = [...parts.map((each) => ({ ...each, role: 'host' })), ...rights].filter(
    ({ role }) => role === 'host',
  );
  return [...rights.filter(({ role }) => role !== 'host'), ...distinct(ofHost)];
}

export function rolesOf(contract: Contract): string[] {
  const owners = ownersOf(contract).map(({ id }) => id);
  const readers = new Set(contract.queries.flatMap((query) => query.readers));
  const { slices } = contract;
  return [
    ...owners.map((owner) => `producer:${owner}`),
    ...owners.map((owner) => `owner:${owner}`),
    ...[...readers].map((reader) => `analyst:${reader}`),
    'auditor',
    ...(slices === undefined
      ? ['worker']
      : ['merger', ...Array.from({ length: slices }, (_none, slice) => `slice:${slice}`), 'host']),
  ];
}

/** The topics that a role has rights to: those that it makes where nobody has made them. */
export function topicsOfRole(
  role: string,
  contract: Contract,
  id: ContractId,
  namespace: string,
): LogTopic[] {
  const own = new Set(
    rightsOf(contract, id, namespace)
      .filter((right) => right.role === role && right.resource === 'Topic')
      .map(({ name }) => name),
  );
  return topicsOf(contract, id, namespace).filter(({ name }) => own.has(name));
}

/**
 * A topic of a log that has no transactions, and so fences nobody: a worker that slept may write an
 * old checkpoint behind a newer one, which it must not hide before a successor has read both.
 */
export function withoutFence(topic: LogTopic): LogTopic {
  if (topic.channel !== 'checkpoints') return topic;
  const lag = { 'min.compaction.lag.ms': `${UNFENCED_COMPACTION_LAG_MS}` };
  return { ...topic, config: { ...topic.config, ...lag } };
}

/** The role of a worker. @param slice whose, in a contract with slices; absent: what merges */
export function workerRole({ slices }: Pick<Contract, 'slices'>, slice?: number): string {
  if (slice !== undefined) return `slice:${slice}`;
  return slices === undefined ? 'worker' : 'merger';
}

/** Whoever writes under it next fences who did before. */
export function transactionalIdOf(id: ContractId, namespace: string, slice?: number): string {
  return `strongroom-worker.${namespace}.${id}${slice === undefined ? '' : `.${slice}`}`;
}

/** Hosts share out slices in it. */
export function hostGroupOf(id: ContractId, namespace: string): string {
  return `strongroom-host.${namespace}.${id}`;
}

interface Place {
  readonly resource: Right['resource'];
  readonly name: string;
  readonly access: Access;
  readonly owner?: PartyId;
  readonly slice?: number;
}

function placesOf(contract: Contract, id: ContractId, namespace: string): Place[] {
  const { slices } = contract;
  const resource = 'TransactionalId' as const;
  const { TransactionalId: own, Group: group } = OTHER_ACCESS;
  const writer = { resource, name: transactionalIdOf(id, namespace) };
  const { slice: ofSlice = [], ...ofOthers } = own;
  return [
    ...topicsOf(contract, id, namespace).map((topic) => ({
      ...topic,
      resource: 'Topic' as const,
      access: TOPIC_ACCESS[topic.channel],
    })),
    { ...writer, access: ofOthers },
    ...Array.from({ length: slices ?? 0 }, (_none, slice) => ({
      ...{ resource, name: transactionalIdOf(id, namespace, slice), slice },
      access: { slice: ofSlice },
    })),
    ...(slices === undefined
      ? []
      : [{ resource: 'Group' as const, name: hostGroupOf(id, namespace), access: group }]),
  ];
}

function rightsOfRole(role: string, places: readonly Place[]): Right[] {
  const [kind, who] = role.split(':');
  const known = ROLE_KINDS.find((each) => each === kind);
  return places.flatMap(({ resource, name, access, owner, slice }) => {
    const whose = known === 'slice' ? slice : owner;
    // What is of one owner or slice is nobody else's; what is of none is for each of a kind.
    const isOthers = who !== undefined && whose !== undefined && `${whose}` !== who;
    const operations = isOthers || known === undefined ? [] : (access[known] ?? []);
    return operations.map((operation) => ({ role, resource, name, operation }));
  });
}

function distinct(rights: readonly Right[]): Right[] {
  const byName = new Map(
    rights.map((right) => [`${right.resource} ${right.name} ${right.operation}`, right]),
  );
  return [...byName.values()];
}
