import { namingRight, toLogError } from './kafka-errors.ts';
import { createClient, type KafkaLogOptions } from './kafka-log.ts';
import type { LogError } from './log-error.ts';

/**
 * Kafka's consumer groups, for one thing alone: to hand out numbers among hosts. The group's topic
 * holds nothing; its partitions are what is handed out. No record is read in a group and no offset
 * committed: what was counted stands in checkpoints, and who may write is decided by fencing. So
 * whatever the group does wrong, late or twice, costs time only.
 */
export interface GroupOptions {
  readonly group: string;
  /** Its partitions are what is handed out. */
  readonly topic: string;
  /** What this host has from now on; all of it, each time. */
  readonly onAssigned: (partitions: readonly number[]) => void;
  /** The client has given up: this host has nothing any more. */
  readonly onLost: (error: unknown) => void;
}

/** A host that says nothing for so long has lost what it had. */
const SESSION_MS = 10_000;
const HEARTBEAT_MS = 2_000;
/** Hosts that have to join anew are waited for so long. */
const REBALANCE_MS = 15_000;
/** What a host has left that says nothing any more has been handed out anew by then. */
export const GROUP_SETTLES_MS = SESSION_MS + REBALANCE_MS;
/** The client asks the group only between two fetches, which wait for records that never come. */
const FETCH_WAIT_MS = 1_000;
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 };

/** @throws ERR_LOG_UNREACHABLE, ERR_LOG_FAILED */
export async function joinKafkaGroup(
  log: KafkaLogOptions,
  { group, topic, onAssigned, onLost }: GroupOptions,
): Promise<{ close(): Promise<void> }> {
  const client = createClient(log, RETRY);
  const consumer = client.kafka.consumer({
    groupId: group,
    sessionTimeout: SESSION_MS,
    heartbeatInterval: HEARTBEAT_MS,
    rebalanceTimeout: REBALANCE_MS,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    // Who follows is for the supervisor of this process to say.
    retry: { ...RETRY, restartOnFailure: async () => false },
  });
  const close = () => client.disconnect([() => consumer.disconnect()]);
  consumer.on('consumer.group_join', ({ payload }) => {
    onAssigned([...(payload.memberAssignment[topic] ?? [])].sort((one, other) => one - other));
  });
  consumer.on('consumer.crash', ({ payload }) => onLost(refusalOf(payload.error, group, topic)));
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: async () => undefined });
  } catch (error) {
    await close();
    throw toLogError(refusalOf(error, group, topic), { brokers: log.brokers.join(',') });
  }
  return { close };
}

/** Kafka asks for one right to the group, and for one to what is handed out in it. */
function refusalOf(error: unknown, group: string, topic: string): LogError {
  const { reason } = toLogError(error).facts;
  const what = reason === 'GROUP_AUTHORIZATION_FAILED' ? { group } : { topic };
  return toLogError(namingRight(error, { right: 'Read', ...what }));
}
