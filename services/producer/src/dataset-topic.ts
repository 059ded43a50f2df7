import { partitionsOf } from '@strongroom/protocol/contract';
import { TOPIC_CONFIGS } from '@strongroom/protocol/log-topics';
import { datasetTopic } from '@strongroom/protocol/record';
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
  await log.createTopics([{ topic, partitions, config: TOPIC_CONFIGS.dataset }]);
  return topic;
}
