import { readFile } from 'node:fs/promises';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { codeOf } from '@strongroom/protocol/errors';
import {
  aggregatesTopic,
  checkpointsTopic,
  datasetTopic,
  RECORD_TYPES,
  SEAL_HEADER,
  usesTopic,
} from '@strongroom/protocol/record';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { systemClock } from '@strongroom/runtime/clock';
import { parseIdentity } from '@strongroom/sealing/identity';
import { claimedAggregate } from '@strongroom/sealing/open';
import { claimedUse } from '@strongroom/sealing/open-use';
import { readAggregates } from '../../services/analyst/src/read-aggregates.ts';
import { identityFile, platformFolder } from '../deployment/organisations.ts';
import type { Deployment } from '../deployment/pipeline.ts';
import { fingerprint } from './fingerprint.ts';
import type { Anomaly, Counts, History, ResultCopy, Stored } from './history.ts';
import type { Publisher } from './publisher.ts';
import type { Reader } from './readers.ts';
import { decodeCounts, expectedRows, READER, RESULTS } from './rows.ts';
import { readSegments, type StoredRecord } from './segments.ts';
import type { Workers } from './workers.ts';
import type { World } from './world.ts';

interface Witnesses {
  readonly workers: Workers;
  readonly publisher: Publisher;
  readonly reader: Reader;
}

/** When all is over: what everybody saw, what lies on the disk, and what the results say. */
export async function gatherHistory(
  world: World,
  deployment: Deployment,
  { workers, publisher, reader }: Witnesses,
): Promise<{ history: History; refused: Anomaly[] }> {
  const { contract, contractId } = deployment.agreement;
  const { namespace } = deployment;
  const results = aggregatesTopic(contractId, namespace);
  const uses = ownersWithUses(contract).map(({ id }) => usesTopic(contractId, id, namespace));
  const steps = [...uses, checkpointsTopic(contractId, namespace)];
  const datasets = contract.datasets.map(({ id }) => datasetTopic(contractId, id, namespace));
  await reader.readWhole();
  const records: StoredRecord[] = [];
  for (const topic of [results, ...steps, ...datasets]) {
    records.push(...(await readSegments(world.node.dataFolder, topic)));
  }
  const { counts, refused } = await countRows(world, deployment);
  // Of checkpoints the log keeps the newest.
  const committed = workers.commits().filter(({ topic }) => [results, ...uses].includes(topic));
  const history = {
    acknowledged: [
      ...publisher.acknowledged,
      ...committed.map(({ pid, topic, values }) => ({ writer: `worker-${pid}`, topic, values })),
    ],
    stored: records.map(storedOf),
    polls: reader.polls,
    results: records.filter(({ topic }) => topic === results).flatMap(copyOf),
    counts,
    windows: RESULTS,
  };
  return { history, refused };
}

/** The reader's own library: nothing counts that it does not believe. */
async function countRows(
  world: World,
  { folders, agreement, namespace }: Deployment,
): Promise<{ counts: Counts[]; refused: Anomaly[] }> {
  const expected = expectedRows(world.rows);
  const counts: Counts[] = [];
  const refused: Anomaly[] = [];
  const log = await connectKafkaLog({ brokers: [world.node.address], clientId: 'faults' });
  try {
    const identity = parseIdentity(await readFile(identityFile(folders, READER), 'utf8'));
    for await (const reading of readAggregates({
      ...{ contract: agreement.contract, contractId: agreement.contractId, identity, log },
      ...{ clock: systemClock, roots: simulatedRoots(platformFolder(folders)) },
      ...(namespace === undefined ? {} : { namespace }),
    })) {
      if (reading.kind === 'refused') {
        refused.push({ kind: 'refused-result', facts: { code: reading.code } });
      }
      if (reading.kind !== 'result') continue;
      const { seal, content, columns } = reading.result;
      const groups = Array.from({ length: content.rows }, (_, row) =>
        Object.fromEntries(columns.map(({ name, cells }) => [name, cells[row]])),
      );
      const window = seal.window?.start ?? null;
      const wanted = expected.get(window) ?? new Set<string>();
      counts.push({ query: seal.query, window, expected: wanted, found: decodeCounts(groups) });
    }
  } catch (error) {
    refused.push({ kind: 'refused-result', facts: { code: codeOf(error) ?? String(error) } });
  } finally {
    await log.close();
  }
  return { counts, refused };
}

function storedOf(record: StoredRecord): Stored {
  const { topic, offset, state } = record;
  const [place, step] = [placeOf(record), stepOf(record)];
  return {
    ...{ topic, offset, state, value: fingerprint(record) },
    ...(place ? { place } : {}),
    ...(step ? { step } : {}),
  };
}

/** Epoch and number of the checkpoint that left with a record, as the record itself says. */
function stepOf(record: StoredRecord): string | undefined {
  const { ce_type: type, ce_id: id, [SEAL_HEADER]: seal = '' } = record.headers;
  if (type === RECORD_TYPES.checkpoint) return id;
  const claims = (({ epoch, checkpoint }) => `${epoch}.${checkpoint}`) satisfies Claims;
  if (type === RECORD_TYPES.aggregate) return claims(claimedAggregate(record));
  if (type === RECORD_TYPES.use) return claims(claimedUse(seal));
  return undefined;
}

type Claims = (seal: { readonly epoch: number; readonly checkpoint: number }) => string;

/** Where a record says that it stands among those of its kind. */
function placeOf({ headers }: StoredRecord): { line: string; number: number } | undefined {
  const [, line = '', number] = /^(.+)\.(\d+)$/.exec(headers['ce_id'] ?? '') ?? [];
  const type = headers['ce_type'];
  if (number === undefined) return undefined;
  if (type === RECORD_TYPES.batch) return { line: `batches of ${line}`, number: Number(number) };
  if (type === RECORD_TYPES.checkpoint) return { line: 'checkpoints', number: Number(number) };
  return undefined;
}

function copyOf(record: StoredRecord): ResultCopy[] {
  const { headers, offset, state } = record;
  if (headers['ce_type'] !== RECORD_TYPES.aggregate) return [];
  const { query, reader, emission, window } = claimedAggregate(record);
  const value = fingerprint(record);
  return [{ query, reader, emission, window: window?.start ?? null, offset, value, state }];
}
