import { type Admin, FindCoordinatorKeyTypes, ListOffsetTimestamps } from '@platformatic/kafka';
import type { KafkaConnection } from '@strongroom/record-log/kafka-connection';
import { everyAclOn } from '../kafka/acl-admin.ts';
import { kafkaCodeOf, openAdmin } from '../kafka/admin-client.ts';
import { configOf } from '../kafka/topic-admin.ts';

/**
 * What a cluster says of itself: the log's own client hides what a broker is able to. Nothing is
 * written to the cluster.
 */
export interface KafkaView {
  readonly brokers: number;
  /** Newest version of each request that the broker knows. */
  readonly apis: ReadonlyMap<string, number>;
  /** By the file of settings: there are none, or they are not used. */
  readonly usesTransactions: boolean;
  /** Undefined when it answered, else Kafka's name for what is wrong. */
  readonly transactionsProblem?: string;
  readonly topics: ReadonlyMap<string, TopicView>;
  /** How many ACLs concern topics; or why nobody can say. */
  readonly acls: number | 'no-authorizer' | 'hidden';
}

export interface TopicView {
  readonly partitions: readonly { readonly replicas: number; readonly inSync: number }[];
  /** Settings under their Kafka names; absent when this principal may not see them. */
  readonly config?: ReadonlyMap<string, string>;
  /** Time of its newest record, milliseconds since 1970; absent for an empty topic. */
  readonly newestAt?: number;
}

/** @throws what the client throws when no broker answers */
export async function viewKafka(
  connection: KafkaConnection,
  names: readonly string[],
  timeoutMs: number,
): Promise<KafkaView> {
  const admin = openAdmin(connection, timeoutMs);
  try {
    const apis = await admin.listApis();
    const listed = new Set(await admin.listTopics());
    const present = names.filter((name) => listed.has(name));
    const metadata = await admin.metadata({ topics: present });
    const usesTransactions = connection.transactions !== 'none';
    const problem = usesTransactions ? await problemOf(() => findCoordinator(admin)) : undefined;
    return {
      brokers: metadata.brokers.size,
      apis: new Map(apis.map(({ name, maxVersion }) => [name, maxVersion])),
      usesTransactions,
      ...(problem === undefined ? {} : { transactionsProblem: problem }),
      topics: new Map(
        await Promise.all(
          present.map(async (name): Promise<[string, TopicView]> => {
            const partitions = metadata.topics.get(name)?.partitions ?? [];
            return [name, await viewTopic(admin, name, partitions)];
          }),
        ),
      ),
      acls: await countAcls(admin),
    };
  } finally {
    await admin.close();
  }
}

/** Any id has a coordinator; asking for it opens no transaction. */
async function findCoordinator(admin: Admin): Promise<void> {
  const keyType = FindCoordinatorKeyTypes.TRANSACTION;
  await admin.findCoordinator({ keyType, keys: ['strongroom-doctor'] });
}

async function viewTopic(
  admin: Admin,
  name: string,
  partitions: readonly { readonly replicas: number[]; readonly isr: number[] }[],
): Promise<TopicView> {
  const config = await orUndefined(() => configOf(admin, name));
  const newestAt = await orUndefined(() => newestIn(admin, name, partitions.length));
  return {
    partitions: partitions.map(({ replicas, isr }) => ({
      replicas: replicas.length,
      inSync: isr.length,
    })),
    ...(config === undefined ? {} : { config }),
    ...(newestAt === undefined ? {} : { newestAt }),
  };
}

async function newestIn(admin: Admin, name: string, count: number): Promise<number | undefined> {
  const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
    partitionIndex,
    timestamp: ListOffsetTimestamps.MAX,
  }));
  const [listed] = await admin.listOffsets({ topics: [{ name, partitions }] });
  const newest = Math.max(...(listed?.partitions ?? []).map(({ timestamp }) => Number(timestamp)));
  return newest > 0 ? newest : undefined;
}

async function countAcls(admin: Admin): Promise<KafkaView['acls']> {
  try {
    const found = await admin.describeAcls({ filter: everyAclOn('TOPIC') });
    return found.reduce((count, { acls }) => count + acls.length, 0);
  } catch (error) {
    return kafkaCodeOf(error) === 'SECURITY_DISABLED' ? 'no-authorizer' : 'hidden';
  }
}

async function orUndefined<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}

async function problemOf(ask: () => Promise<void>): Promise<string | undefined> {
  try {
    await ask();
    return undefined;
  } catch (error) {
    return kafkaCodeOf(error) ?? 'no answer';
  }
}
