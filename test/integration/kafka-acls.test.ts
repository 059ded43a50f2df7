// More than 300 lines, because each role's work and what stops it are tried on one Kafka.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Right, rightsOf, rolesOf } from '@strongroom/protocol/log-topics';
import type { KafkaConnection } from '@strongroom/record-log/kafka-connection';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { assign } from '../../services/cli/src/kafka/acl.ts';
import { clientAclOf, createAcls } from '../../services/cli/src/kafka/acl-admin.ts';
import { asAdmin } from '../../services/cli/src/kafka/admin-client.ts';
import { inside } from '../../services/cli/test/run-strongroom.ts';
import {
  askForEvidence,
  contractFile,
  type Deployment,
  jsonLines,
  publish,
  quarantineOf,
  readAs,
  type Shipment,
  startProducer,
  startWorker,
  stateFolder,
  statusOf,
  succeeded,
  usesOf,
  workerSummary,
} from '../deployment/pipeline.ts';
import type { Finished } from '../deployment/processes.ts';
import { closeDeployment, openDeployment } from './open-deployment.ts';
import { PASSWORD, type SecureKafka, startSecureKafka } from './secure-kafka.ts';
import {
  expectedTotals,
  READER,
  sumOf,
  VISITS_PLAN,
  type VisitsLine,
  writeVisits,
} from './visits.ts';

/**
 * Every role does its work on a real Kafka under its own name, with the rights that `strongroom
 * kafka acls` gives it; and where one of them is missing, it is said which.
 */

const ROWS_EACH = 500;
const OWNERS = ['north-clinic', 'south-clinic', 'place-registry'];
const ROLES = [
  ...OWNERS.flatMap((owner) => [`producer:${owner}`, `owner:${owner}`]),
  `analyst:${READER}`,
  ...['auditor', 'worker'],
];
/** Who is who to the cluster. */
const userOf = (role: string) => role.replace(':', '-');
const AUTHORIZER = [
  'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // The node itself: over TLS to brokers, and in the clear to its own controller.
  'super.users=User:admin;User:CN=localhost;User:ANONYMOUS',
  'connections.max.reauth.ms=0',
];

let folder = '';
let kafka: SecureKafka;
let base: Deployment;
let shipments: Shipment[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-acls-'));
  const users = ['admin', ...ROLES.map(userOf)];
  kafka = await startSecureKafka(join(folder, 'kafka'), { users, settings: AUTHORIZER });
  for (const user of users) await writeFile(configOf(user), configFor(user));
  const opened = await openDeployment(VISITS_PLAN, await adminConnection());
  base = { ...opened.base, agreement: opened.organisations };
  await writeFile(contractFile(base), JSON.stringify(base.agreement.signed));
  shipments = await writeVisits(base.folders.run, ROWS_EACH);
});

afterAll(async () => {
  if (base) await closeDeployment(base);
  await kafka?.stop();
  await rm(folder, { recursive: true, force: true });
});

const configOf = (user: string) => join(folder, `${user}.properties`);
const configFor = (user: string) =>
  [
    `bootstrap.servers=${kafka.saslPlaintext}`,
    'security.protocol=SASL_PLAINTEXT',
    'sasl.mechanism=SCRAM-SHA-512',
    `sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${PASSWORD}";`,
  ].join('\n');
const adminConnection = (): Promise<KafkaConnection> =>
  readKafkaConnection({ kafkaConfig: configOf('admin') }, 'acls-test');

/** What a process of a role is told. */
const as = (role: string) => ['--kafka-config', configOf(userOf(role))];

async function kafkaCommand(deployment: Deployment, verb: string, ...more: string[]) {
  const { namespace = '' } = deployment;
  const where = ['--namespace', namespace, '--kafka-config', configOf('admin')];
  return await inside('kafka', verb, '--contract', contractFile(deployment), ...where, ...more);
}

const PRINCIPALS = ROLES.flatMap((role) => ['--principal', `${role}=User:${userOf(role)}`]);

/** Topics and rights of a namespace, as an administrator makes them. */
async function prepared(namespace: string): Promise<Deployment> {
  const deployment = { ...base, namespace };
  const topics = await kafkaCommand(deployment, 'topics', '--apply', '--replicas', '1');
  expect(topics).toMatchObject({ exitCode: 0, code: undefined });
  const acls = await kafkaCommand(deployment, 'acls', '--apply', ...PRINCIPALS);
  expect(acls).toMatchObject({ exitCode: 0, code: undefined, data: { missing: [], beyond: [] } });
  return deployment;
}

function rightsIn({ agreement, namespace = '' }: Deployment, role: string): Right[] {
  const { contract, contractId } = agreement;
  return rightsOf(contract, contractId, namespace).filter((right) => right.role === role);
}

/** The one right is missing while something is tried. */
async function without<Result>(right: Right, act: () => Promise<Result>): Promise<Result> {
  const [assigned] = assign(
    [right],
    [{ role: right.role, principal: `User:${userOf(right.role)}` }],
  );
  if (!assigned) throw new Error('no principal');
  const connection = await adminConnection();
  const filters = [clientAclOf(assigned)];
  await asAdmin(connection, (admin) => admin.deleteAcls({ filters }));
  try {
    return await act();
  } finally {
    await asAdmin(connection, (admin) => createAcls(admin, [assigned]));
  }
}

/** The refusal that a command ended with. */
function refusalIn({ stderr, exitCode }: Finished) {
  const errors = jsonLines<{ error?: { code: string; facts: Record<string, unknown> } }>(stderr);
  const { code, facts = {} } = errors.findLast(({ error }) => error)?.error ?? {};
  return { exitCode, code, ...namesIn(facts) };
}

function namesIn({ right, topic, transactionalId, name }: Record<string, unknown>) {
  return { right, name: topic ?? transactionalId ?? name };
}

/** Where nothing is left of what a principal may do with it, Describe is refused first. */
const refusing = ({ operation, name }: Right) => ({
  code: 'ERR_LOG_REFUSED',
  right: expect.stringMatching(`^(${operation}|Describe)$`),
  name,
});

let workers = 0;

/** A worker tries again, since rights may be on their way: what it says of its first life. */
async function refusalOfWorker(deployment: Deployment) {
  workers += 1;
  const worker = startWorker(deployment, `worker-refused-${workers}`, [...as('worker')]);
  const log = join(deployment.folders.logs, `${worker.name}.stderr.log`);
  try {
    const line = await lineOf(log, 'life-ended');
    return { code: line['code'], ...namesIn(line) };
  } finally {
    await worker.stop();
  }
}

test('topics and rights are told before they are made, and found whole after', async () => {
  const deployment = { ...base, namespace: 'made' };
  const replicas = ['--replicas', '1'];
  const count = expect.arrayContaining([expect.objectContaining({ state: 'missing' })]);
  expect(await kafkaCommand(deployment, 'topics', '--plan', ...replicas)).toMatchObject({
    exitCode: 0,
    data: { topics: count },
  });
  expect(await kafkaCommand(deployment, 'topics', '--check', ...replicas)).toMatchObject({
    exitCode: 1,
  });
  expect(await kafkaCommand(deployment, 'acls', '--check', ...PRINCIPALS)).toMatchObject({
    exitCode: 1,
    data: { missing: expect.arrayContaining([expect.objectContaining({ role: 'worker' })]) },
  });
  await prepared('made');
  expect(await kafkaCommand(deployment, 'topics', '--check', ...replicas)).toMatchObject({
    exitCode: 0,
  });
  expect(await kafkaCommand(deployment, 'acls', '--check', ...PRINCIPALS)).toMatchObject({
    exitCode: 0,
    data: { missing: [], beyond: [], denied: [] },
  });
  expect(ROLES.toSorted()).toEqual(rolesOf(base.agreement.contract).toSorted());
});

test('with its rights and no more, every role does all of its work', async () => {
  const deployment = await prepared('whole');
  const [north, south, places] = shipments;
  if (!north || !south || !places) throw new Error('three owners ship');
  const shipping = (each: Shipment) => publish(deployment, each, as(`producer:${each.owner}`));
  const worker = startWorker(deployment, 'worker', ['--until-complete', ...as('worker')]);
  await Promise.all([north, south].map(shipping));
  // Before the last owner ships, somebody asks.
  await succeededWith(askForEvidence(deployment, ['--json', ...as('auditor')]));
  await shipping(places);
  expect(await workerSummary(worker)).toMatchObject({ refusals: {} });
  const read = await readAs(deployment, READER, { more: as(`analyst:${READER}`) });
  const lines = jsonLines<VisitsLine>(read.stdout);
  const totals = expectedTotals(ROWS_EACH);
  expect(sumOf(lines, 'visits')).toBe(2 * totals.rows);
  const [owner] = OWNERS;
  if (!owner) throw new Error('an owner');
  await succeededWith(usesOf(deployment, owner, as(`owner:${owner}`)));
  await succeededWith(quarantineOf(deployment, owner, ['list', ...as(`owner:${owner}`)]));
  const status = await statusOf(deployment, as('auditor'));
  // From the log alone: what a worker says of itself was not asked for.
  expect(JSON.parse(status.stdout)).toMatchObject({ state: 'unknown' });
});

async function succeededWith(done: Promise<Finished>): Promise<void> {
  await succeeded({ name: 'a command', pid: 0, done, stop: async () => undefined });
}

describe('a right that is missing is named', () => {
  test('to the analyst, a producer and a worker', async () => {
    const deployment = await prepared('lacking');
    const [north] = shipments;
    if (!north) throw new Error('an owner ships');
    const analyst = `analyst:${READER}`;
    const reading = rightNamed(deployment, analyst, 'Read', 'aggregates');
    const read = await without(reading, () => readAs(deployment, READER, { more: as(analyst) }));
    expect(refusalIn(read)).toMatchObject({ exitCode: 69, ...refusing(reading) });
    const role = `producer:${north.owner}`;
    const writing = rightNamed(deployment, role, 'Write', north.dataset);
    const shipped = () => startProducer(deployment, north, as(role)).done;
    const refused = refusalIn(await without(writing, shipped));
    expect(refused).toMatchObject({ exitCode: 69, ...refusing(writing), right: 'Write' });
    // Kafka's client tells a missing right to the transactional id from nothing else.
    const saving = rightNamed(deployment, 'worker', 'Write', 'checkpoints');
    const refusedWorker = await without(saving, () => refusalOfWorker(deployment));
    expect(refusedWorker).toMatchObject({ ...refusing(saving), right: 'Write' });
  });
});

/** What a role does that needs the right, and how it is refused. */
async function refusedWithout(right: Right, deployment: Deployment) {
  const { role, operation, name } = right;
  const [kind, party = ''] = role.split(':');
  const channel = name.split('.').slice(2).join('.');
  if (role === 'worker') {
    if (operation === 'Read' && channel === 'checkpoints') await announceWorker(deployment);
    return await refusalOfWorker(deployment);
  }
  const who = as(role);
  if (kind === 'producer') {
    const shipment = shipments.find(({ dataset }) => dataset === channel);
    if (!shipment) return expect.fail(`nobody ships ${channel}`);
    if (operation === 'Write') {
      return refusalIn(await startProducer(deployment, shipment, who).done);
    }
    await publish(deployment, shipment, [...who, '--no-final']);
    // What is lost is read back.
    await rm(stateFolder(deployment, channel), { recursive: true });
    return refusalIn(await startProducer(deployment, shipment, [...who, '--recover']).done);
  }
  if (['challenges', 'evidence'].includes(channel)) {
    return refusalIn(await askForEvidence(deployment, ['--json', '--timeout', '5', ...who]));
  }
  if (kind === 'auditor') return refusalIn(await statusOf(deployment, who));
  if (kind === 'analyst') return refusalIn(await readAs(deployment, party, { more: who }));
  if (channel.startsWith('uses.')) return refusalIn(await usesOf(deployment, party, who));
  if (channel.startsWith('quarantine.')) {
    return refusalIn(await quarantineOf(deployment, party, ['list', ...who]));
  }
  return refusalIn(await receiptsAs(deployment, who));
}

/** So that there is a checkpoint: of a topic without any, a worker reads nothing. */
async function announceWorker(deployment: Deployment): Promise<void> {
  const worker = startWorker(deployment, 'worker-announced', as('worker'));
  await lineOf(join(deployment.folders.logs, `${worker.name}.stderr.log`), 'epoch-claimed');
  await worker.stop();
}

const receiptsAs = ({ processes, namespace = '', ...deployment }: Deployment, who: string[]) =>
  processes.start('receipts', 'services/cli/src/main.ts', [
    ...['audit', 'receipts', '--contract', contractFile({ processes, ...deployment })],
    ...['--namespace', namespace, '--json', ...who],
  ]).done;

test.runIf(process.env['STRONGROOM_LONG'] === '1')(
  'every right of every role is named when it alone is missing',
  async () => {
    const deployment = await prepared('each');
    const rights = ROLES.flatMap((role) => rightsIn(deployment, role));
    // Where nothing was written yet, nothing is read.
    const writingFirst = rights.toSorted(
      (one, other) => +(other.operation === 'Write') - +(one.operation === 'Write'),
    );
    for (const right of writingFirst) {
      const { role, resource, operation, name } = right;
      const refused = await without(right, () => refusedWithout(right, deployment));
      // Kafka's client tells a missing right to the transactional id from nothing else.
      const expected = resource === 'Topic' ? refusing(right) : { code: 'ERR_LOG_FAILED' };
      expect(refused, `${role} without ${operation} on ${name}`).toMatchObject(expected);
    }
  },
);

function rightNamed(
  deployment: Deployment,
  role: string,
  operation: string,
  ending: string,
): Right {
  const found = rightsIn(deployment, role).find(
    (right) => right.operation === operation && right.name.endsWith(`.${ending}`),
  );
  return found ?? expect.fail(`${role} has no ${operation} on ${ending}`);
}

const LINE_MS_MAX = 60_000;

async function lineOf(file: string, event: string): Promise<Record<string, unknown>> {
  for (const since = performance.now(); performance.now() - since < LINE_MS_MAX; ) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const found = jsonLines<Record<string, unknown>>(text).find((line) => line['event'] === event);
    if (found) return found;
    await delay(100);
  }
  return expect.fail(`no ${event} in ${file}`);
}
