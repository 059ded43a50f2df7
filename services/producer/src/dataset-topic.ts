import { partitionsOf } from '@strongroom/protocol/contract';
import { DATASET_TOPIC_CONFIG, datasetTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Agreement } from './agreement.ts';

/** Makes the dataset's topic, unless it is there. @returns its name */
export async function createDatasetTopic(
  log: RecordLog,
  { contractId, dataset }: Agreement,
  namespace: string | undefined,
): Promise<string> {
  const topic = datasetTopic(contractId, dataset.id, namespace);
  const partitions = partitionsOf(dataset);
  await log.createTopics([{ topic, partitions, config: DATASET_TOPIC_CONFIG }]);
  return topic;
}
