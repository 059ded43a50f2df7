/** Names of Kafka's api keys, for failpoints. */
const API_NAMES: Readonly<Record<number, string>> = {
  0: 'Produce',
  1: 'Fetch',
  2: 'ListOffsets',
  3: 'Metadata',
  10: 'FindCoordinator',
  18: 'ApiVersions',
  19: 'CreateTopics',
  22: 'InitProducerId',
  24: 'AddPartitionsToTxn',
  26: 'EndTxn',
};

export function requestName(apiKey: number): string {
  return API_NAMES[apiKey] ?? `api ${apiKey}`;
}
