import {
  type Admin,
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
} from '@platformatic/kafka';
import { byAdminRight } from './admin-client.ts';
import {
  type Durability,
  type FoundTopic,
  settingsOf,
  type TopicVerdict,
} from './topic-differences.ts';

/** Topics and their settings on a cluster. Nothing here deletes anything. */

/** Those of the names that are there, and that this principal may see. */
export async function describeTopics(
  admin: Admin,
  names: readonly string[],
): Promise<Map<string, FoundTopic>> {
  const listed = new Set(await admin.listTopics());
  const present = names.filter((name) => listed.has(name));
  const { topics } = await admin.metadata({ topics: present });
  const found = await Promise.all(
    present.map(async (name): Promise<[string, FoundTopic]> => {
      const partitions = topics.get(name)?.partitions ?? [];
      const replicas = Math.min(...partitions.map((each) => each.replicas.length));
      const config = await configOf(admin, name);
      return [name, { partitions: partitions.length, replicas, config }];
    }),
  );
  return new Map(found);
}

/** Settings under their Kafka names. */
export async function configOf(admin: Admin, topic: string): Promise<Map<string, string>> {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
  const [described] = await byAdminRight({ right: 'DescribeConfigs', topic }, () =>
    admin.describeConfigs({ resources: [resource] }),
  );
  return new Map((described?.configs ?? []).map(({ name, value }) => [name, value ?? '']));
}

export async function createTopic(
  admin: Admin,
  { topic }: TopicVerdict,
  durability: Durability,
): Promise<void> {
  const { name, partitions } = topic;
  const configs = Object.entries(settingsOf(topic, durability)).map(([setting, value]) => ({
    ...{ name: setting, value },
  }));
  const { replicas } = durability;
  await byAdminRight({ right: 'Create', topic: name }, () =>
    admin.createTopics({ topics: [{ topic: name, partitions, replicas }], configs }),
  );
}

/** Sets what --apply may set; all other settings of the topic stay. */
export async function alterTopic(
  admin: Admin,
  { topic, differences }: TopicVerdict,
): Promise<void> {
  const { name, partitions } = topic;
  const toSet = differences.filter(({ mend }) => mend === 'set');
  const settings = toSet.filter(({ setting }) => setting !== 'partitions');
  if (settings.length > 0) {
    const configs = settings.map(({ setting, should }) => ({
      ...{ name: setting, value: should },
      configOperation: IncrementalAlterConfigOperationTypes.SET,
    }));
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configs };
    await byAdminRight({ right: 'AlterConfigs', topic: name }, () =>
      admin.incrementalAlterConfigs({ resources: [resource] }),
    );
  }
  if (settings.length < toSet.length) {
    await byAdminRight({ right: 'Alter', topic: name }, () =>
      admin.createPartitions({ topics: [{ name, count: partitions }] }),
    );
  }
}
