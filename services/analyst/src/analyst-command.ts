import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { systemClock } from '@strongroom/runtime/clock';
import { failCommand } from '@strongroom/runtime/command';
import { readTextFile } from '@strongroom/runtime/files';
import { createLogger, LOG_LEVELS, type Logger } from '@strongroom/runtime/logger';
import { parseIdentity } from '@strongroom/sealing/identity';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { queriesOf, type ReadAggregatesOptions, readAggregates } from './read-aggregates.ts';
import { createResultWriter, FORMATS, type Format, type ResultWriter } from './result-writer.ts';
import { readSignedContract } from './signed-contract-file.ts';

/** `strongroom analyst read`: options, wiring, exit code. */
export async function runAnalyst(args: readonly string[]): Promise<void> {
  try {
    await analystCommand().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    failCommand(asUsageError(error), args.includes('--json'));
  }
}

interface Options {
  readonly contract: string;
  readonly identity: string;
  readonly brokers: string;
  readonly namespace?: string;
  readonly query?: string;
  readonly follow?: boolean;
  readonly format: Format;
  readonly out?: string;
  readonly limit?: number;
  readonly proof?: boolean;
  readonly json?: boolean;
  readonly tryAll?: boolean;
  readonly logLevel: string;
}

function analystCommand(): Command {
  const program = new Command('strongroom analyst')
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  program
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
    .addOption(new Option('--format <format>').choices(FORMATS).default('table'))
    .option('--out <path>', 'a file, or a folder (no extension) with a file per query')
    .option('--limit <windows>', 'show so many windows of each query', wholeNumber)
    .option('--proof', 'show what proves each result')
    .option('--json', 'short for --format json; errors are JSON too')
    .addOption(new Option('--try-all', 'also try what is addressed to others').hideHelp())
    .addOption(
      new Option('--log-level <level>', 'of the log on stderr').choices(LOG_LEVELS).default('warn'),
    )
    .addHelpText('after', EXAMPLE)
    .action(read);
  return program;
}

const EXAMPLE = `
Example:
  strongroom analyst read --contract contract.json --identity authority.identity.json \\
    --brokers localhost:9092 --query daily-delay --proof`;

async function read(options: Options): Promise<void> {
  const stopping = new AbortController();
  onStopSignal(() => stopping.abort());
  const { contract, contractId } = await readSignedContract(options.contract);
  const identity = parseIdentity(await readTextFile(options.identity));
  const logger = createLogger('analyst', { level: options.logLevel });
  const only = options.query === undefined ? {} : { query: options.query };
  const who = { contract, contractId, identity, ...only };
  const queries = queriesOf({ ...who, tryAll: options.tryAll === true });
  const writer = await createResultWriter({
    format: options.json ? 'json' : options.format,
    ...(options.out === undefined ? {} : { out: options.out }),
    queries,
    withProof: options.proof === true,
    live: options.follow === true,
    onGone: () => stopping.abort(),
  });
  const brokers = options.brokers.split(',');
  const log = await connectKafkaLog({ brokers, clientId: `analyst-${identity.party}`, logger });
  try {
    await show({
      ...who,
      log,
      clock: systemClock,
      signal: stopping.signal,
      follow: options.follow === true,
      tryAll: options.tryAll === true,
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
      writer,
      logger,
      limits: new Map(queries.map((each) => [each.id, options.limit ?? Number.MAX_SAFE_INTEGER])),
    });
  } finally {
    await log.close();
  }
}

interface Showing extends ReadAggregatesOptions {
  readonly writer: ResultWriter;
  readonly logger: Logger;
  /** How many windows of each query are still shown. */
  readonly limits: Map<string, number>;
}

/** @throws what reading throws; the first refusal at the end, when there was one */
async function show(options: Showing): Promise<void> {
  const { writer, logger, limits } = options;
  let refused: Error | undefined;
  try {
    for await (const reading of readAggregates(options)) {
      if (reading.kind === 'refused') {
        const { code, offset } = reading;
        logger.warn('record-refused', { code, offset });
        refused ??= reading.error;
        continue;
      }
      const { query } = reading.result.seal;
      const left = limits.get(query) ?? 0;
      if (left > 0) await writer.write(reading.result);
      limits.set(query, left - 1);
      if ([...limits.values()].every((each) => each <= 0)) break;
    }
  } catch (error) {
    await writer.discard();
    throw error;
  }
  if (options.signal?.aborted && !options.follow) {
    // Half of the results must not look like all of them.
    await writer.discard();
    process.exitCode = EXIT_INTERRUPTED;
    return;
  }
  await writer.close();
  if (refused) throw refused;
}

/** 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;

/** SIGTERM and SIGINT end the reading; what was verified by then is finished and kept. */
function onStopSignal(stop: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
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
