import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type LogTopic, topicsOf, withoutFence } from '@strongroom/protocol/log-topics';
import type { KafkaConnection } from '@strongroom/record-log/kafka-connection';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { readJsonFile } from '@strongroom/runtime/files';
import { shellWord } from '@strongroom/runtime/shell-word';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Command, InvalidArgumentError } from 'commander';
import { leafCommand, printResult } from '../leaf-command.ts';
import { brokersOption, kafkaConfigOption } from '../option-values.ts';
import { asAdmin } from './admin-client.ts';
import { kafkaTool } from './tool-command.ts';
import { alterTopic, createTopic, describeTopics } from './topic-admin.ts';
import {
  type Difference,
  type Durability,
  durabilityOf,
  judgeTopic,
  settingsOf,
  type TopicVerdict,
} from './topic-differences.ts';

/** `strongroom kafka topics`: the topics of a contract, made or compared. */
export function addTopicsCommand(kafka: Command): void {
  leafCommand(
    kafka,
    'topics',
    'make the topics of a contract, or compare them with what they should be',
    'strongroom kafka topics --contract contract.json > topics.sh\n' +
      '  strongroom kafka topics --contract contract.json --apply --kafka-config admin.properties',
    { exits: { 1: 'with --check: something differs; with --apply: something is left for people' } },
  )
    .requiredOption('--contract <file>', 'signed contract')
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--replicas <number>', 'replication factor', replicaCount, REPLICAS)
    .option('--plan', 'say what --apply would do')
    .option('--apply', 'make what is missing and set what differs; nothing is ever deleted')
    .option('--check', 'say what differs')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .addHelpText(
      'after',
      '\nWithout --plan, --apply or --check it asks nobody, and prints commands of\n' +
        'kafka-topics.sh, which read BOOTSTRAP and the properties file ADMIN_CONFIG.',
    )
    .action(showTopics);
}

const REPLICAS = 3;
const REPLICAS_MAX = 32;

function replicaCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= REPLICAS_MAX) return count;
  throw new InvalidArgumentError(`a number from 1 to ${REPLICAS_MAX}`);
}

interface TopicsOptions {
  readonly contract: string;
  readonly namespace: string;
  readonly replicas: number;
  readonly plan?: boolean;
  readonly apply?: boolean;
  readonly check?: boolean;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly json?: boolean;
}

async function showTopics(options: TopicsOptions): Promise<void> {
  const { plan = false, apply = false, check = false, json } = options;
  const chosen = [plan, apply, check].filter(Boolean).length;
  if (chosen > 1) {
    throw new StrongroomError('ERR_USAGE', { problem: 'one of --plan, --apply and --check' });
  }
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const fenced = topicsOf(contract, contractId, options.namespace);
  const connection = await connectionOf(options, chosen > 0);
  const topics = connection?.transactions === 'none' ? fenced.map(withoutFence) : fenced;
  const durability = durabilityOf(options.replicas);
  if (chosen === 0 || connection === undefined) {
    const commands = topics.map((topic) => creation(topic, durability));
    printResult(json, { contract: contractId, commands }, commands.join('\n'));
    return;
  }
  const verdicts = await look(connection, apply, topics, durability);
  const left = apply ? verdicts.filter(isForPeople) : verdicts.filter(isWrong);
  const facts = { contract: contractId, topics: verdicts.map(factsOf) };
  printResult(json, facts, verdicts.flatMap((each) => linesOf(each, apply)).join('\n'));
  if (!plan && left.length > 0) process.exitCode = 1;
}

/** Commands that are printed need none; where a file of settings is named they follow it. */
async function connectionOf(options: TopicsOptions, isAsking: boolean) {
  if (!isAsking && options.kafkaConfig === undefined) return undefined;
  return await readKafkaConnection(options, 'strongroom-kafka-topics');
}

/** What was found; with --apply all that may be is mended by then. */
async function look(
  connection: KafkaConnection,
  isApplied: boolean,
  topics: readonly LogTopic[],
  durability: Durability,
): Promise<TopicVerdict[]> {
  return await asAdmin(connection, async (admin) => {
    const names = topics.map(({ name }) => name);
    const found = await describeTopics(admin, names);
    const verdicts = topics.map((topic) => judgeTopic(topic, found.get(topic.name), durability));
    if (!isApplied) return verdicts;
    for (const verdict of verdicts) {
      if (verdict.state === 'missing') await createTopic(admin, verdict, durability);
      else await alterTopic(admin, verdict);
    }
    return verdicts;
  });
}

function isForPeople({ differences }: TopicVerdict): boolean {
  return differences.some(({ mend }) => mend === 'people');
}

function isWrong({ state, differences }: TopicVerdict): boolean {
  return state === 'missing' || differences.some(({ mend }) => mend !== 'harmless');
}

function factsOf({ topic, state, differences }: TopicVerdict) {
  return { topic: topic.name, label: topic.label, state, differences };
}

function linesOf({ topic, state, differences }: TopicVerdict, isDone: boolean): string[] {
  const { label, name } = topic;
  if (state === 'missing') return [`${isDone ? 'made     ' : 'missing  '}${label}`];
  if (state === 'same') return [`as it should be  ${label}`];
  return [
    `${label}:`,
    ...differences.map(
      (each) =>
        `  ${each.setting} is ${each.is}, should be ${each.should}: ${mendOf(each, name, isDone)}`,
    ),
  ];
}

function mendOf({ mend, setting, should }: Difference, topic: string, isDone: boolean): string {
  if (mend === 'set') return isDone ? 'set' : '--apply sets it';
  if (mend === 'harmless') return 'it may stay so';
  if (setting === 'replication.factor') return 'move it with kafka-reassign-partitions.sh';
  if (setting === 'min.insync.replicas') return 'move it first: nobody could write';
  if (setting === 'partitions') {
    return 'Kafka takes none away: use another --namespace, or delete the topic while no host runs';
  }
  const value = `${setting}=${should.includes(',') ? `[${should}]` : should}`;
  const entity = `--entity-type topics --entity-name ${topic}`;
  const command = `${CONFIGS} --alter ${entity} --add-config ${value}`;
  return `Kafka lets go of records then; if you want that: ${command}`;
}

const CONFIGS = kafkaTool('kafka-configs.sh');

function creation(topic: LogTopic, durability: Durability): string {
  const { name, partitions } = topic;
  const settings = Object.entries(settingsOf(topic, durability)).map(
    ([setting, value]) => `--config ${setting}=${value}`,
  );
  const size = `--partitions ${partitions} --replication-factor ${durability.replicas}`;
  const create = `--create --if-not-exists --topic ${shellWord(name)}`;
  return `${kafkaTool('kafka-topics.sh')} ${create} ${size} ${settings.join(' ')}`;
}
