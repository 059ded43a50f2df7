import { StrongroomError } from '@strongroom/protocol/errors';
import {
  localKafkaStatus,
  startLocalKafka,
  stopLocalKafka,
} from '@strongroom/record-log/local-kafka';
import { type Command, InvalidArgumentError } from 'commander';
import { addAclsCommand } from './kafka/acls-command.ts';
import { addQuotasCommand } from './kafka/quotas-command.ts';
import { addTopicsCommand } from './kafka/topics-command.ts';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';

const FOLDER_DEFAULT = '.strongroom/kafka';

/**
 * `strongroom kafka …`: a real Kafka on this machine, one per folder, for trying things out; and
 * what any cluster has to be given for a contract.
 */
export function addKafkaCommands(program: Command): void {
  const kafka = nounCommand(
    program,
    'kafka',
    'a local Apache Kafka (needs Java 17 and Maven); topics and rights on any',
  );
  folderCommand(kafka, 'start', 'start it and leave it running', 'strongroom kafka start')
    .option('--port <port>', 'listen on 127.0.0.1 at this port; a free one by default', portNumber)
    .action(start);
  folderCommand(kafka, 'stop', 'stop it; its data stay', 'strongroom kafka stop').action(stop);
  folderCommand(
    kafka,
    'status',
    'say where it runs; exit code 69 when it does not',
    'export KAFKA_BROKERS=$(strongroom kafka status --json | jq -r .brokers)',
    { 69: 'it does not run' },
  ).action(status);
  addTopicsCommand(kafka);
  addAclsCommand(kafka);
  addQuotasCommand(kafka);
}

function folderCommand(
  parent: Command,
  verb: string,
  text: string,
  example: string,
  exits: Readonly<Record<number, string>> = {},
): Command {
  return leafCommand(parent, verb, text, example, { exits }).option(
    '--folder <dir>',
    'its data, settings and log',
    FOLDER_DEFAULT,
  );
}

interface FolderOptions {
  readonly folder: string;
  readonly json?: boolean;
}

async function start(options: FolderOptions & { port?: number }): Promise<void> {
  const { brokers, pid, folder } = await startLocalKafka({
    folder: options.folder,
    ...(options.port === undefined ? {} : { port: options.port }),
    detached: true,
    onProgress: printNotice,
  });
  printResult(options.json, { brokers, pid, folder }, `export KAFKA_BROKERS=${brokers}`);
}

async function stop(options: FolderOptions): Promise<void> {
  await stopLocalKafka(options.folder);
  printResult(options.json, { folder: options.folder, running: false }, 'stopped');
}

async function status(options: FolderOptions): Promise<void> {
  const running = await localKafkaStatus(options.folder);
  if (running === undefined) {
    throw new StrongroomError('ERR_LOG_UNREACHABLE', { folder: options.folder });
  }
  const { brokers, pid } = running;
  const facts = { brokers, pid, folder: options.folder, running: true };
  printResult(options.json, facts, `Kafka answers at ${brokers} (process ${pid})`);
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('a port is a number from 1 to 65535');
  }
  return port;
}
