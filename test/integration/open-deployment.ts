import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { KafkaConnection } from '@strongroom/record-log/kafka-connection';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { inject } from 'vitest';
import { type Organisations, prepareFolders, setUp } from '../deployment/organisations.ts';
import { type Deployment, prepareTopics } from '../deployment/pipeline.ts';
import type { DeploymentPlan } from '../deployment/plan.ts';
import { Processes } from '../deployment/processes.ts';

type Base = Omit<Deployment, 'agreement'>;

/** Organisations with their services, on the log that the integration tests share, or another. */
export async function openDeployment(
  plan: DeploymentPlan,
  kafka: KafkaConnection = {
    brokers: inject('brokers').split(','),
    clientId: 'integration',
  },
): Promise<{ base: Base; organisations: Organisations }> {
  const folders = await prepareFolders(await mkdtemp(path.join(os.tmpdir(), 'strongroom-it-')));
  const processes = new Processes(folders.logs);
  const log = await connectKafkaLog(kafka);
  const brokers = kafka.brokers.join(',');
  const organisations = await setUp(processes, folders, plan);
  return { base: { processes, folders, log, brokers }, organisations };
}

export async function closeDeployment({ processes, folders, log }: Base): Promise<void> {
  await processes.stopAll();
  await log.close();
  await rm(folders.run, { recursive: true, force: true });
}

/** The same organisations and contract with topics of their own. */
export async function inNamespace(base: Deployment, namespace: string): Promise<Deployment> {
  const deployment = { ...base, namespace };
  await prepareTopics(deployment);
  return deployment;
}
