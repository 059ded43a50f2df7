import { partitionsOf } from '@strongroom/protocol/contract';
import { datasetTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Agreement } from './agreement.ts';

/** Ciphertext does not compress, and a dataset is kept until somebody deletes its topic. */
const TOPIC_CONFIG = {
  'cleanup.policy': 'delete',
  'compression.type': 'uncompressed',
  'retention.ms': '-1',
};

/** Makes the dataset's topic, unless it is there. @returns its name */
export async function createDatasetTopic(
  log: RecordLog,
  { contractId, dataset }: Agreement,
  namespace: string | undefined,
): Promise<string> {
  const topic = datasetTopic(contractId, dataset.id, namespace);
  await log.createTopics([{ topic, partitions: partitionsOf(dataset), config: TOPIC_CONFIG }]);
  return topic;
}
