import { stat } from 'node:fs/promises';
import process from 'node:process';
import type { KafkaConnection } from '@strongroom/record-log/kafka-connection';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile } from '@strongroom/runtime/files';
import { type Command, Option } from 'commander';
import { askWorkerStatus } from '../ask-status.ts';
import { leafCommand, printResult } from '../leaf-command.ts';
import { brokersOption, kafkaConfigOption, seconds } from '../option-values.ts';
import { judgeFronts, viewFronts, whyNot } from './broker-fronts.ts';
import { checkContract, type ReadContract } from './check-contract.ts';
import { checkFiles } from './check-files.ts';
import { checkKafka, expectedTopics, newestRecords } from './check-kafka.ts';
import { checkMachine } from './check-machine.ts';
import { checkServices, servicesOf } from './check-services.ts';
import { CHECKS, type Finding, fail, GROUPS, type Group, ok, skip } from './checks.ts';
import { doctorFacts, doctorText } from './doctor-text.ts';
import { type KafkaView, viewKafka } from './kafka-view.ts';
import { type Organisation, readOrganisation } from './organisation-file.ts';

/** `strongroom doctor`: what is wrong, and how to mend it. */
export function addDoctorCommand(program: Command): void {
  leafCommand(
    program,
    'doctor',
    'look at machine, files, contract, Kafka, services and clocks; say how to mend what is wrong',
    'strongroom doctor\n' +
      '  strongroom doctor --folder north --brokers kafka.north.example:9092\n' +
      '  strongroom doctor --contract contract.json --only kafka services --json',
    { exits: { 0: 'nothing has failed; there may be warnings', 1: 'something has to be mended' } },
  )
    .option('--folder <dir>', 'what `strongroom init` made: its identity, secrets and contract')
    .option('--contract <file>', 'contract file: its topics and services are looked at')
    .option('--identity <file>', 'identity file')
    .option('--secret <files...>', 'further files that others must not read')
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--worker <url>', 'where the worker answers')
    .option('--timeout <seconds>', 'how long to wait for each answer', seconds, TIMEOUT_SECONDS)
    .addOption(new Option('--only <groups...>', 'look at these alone').choices([...GROUPS]))
    .addHelpText('after', '\nNothing is changed anywhere, and no secret is sent or printed.')
    .action(showFindings);
}

const TIMEOUT_SECONDS = 5;

interface DoctorOptions {
  readonly folder?: string;
  readonly contract?: string;
  readonly identity?: string;
  readonly secret?: readonly string[];
  readonly caFile?: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly worker?: string;
  readonly timeout: number;
  readonly only?: readonly Group[];
  readonly json?: boolean;
}

async function showFindings(options: DoctorOptions): Promise<void> {
  const { only = GROUPS, json } = options;
  const findings = (await examine(options, new Set(only))).filter(({ code }) =>
    only.includes(CHECKS[code].group),
  );
  printResult(json, doctorFacts(findings), doctorText(findings));
  if (findings.some(({ verdict }) => verdict === 'fail')) process.exitCode = 1;
}

async function examine(options: DoctorOptions, only: ReadonlySet<Group>): Promise<Finding[]> {
  const connection = await connectionOf(options);
  const own = options.folder === undefined ? undefined : await readOrganisation(options.folder);
  const identities = [options.identity ?? own?.identity ?? []].flat();
  const read = await readContractOf(options, own, identities);
  const kafka = await lookAtKafka(connection, read, options, only);
  const services = await lookAtServices(read, options, only);
  return [
    ...(only.has('machine')
      ? await checkMachine({
          folders: own?.folders.slice(0, 1) ?? [process.cwd()],
          hasBrokers: connection !== undefined,
        })
      : []),
    ...(only.has('files')
      ? await checkFiles({
          identities,
          secrets: [...(own?.secrets ?? []), ...(options.secret ?? [])],
          folders: own?.folders ?? [],
          certificates: own?.certificates ?? [],
          now: systemClock.now(),
        })
      : []),
    ...read.findings,
    ...kafka,
    ...services,
  ];
}

async function connectionOf({ brokers, kafkaConfig }: DoctorOptions) {
  // An empty KAFKA_BROKERS names none.
  if (!brokers && kafkaConfig === undefined) return undefined;
  return await readKafkaConnection(
    { brokers: brokers || undefined, kafkaConfig },
    'strongroom-doctor',
  );
}

/** A contract that `init` only foresees may not be there yet. */
async function readContractOf(
  { contract }: DoctorOptions,
  own: Organisation | undefined,
  identities: readonly string[],
): Promise<ReadContract> {
  if (contract !== undefined) return checkContract(contract, identities);
  if (own === undefined) return { findings: [skip('contract-signed', 'no contract: --contract')] };
  const isThere = await stat(own.contract).then(
    () => true,
    () => false,
  );
  if (isThere) return checkContract(own.contract, identities);
  return { findings: [skip('contract-signed', `${own.contract}: not there yet`)] };
}

async function lookAtKafka(
  connection: KafkaConnection | undefined,
  { contract, contractId }: ReadContract,
  { namespace, timeout }: DoctorOptions,
  only: ReadonlySet<Group>,
): Promise<Finding[]> {
  if (!only.has('kafka') && !only.has('clocks')) return [];
  if (connection === undefined) {
    return [skip('kafka-reachable', 'no brokers: --brokers, KAFKA_BROKERS or --kafka-config')];
  }
  const topics = contract && contractId ? expectedTopics(contract, contractId, namespace) : [];
  const names = topics.map(({ name }) => name);
  const now = systemClock.now();
  const fronts = await viewFronts(connection, timeout * 1_000);
  const certificates = judgeFronts(connection, fronts, now);
  let view: KafkaView;
  try {
    view = await viewKafka(connection, names, timeout * 1_000);
  } catch {
    return [...certificates, await whyNot(connection, fronts)];
  }
  return [...certificates, ...checkKafka(view, topics), ...newestRecords(view, topics, now)];
}

async function lookAtServices(
  { contract, contractId }: ReadContract,
  { caFile, timeout, worker }: DoctorOptions,
  only: ReadonlySet<Group>,
): Promise<Finding[]> {
  if (!only.has('services') && !only.has('clocks')) return [];
  if (!contract) return [skip('service-reachable', 'no contract: --contract')];
  const trust = caFile === undefined ? {} : { ca: await readTextFile(caFile) };
  const probing = { ...trust, timeoutMs: timeout * 1_000, clock: systemClock };
  const found = await checkServices(servicesOf(contract), probing);
  const answered = worker === undefined ? [] : [await lookAtWorker(worker, contractId)];
  return [...found.services, ...answered, ...found.clocks];
}

async function lookAtWorker(worker: string, contractId: string | undefined): Promise<Finding> {
  const status = await askWorkerStatus(worker);
  if (!status) return fail('worker-answers', `${worker}: no worker answers`);
  if (status.contract !== contractId) {
    return fail('worker-answers', `${worker}: it runs another contract`);
  }
  return ok('worker-answers', `${worker}: ${status.phase}, ${status.lives} lives`);
}
