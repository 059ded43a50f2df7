import { isIP } from 'node:net';
import {
  AclOperations,
  AclPermissionTypes,
  Admin,
  ConfigResourceTypes,
  FindCoordinatorKeyTypes,
  GenericError,
  ListOffsetTimestamps,
  MultipleErrors,
  ResourcePatternTypes,
  ResourceTypes,
  type SASLOptions,
} from '@platformatic/kafka';
import type { KafkaConnection, KafkaSasl } from '@strongroom/record-log/kafka-connection';
import { tlsOptionsOf } from '@strongroom/record-log/tls-options';

/**
 * What a cluster says of itself. The one file of this command that knows @platformatic/kafka: the
 * log's own client asks for no settings and no ACLs, and hides what a broker is able to.
 * Nothing is written to the cluster.
 */
export interface KafkaView {
  readonly brokers: number;
  /** Newest version of each request that the broker knows. */
  readonly apis: ReadonlyMap<string, number>;
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
  { brokers, clientId, tls, sasl }: KafkaConnection,
  names: readonly string[],
  timeoutMs: number,
): Promise<KafkaView> {
  const admin = new Admin({
    clientId,
    bootstrapBrokers: [...brokers],
    ...(tls && { tls: tlsOptionsOf(tls), tlsServerName: brokers.every(hasName) }),
    ...(sasl && { sasl: saslOptionsOf(sasl) }),
    connectTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    retries: 1,
    retryDelay: RETRY_MS,
    autocreateTopics: false,
  });
  try {
    const apis = await admin.listApis();
    const listed = new Set(await admin.listTopics());
    const present = names.filter((name) => listed.has(name));
    const metadata = await admin.metadata({ topics: present });
    const problem = await problemOf(() => findCoordinator(admin));
    return {
      brokers: metadata.brokers.size,
      apis: new Map(apis.map(({ name, maxVersion }) => [name, maxVersion])),
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

function saslOptionsOf(sasl: KafkaSasl): SASLOptions {
  const { mechanism } = sasl;
  if (mechanism === 'OAUTHBEARER') return { mechanism, token: () => sasl.tokens.next() };
  return { mechanism, username: sasl.username, password: sasl.password.reveal() };
}

/** RFC 6066 section 3: an address is no name to be told. */
function hasName(server: string): boolean {
  return isIP(server.slice(0, server.lastIndexOf(':'))) === 0;
}

const RETRY_MS = 200;

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

async function configOf(admin: Admin, name: string): Promise<Map<string, string>> {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: name };
  const [described] = await admin.describeConfigs({ resources: [resource] });
  return new Map((described?.configs ?? []).map((each) => [each.name, each.value ?? '']));
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
  const filter = {
    resourceType: ResourceTypes.TOPIC,
    resourceName: null,
    resourcePatternType: ResourcePatternTypes.ANY,
    principal: null,
    host: null,
    operation: AclOperations.ANY,
    permissionType: AclPermissionTypes.ANY,
  };
  try {
    const found = await admin.describeAcls({ filter });
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

/** Kafka's own name of an error, wherever the client has put it. */
function kafkaCodeOf(error: unknown): string | undefined {
  if (error instanceof MultipleErrors) return firstOf(error.errors);
  if (!(error instanceof GenericError)) return undefined;
  const { apiId } = error;
  return typeof apiId === 'string' ? apiId : firstOf([error.cause]);
}

function firstOf(errors: readonly unknown[]): string | undefined {
  for (const each of errors) {
    const code = kafkaCodeOf(each);
    if (code !== undefined) return code;
  }
  return undefined;
}
