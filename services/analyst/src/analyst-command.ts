import process from 'node:process';
import {
  openRevocation,
  REVOCATION_OPTIONS,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { StrongroomError } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { systemClock } from '@strongroom/runtime/clock';
import { failCommand } from '@strongroom/runtime/command';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createLogger, LOG_LEVELS } from '@strongroom/runtime/logger';
import { parseIdentity } from '@strongroom/sealing/identity';
import { verifyContract } from '@strongroom/sealing/verify';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { queriesOf } from './read-aggregates.ts';
import { createResultWriter, FORMATS, type Format } from './result-writer.ts';
import { showResults } from './show-results.ts';

/** Reads the roots of a simulated platform; only `main.insecure` has one. */
export type SimulatedRoots = (path: string) => RootSet;

/** `strongroom analyst read`: options, wiring, exit code. */
export async function runAnalyst(
  args: readonly string[],
  simulatedRoots?: SimulatedRoots,
): Promise<void> {
  try {
    await analystCommand(simulatedRoots).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    failCommand(asUsageError(error), args.includes('--json'));
  }
}

interface Options extends RevocationSettings {
  readonly contract: string;
  readonly identity: string;
  readonly brokers: string;
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
  readonly roots?: string;
}

function analystCommand(simulatedRoots: SimulatedRoots | undefined): Command {
  const program = new Command('strongroom analyst')
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  const command = program
    .command('read')
    .description('verify the proof of results, open them, show them')
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--identity <file>', 'identity file with the reading key')
    .addOption(
      new Option('--brokers <list>', 'Kafka bootstrap servers, HOST:PORT,…')
        .env('KAFKA_BROKERS')
        .makeOptionMandatory(),
    )
    .option('--namespace <name>', 'prefix of the topics')
    .option('--query <id>', 'only this query')
    .option('--follow', 'wait for more results until stopped')
    .addOption(new Option('--format <format>', 'default: table').choices(FORMATS))
    .option('--out <path>', 'a file, or a folder (no extension) with a file per query')
    .option('--limit <windows>', 'show so many windows of each query', wholeNumber)
    .option('--proof', 'show what proves each result')
    .option('--json', 'JSON unless --format says otherwise; errors are JSON too')
    .addOption(new Option('--try-all', 'also try what is addressed to others').hideHelp())
    .addOption(
      new Option('--log-level <level>', 'of the log on stderr').choices(LOG_LEVELS).default('warn'),
    )
    .addHelpText('after', EXAMPLE)
    .action((options: Options) => {
      const { roots } = options;
      return read(options, simulatedRoots && roots ? simulatedRoots(roots) : AMD_ROOTS);
    });
  for (const [flags, text] of REVOCATION_OPTIONS) command.option(flags, text);
  if (simulatedRoots) {
    command.requiredOption(
      '--roots <path>',
      'public roots of the SIMULATED platform, or its folder',
    );
  }
  return program;
}

const EXAMPLE = `
Example:
  strongroom analyst read --contract contract.json --identity authority.identity.json \\
    --brokers localhost:9092 --query daily-delay --proof`;

async function read(options: Options, roots: RootSet): Promise<void> {
  const stopping = new AbortController();
  onStopSignal(() => stopping.abort());
  const brokers = brokerList(options.brokers);
  const lists = readRevocationSettings(options);
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const identity = parseIdentity(await readTextFile(options.identity));
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
  const clientId = `analyst-${identity.party}`;
  const log = await connectKafkaLog({ brokers, clientId, logger });
  try {
    await showResults({
      ...who,
      log,
      clock: systemClock,
      roots,
      ...(await openRevocation(lists, { roots, clock: systemClock })),
      signal: stopping.signal,
      follow: options.follow === true,
      tryAll: options.tryAll === true,
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
      writer,
      logger,
      queries,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
    });
  } finally {
    await log.close();
  }
}

/** SIGTERM and SIGINT end the reading; what was verified by then is finished and kept. */
function onStopSignal(stop: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
}

/** Not while options are parsed: an empty KAFKA_BROKERS must not keep --help from showing. */
function brokerList(text: string): string[] {
  const list = text.split(',');
  if (!list.every((each) => /^\S+:[0-9]{1,5}$/.test(each))) {
    const problem = '--brokers or KAFKA_BROKERS: HOST:PORT, several with commas';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  return list;
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,9}$/.test(text)) throw new InvalidArgumentError('a number above 0');
  return Number(text);
}

function asUsageError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  const problem =
    error.code === 'commander.help' ? 'the command is read' : error.message.replace('error: ', '');
  return new StrongroomError('ERR_USAGE', { problem });
}
