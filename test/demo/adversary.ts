import { randomBytes } from 'node:crypto';
import type { Contract } from '@strongroom/protocol/contract';
import { datasetOf } from '@strongroom/protocol/contract';
import type { ContractId, DatasetId } from '@strongroom/protocol/fields';
import {
  aggregatesTopic,
  checkpointsTopic,
  datasetTopic,
  RECORD_TYPES,
  usesTopic,
} from '@strongroom/protocol/record';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { createStreamSealer, newStreamId, streamStart } from '@strongroom/sealing/seal';

/**
 * The Kafka operator, who has every right on the log and knows every public key. It forges, replays
 * and truncates with the product's own code; all that it lacks are the owners' private keys.
 */

/** A batch in another owner's name: sealed to the right key, signed by the wrong one. */
export async function forgeBatch(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  datasetId: string,
): Promise<void> {
  const dataset = datasetOf(contract, datasetId);
  const { identityJson } = await createIdentity(dataset.owner, { reading: false });
  const { signer } = parseIdentity(identityJson);
  const stream = newStreamId();
  const position = { contract: contractId, dataset: dataset.id, stream, epoch: 0 };
  const sealer = createStreamSealer({
    ...{ contractId, dataset, stream, epoch: 0, point: streamStart(position) },
    ...{ signer, kid: dataset.owner, clock: systemClock },
  });
  const forged = await sealer.seal(randomBytes(4096), { rows: 100, eventTime: null });
  await log.append(datasetTopic(contractId, dataset.id), [forged.record]);
}

/** The first sealed batch of a topic, appended once more. */
export async function replayBatch(
  log: RecordLog,
  contractId: ContractId,
  datasetId: DatasetId,
): Promise<void> {
  const topic = datasetTopic(contractId, datasetId);
  const first = (await readAll(log, topic)).find(isBatch);
  if (!first) throw new Error('there is no batch to replay');
  await log.append(topic, [copyOf(first)]);
}

/**
 * A second view of the log, under another namespace, in which one stream ends early: its newest
 * batches are withheld, its signed manifest is shown.
 */
export async function truncateStream(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  options: { dataset: string; keep: number; namespace: string },
): Promise<void> {
  const topics = contract.datasets.map((each) =>
    datasetTopic(contractId, each.id, options.namespace),
  );
  await log.createTopics(topics.map((topic) => ({ topic })));
  const dataset = datasetOf(contract, options.dataset).id;
  const entries = await readAll(log, datasetTopic(contractId, dataset));
  const all = entries.filter(isBatch);
  const batches = all.slice(0, Math.min(options.keep, all.length - 1));
  const manifests = entries.filter((entry) => entry.headers['ce_type'] === RECORD_TYPES.manifest);
  const last = manifests.at(-1);
  if (!last) throw new Error('there is no manifest to show');
  const shown = [...batches, last].map(copyOf);
  await log.append(datasetTopic(contractId, dataset, options.namespace), shown);
}

/**
 * Shows in the first view what a worker has written in the second: the owners' leases know of it,
 * and whoever goes on has to go on from there.
 */
export async function bringBack(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  namespace: string,
): Promise<void> {
  const owners = ownersWithUses(contract).map(({ id }) => id);
  const topicsIn = (where?: string) => [
    aggregatesTopic(contractId, where),
    checkpointsTopic(contractId, where),
    ...owners.map((owner) => usesTopic(contractId, owner, where)),
  ];
  const [written, shown] = [topicsIn(namespace), topicsIn()];
  await log.createTopics(shown.map((topic) => ({ topic })));
  for (const [index, topic] of shown.entries()) {
    const entries = await readAll(log, written[index] ?? '');
    if (entries.length > 0) await log.append(topic, entries.map(copyOf));
  }
}

export async function readAll(log: RecordLog, topic: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const group of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    entries.push(...group);
  }
  return entries;
}

function isBatch(entry: LogEntry): boolean {
  return entry.headers['ce_type'] === RECORD_TYPES.batch;
}

function copyOf({ key, value, headers }: LogEntry) {
  return { key, value, headers };
}
