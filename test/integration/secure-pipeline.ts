import { type Result, readResults } from '@strongroom/analyst';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { openProducer } from '@strongroom/producer';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { identityFile, platformFolder } from '../deployment/organisations.ts';
import {
  contractFile,
  type Deployment,
  prepareTopics,
  publish,
  startWorker,
  stateFolder,
  workerSummary,
} from '../deployment/pipeline.ts';
import { closeDeployment, openDeployment } from './open-deployment.ts';
import { PLACES, READER, VISITS_PLAN, writeVisits } from './visits.ts';

/** Files of Kafka's settings: who speaks, and how it is known. */
export interface Files {
  readonly producer: string;
  readonly worker: string;
  readonly analyst: string;
}

export const ROWS_EACH = 2_000;

/**
 * Producers, worker and analyst over one Kafka, each by a file of its own: by a command and by a
 * program, and one owner's rows come from a plain topic of that Kafka.
 */
export async function wholePath(files: Files): Promise<{ rowsCounted: number; results: Result[] }> {
  const connection = await readKafkaConnection({ kafkaConfig: files.producer }, 'whole-path');
  const { base, organisations } = await openDeployment(VISITS_PLAN, connection);
  const deployment: Deployment = { ...base, agreement: organisations };
  try {
    await prepareTopics(deployment);
    await publishAll(deployment, files.producer);
    const worker = startWorker(deployment, 'worker', [
      '--until-complete',
      '--kafka-config',
      files.worker,
    ]);
    const { rowsCounted } = await workerSummary(worker);
    return { rowsCounted, results: await resultsOf(deployment, files.analyst) };
  } finally {
    await closeDeployment(deployment);
  }
}

async function publishAll(deployment: Deployment, kafkaConfig: string): Promise<void> {
  const { folders, log } = deployment;
  const [north, south, places] = await writeVisits(folders.run, ROWS_EACH);
  if (!north || !south || !places) throw new Error('three owners');
  const theirs = { topic: 'places-of-others', partitions: 2 };
  await log.createTopics([theirs]);
  for (const place of Array.from({ length: PLACES }, (_, at) => at)) {
    const row = { place: `place-${place}`, district: `district-${place % 2}` };
    const record = { key: null, headers: {}, value: Buffer.from(JSON.stringify(row)) };
    await log.append(theirs.topic, [record], place % theirs.partitions);
  }
  const config = ['--kafka-config', kafkaConfig];
  const source = `kafka:///${theirs.topic}`;
  await Promise.all([
    publish(deployment, north, config),
    publish(deployment, { ...places, source }, [...config, '--source-kafka-config', kafkaConfig]),
    publishByProgram(deployment, south, kafkaConfig),
  ]);
}

async function publishByProgram(
  deployment: Deployment,
  { dataset, owner, source }: { dataset: string; owner: string; source: string },
  kafkaConfig: string,
): Promise<void> {
  const { folders } = deployment;
  await using publisher = await openProducer({
    contract: contractFile(deployment),
    identity: identityFile(folders, owner),
    state: stateFolder(deployment, dataset),
    ...{ dataset, kafkaConfig },
  });
  await publisher.publish(source, { final: true });
}

async function resultsOf(deployment: Deployment, kafkaConfig: string): Promise<Result[]> {
  const reading = readResults({
    contract: contractFile(deployment),
    identity: identityFile(deployment.folders, READER),
    roots: await simulatedRoots(platformFolder(deployment.folders)),
    kafkaConfig,
  });
  const results: Result[] = [];
  for await (const each of reading) {
    if (each.kind === 'refused') throw each.error;
    if (each.kind === 'result') results.push(each);
  }
  return results;
}
