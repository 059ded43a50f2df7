import { CIPHERTEXT_BYTES_MAX, ROWS_PER_BATCH_MAX } from '@strongroom/protocol/limits';
import { checkOptions, createProgram, parseArguments } from '@strongroom/runtime/arguments';
import { LOG_LEVELS } from '@strongroom/runtime/logger';
import { OTLP_OPTION, OtlpSchema } from '@strongroom/runtime/otlp-option';
import { COMPRESSION_LEVEL_MAX } from '@strongroom/sealing/compress';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { WITHOUT_FORM } from './canonical-texts.ts';
import { COMPRESSIONS } from './compression-choice.ts';
import { SOURCE_FORMATS } from './row-reader.ts';

/** As its help calls it. */
export const PRODUCER = 'strongroom producer';

/** What the command line says; the files that it names are read when the work begins. */
export type Settings = z.infer<typeof OptionsSchema>;

const text = z.string().min(1);
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
/** Room for Arrow's own metadata of a narrow dataset. */
const BATCH_BYTES_MIN = 4_096;

const OptionsSchema = z
  .strictObject({
    contract: text,
    amendment: z.exactOptional(z.array(text)),
    dataset: text,
    stream: z.exactOptional(text),
    source: text,
    table: z.exactOptional(text),
    query: z.exactOptional(text),
    increment: z.exactOptional(text),
    passwordFile: z.exactOptional(text),
    format: z.enum(['auto', ...SOURCE_FORMATS]),
    columns: z.exactOptional(text),
    csv: z.exactOptional(text),
    values: z.exactOptional(z.enum(['json', 'avro'])),
    schemaRegistry: z.exactOptional(text),
    registryLoginFile: z.exactOptional(text),
    registryTokenFile: z.exactOptional(text),
    sourceKafkaConfig: z.exactOptional(text),
    follow: z.exactOptional(z.boolean()),
    s3Endpoint: z.exactOptional(text),
    s3Region: z.exactOptional(text),
    joinKey: z.exactOptional(z.array(text)),
    withoutForm: z.enum(WITHOUT_FORM),
    identity: z.exactOptional(text),
    state: z.exactOptional(text),
    brokers: z.exactOptional(text),
    kafkaConfig: z.exactOptional(text),
    namespace: z.exactOptional(text),
    batchRows: z.exactOptional(whole(1, ROWS_PER_BATCH_MAX)),
    batchBytes: z.exactOptional(whole(BATCH_BYTES_MIN, CIPHERTEXT_BYTES_MAX)),
    compression: z.enum(COMPRESSIONS),
    compressionLevel: whole(1, COMPRESSION_LEVEL_MAX),
    limitRows: z.exactOptional(whole(0, Number.MAX_SAFE_INTEGER)),
    watermarkLag: whole(0, Number.MAX_SAFE_INTEGER),
    final: z.boolean(),
    check: z.boolean(),
    allowLate: z.boolean(),
    recover: z.boolean(),
    dryRun: z.boolean(),
    host: text,
    port: z.exactOptional(whole(0, 65_535)),
    otlp: OtlpSchema,
    json: z.boolean(),
    logLevel: z.enum(LOG_LEVELS),
  })
  .superRefine((options, context) => {
    if (options.dryRun) return;
    for (const name of ['identity', 'state', 'brokers'] as const) {
      const isInFile = name === 'brokers' && options.kafkaConfig !== undefined;
      if (options[name] === undefined && !isInFile) {
        context.addIssue({ code: 'custom', path: [name], message: 'is missing' });
      }
    }
  });

/**
 * Reads `publish --contract … --dataset …`.
 * @returns undefined when help was asked for and printed
 * @throws ERR_USAGE with the argument that is wrong
 */
export function readSettings(args: readonly string[]): Settings | undefined {
  let settings: Settings | undefined;
  const program = publishProgram((options) => {
    settings = parseOptions(options);
  });
  if (!parseArguments(program, args)) return undefined;
  return settings;
}

function publishProgram(publish: (options: unknown) => void): Command {
  const program = createProgram(PRODUCER);
  const command = program
    .command('publish')
    .description('seal the rows of a source and publish them, each row once')
    .requiredOption('--contract <file>', 'signed contract')
    .option('--amendment <files...>', 'versions after it: refuse to publish under an older one')
    .requiredOption('--dataset <id>', 'the dataset of the contract that the rows belong to')
    .option('--stream <name>', 'which stream of the dataset, where the contract names several')
    .option('--identity <file>', "identity file of the dataset's owner")
    .requiredOption(
      '--source <what>',
      'file, folder, pattern, s3:, postgres:, kafka:, or - for stdin',
    )
    .addOption(new Option('--format <format>').choices(['auto', ...SOURCE_FORMATS]).default('auto'))
    .option(
      '--columns <list>',
      'sourceName=contractName,…: renames columns, leaves others out; =contractName: has none',
    )
    .option('--join-key <files...>', 'keys by which the contract has columns hashed')
    .addOption(
      new Option('--without-form <what>', 'becomes of a value without its canonical form')
        .choices(WITHOUT_FORM)
        .default('refuse'),
    )
    .option('--state <folder>', 'where the stream stands; one for each stream, kept by the owner')
    .addOption(
      new Option('--brokers <list>', 'Kafka bootstrap servers, HOST:PORT,…').env('KAFKA_BROKERS'),
    )
    .addOption(
      new Option('--kafka-config <file>', "settings under Kafka's own names").env('KAFKA_CONFIG'),
    )
    .option('--namespace <name>', 'prefix of the topics')
    .option('--batch-rows <number>', 'rows of one batch at most (8192)')
    .option('--batch-bytes <number>', 'bytes of one batch at most (900000)')
    .addOption(
      new Option(
        '--compression <how>',
        'zstd before sealing; auto: if the first batches gain by it',
      )
        .choices(COMPRESSIONS)
        .default('none'),
    )
    .option('--compression-level <number>', 'of zstd, 1 to 12', '1')
    .option('--watermark-lag <ms>', 'how far event times may be out of order', '0')
    .option('--no-final', 'more rows will follow: do not end the dataset')
    .option(
      '--allow-late',
      'publish rows behind the watermark; the worker may leave them out',
      false,
    )
    .option(
      '--recover',
      'the state folder is lost: read the stream back from the log, and go on there',
      false,
    )
    .option('--limit-rows <number>', 'publish so many rows of the source in all')
    .option('--no-check', 'do not read a file to its end before its first row is published')
    .option('--dry-run', 'check the source against the contract, publish nothing', false)
    .option('--host <name>', 'address of --port', '127.0.0.1')
    .option('--port <number>', 'serve /healthz, /readyz and /metrics; 0 picks a free one')
    .option('--json', 'one JSON line at the end; errors are JSON too', false)
    .addOption(new Option('--log-level <level>').choices([...LOG_LEVELS]).default('warn'))
    .addHelpText('after', EXAMPLE)
    .action((options: unknown) => publish(options));
  for (const [flags, text] of MORE_OPTIONS) command.option(flags, text);
  return program;
}

/** What is read, and how; where traces go to. */
const MORE_OPTIONS: readonly (readonly [flags: string, text: string])[] = [
  ['--csv <dialect>', 'detect, or "delimiter=semicolon encoding=windows-1252 dates=31.12.2001 …"'],
  ['--values <form>', 'of a topic: json (the default), or avro as Confluent frames it'],
  ['--schema-registry <url>', 'of a topic in avro'],
  ['--registry-login-file <file>', 'of a registry: holds USER:PASSWORD'],
  ['--registry-token-file <file>', 'of a registry: holds a bearer token'],
  ['--source-kafka-config <file>', "of a topic: settings of its cluster under Kafka's own names"],
  ['--follow', 'of a topic: wait for more until stopped'],
  ['--s3-endpoint <url>', "of a store that is not Amazon's"],
  ['--s3-region <name>', 'of the bucket; else AWS_REGION'],
  ['--table <name>', 'of a database: all rows of a table'],
  ['--query <file>', 'of a database: what the SELECT in this file gives'],
  ['--increment <column>', 'of a database: rows are new above its highest value so far'],
  ['--password-file <file>', 'of a database; else PGPASSFILE or ~/.pgpass'],
  OTLP_OPTION,
];

const EXAMPLE = `
Example:
  strongroom producer publish --contract contract.json --dataset flights-west \\
    --identity west.identity.json --source flights.parquet --state ./flights-west \\
    --brokers localhost:9092`;

/** @throws ERR_USAGE with the argument that is wrong */
export function parseOptions(options: unknown): Settings {
  return checkOptions(OptionsSchema, options);
}
