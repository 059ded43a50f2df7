import process from 'node:process';
import {
  addRevocationOptions,
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { addPageOptions } from '@strongroom/page/server/page-options';
import { aggregatesTopic } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { createProgram, runProgram } from '@strongroom/runtime/arguments';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createLogger, LOG_LEVELS } from '@strongroom/runtime/logger';
import { OTLP_OPTION } from '@strongroom/runtime/otlp-option';
import { openTracing } from '@strongroom/runtime/tracing';
import { parseIdentity } from '@strongroom/sealing/identity';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { queriesOf } from './read-aggregates.ts';
import { showReading } from './reading-progress.ts';
import { createResultWriter, FORMATS, type Format } from './result-writer.ts';
import { type SaveOptions, save, type VerifyOptions, verify } from './saved-command.ts';
import { type ServeOptions, serve } from './serve-command.ts';
import { showResults } from './show-results.ts';

/** Reads the roots of a simulated platform; only `main.insecure` has one. */
export type SimulatedRoots = (path: string) => RootSet;

/** `strongroom analyst read`, `serve`, `save` and `verify`: options, wiring, exit code. */
export async function runAnalyst(
  args: readonly string[],
  simulatedRoots?: SimulatedRoots,
): Promise<void> {
  await runProgram(analystProgram(simulatedRoots), args);
}

interface Options extends RevocationSettings {
  readonly contract: string;
  readonly identity: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace?: string;
  readonly query?: string;
  readonly follow?: boolean;
  readonly format?: Format;
  readonly out?: string;
  readonly limit?: number;
  readonly proof?: boolean;
  readonly json?: boolean;
  readonly tryAll?: boolean;
  readonly logLevel: string;
  readonly otlp?: string;
  readonly roots?: string;
}

function analystProgram(simulatedRoots: SimulatedRoots | undefined): Command {
  const program = createProgram('strongroom analyst');
  const rootsOf = ({ roots }: Rooted) =>
    simulatedRoots && roots ? simulatedRoots(roots) : undefined;
  const commands = [
    readCommand(program, rootsOf),
    serveCommand(program, rootsOf),
    saveCommand(program, rootsOf),
    verifyCommand(program, rootsOf),
  ];
  if (simulatedRoots) {
    const text = 'public roots of the SIMULATED platform, or its folder';
    for (const command of commands) command.requiredOption('--roots <path>', text);
  }
  return program;
}

interface Rooted {
  readonly roots?: string;
}
type RootsOf = (options: Rooted) => RootSet | undefined;

const brokersOption = () =>
  new Option('--brokers <list>', 'Kafka bootstrap servers, HOST:PORT,…').env('KAFKA_BROKERS');
const kafkaConfigOption = () =>
  new Option('--kafka-config <file>', "settings under Kafka's own names").env('KAFKA_CONFIG');
const logLevelOption = () =>
  new Option('--log-level <level>', 'of the log on stderr').choices(LOG_LEVELS).default('warn');

function readCommand(program: Command, rootsOf: RootsOf): Command {
  const command = program
    .command('read')
    .description('verify the proof of results, open them, show them')
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--identity <file>', 'identity file with the reading key')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics')
    .option('--query <id>', 'only this query')
    .option('--follow', 'wait for more results until stopped')
    .addOption(new Option('--format <format>', 'default: table').choices(FORMATS))
    .option('--out <path>', 'a file, or a folder (no extension) with a file per query')
    .option('--limit <windows>', 'show so many windows of each query', wholeNumber)
    .option('--proof', 'show what proves each result')
    .option('--json', 'JSON unless --format says otherwise; errors are JSON too')
    .option(...OTLP_OPTION)
    .addOption(new Option('--try-all', 'also try what is addressed to others').hideHelp())
    .addOption(logLevelOption())
    .addHelpText('after', READ_EXAMPLE)
    .action((options: Options) => read(options, rootsOf(options) ?? AMD_ROOTS));
  return addRevocationOptions(command);
}

function serveCommand(program: Command, rootsOf: RootsOf): Command {
  const command = program
    .command('serve')
    .description('hand out a page that verifies and opens results in the browser')
    .requiredOption('--contract <file>', 'signed contract')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics');
  return addRevocationOptions(addPageOptions(command, PAGE_PORT))
    .option('--json', 'say where the page is as JSON; errors are JSON too')
    .addOption(logLevelOption())
    .addHelpText('after', SERVE_EXAMPLE)
    .action((options: ServeOptions & Rooted) => serve(options, rootsOf(options)));
}

function saveCommand(program: Command, rootsOf: RootsOf): Command {
  const command = program
    .command('save')
    .description('save one result, still sealed, with everything that proves it')
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--query <id>', 'of this query')
    .requiredOption('--out <file>', 'where to')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics')
    .option('--reader <party>', 'sealed to this party; default: any')
    .option('--emission <number>', 'its number; default: the newest', countNumber)
    .option('--json', 'errors are JSON')
    .addOption(logLevelOption())
    .addHelpText('after', SAVE_EXAMPLE)
    .action((options: SaveOptions & Rooted) => save(options, rootsOf(options)));
  return addRevocationOptions(command);
}

function verifyCommand(program: Command, rootsOf: RootsOf): Command {
  return program
    .command('verify')
    .description('say what a saved result proves, and what it does not; no network')
    .argument('<file>', 'of `save`, or of the page')
    .option('--identity <file>', 'identity file with the reading key: shows the rows too')
    .option('--revocation-list <files...>', "AMD's lists in DER, beside those of the file")
    .option('--json', 'JSON; errors are JSON too')
    .addHelpText('after', VERIFY_EXAMPLE)
    .action((path: string, options: VerifyOptions & Rooted) =>
      verify(path, options, rootsOf(options)),
    );
}

/** Beside 8480 of an attestation service and 8481 of an owner's page on the same machine. */
const PAGE_PORT = 8_482;

const READ_EXAMPLE = `
Example:
  strongroom analyst read --contract contract.json --identity authority.identity.json \\
    --brokers localhost:9092 --query daily-delay --proof`;
const SERVE_EXAMPLE = `
Example:
  strongroom analyst serve --contract contract.json --brokers localhost:9092
then open the address that it says, and choose the identity file there. Run it yourself: whoever
runs it decides which code your browser gets.`;
const SAVE_EXAMPLE = `
Example:
  strongroom analyst save --contract contract.json --brokers localhost:9092 \\
    --query daily-delay --emission 3 --out result.json`;
const VERIFY_EXAMPLE = `
Example:
  strongroom analyst verify result.json`;

async function read(options: Options, roots: RootSet): Promise<void> {
  const stopping = new AbortController();
  onStopSignal(() => stopping.abort());
  const lists = readRevocationSettings(options);
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const identity = parseIdentity(await readTextFile(options.identity));
  const connection = await readKafkaConnection(options, `analyst-${identity.party}`);
  const logger = createLogger('analyst', { level: options.logLevel });
  if (contract.enclave.platform === 'simulated') {
    logger.warn('simulated-platform-proves-nothing', { contract: contractId });
  }
  const only = options.query === undefined ? {} : { query: options.query };
  const who = { contract, contractId, identity, ...only };
  const queries = queriesOf({ ...who, tryAll: options.tryAll === true });
  const writer = await createResultWriter({
    format: options.format ?? (options.json ? 'json' : 'table'),
    ...(options.out === undefined ? {} : { out: options.out }),
    queries,
    withProof: options.proof === true,
    live: options.follow === true,
    onGone: () => stopping.abort(),
  });
  const { otlp } = options;
  const [log, tracing] = await Promise.all([
    connectKafkaLog({ ...connection, logger }),
    openTracing({ service: 'analyst', otlp, environment: process.env, logger }),
  ]);
  // On the screen the results show it themselves.
  const isQuiet = options.out === undefined && process.stdout.isTTY === true;
  const topic = aggregatesTopic(contractId, options.namespace);
  try {
    await showResults({
      ...who,
      log: isQuiet || options.follow ? log : await showReading(log, topic),
      clock: systemClock,
      roots,
      ...(await openRevocation(lists, { roots, clock: systemClock })),
      signal: stopping.signal,
      follow: options.follow === true,
      tryAll: options.tryAll === true,
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
      writer,
      logger,
      tracing,
      queries,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
    });
  } finally {
    await Promise.all([log.close(), tracing?.close()]);
  }
}

/** SIGTERM and SIGINT end the reading; what was verified by then is finished and kept. */
function onStopSignal(stop: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,9}$/.test(text)) throw new InvalidArgumentError('a number above 0');
  return Number(text);
}

function countNumber(text: string): number {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) throw new InvalidArgumentError('a number, 0 or more');
  return Number(text);
}
