import {
  HARDWARE_PLATFORMS,
  type HardwarePlatform,
} from '@strongroom/attestation/platforms/open-platform';
import { SLICES_MAX } from '@strongroom/protocol/limits';
import type { KafkaPlace } from '@strongroom/record-log/read-kafka-connection';
import {
  checkOptions,
  createProgram,
  parseArguments,
  usageError,
} from '@strongroom/runtime/arguments';
import { LOG_LEVELS } from '@strongroom/runtime/logger';
import { OTLP_OPTION, OtlpSchema } from '@strongroom/runtime/otlp-option';
import { type Command, Option } from 'commander';
import { z } from 'zod';

/** Of one owner, or of all that have none of their own. */
export interface FileOfParty {
  readonly party?: string;
  readonly path: string;
}

/** What the command line says. */
export interface Settings {
  readonly contract: string;
  /** Versions after it: a superseded one is not run. */
  readonly amendment: readonly string[];
  /** Where the log is, and how it is spoken to. */
  readonly kafka: KafkaPlace;
  readonly namespace: string;
  /** Of a contract with slices: which is counted here; absent where results are told. */
  readonly slice?: number;
  /** Of a contract with slices: share its parts out with other hosts. */
  readonly group: boolean;
  /** End when standard input does: with the host that started this part. */
  readonly withParent: boolean;
  /** Only these authorities of the contract; all of them when empty. */
  readonly attestation: readonly string[];
  /** Access tokens for key release: a file for every owner, or one for those without their own. */
  readonly accessTokenFiles: readonly FileOfParty[];
  /** Client certificates for key release, with their keys; likewise. */
  readonly clientCertificateFiles: readonly FileOfParty[];
  readonly caFile?: string;
  readonly host: string;
  readonly port: number;
  readonly memoryMb: number;
  readonly vaultDeadlineMs: number;
  readonly stallMs: number;
  readonly untilComplete: boolean;
  readonly deadlineMs?: number;
  /** Where traces go to. */
  readonly otlp?: string;
  readonly logLevel: string;
  readonly json: boolean;
  /** Where evidence of hardware comes from; not for main.insecure. */
  readonly platform?: HardwarePlatform;
  readonly endorsementsCache?: string;
  readonly endorsementsOffline?: string;
  readonly sidecar?: string;
  /** Only for main.insecure. */
  readonly platformDir?: string;
  readonly extraPage?: string;
}

const text = z.string().min(1);
const seconds = z.coerce.number().positive();

const OptionsSchema = z.strictObject({
  contract: text,
  amendment: z.array(text),
  brokers: z.exactOptional(
    z.string().regex(/^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$/, 'HOST:PORT, or several with commas'),
  ),
  kafkaConfig: z.exactOptional(text),
  namespace: z.string().regex(/^[a-z0-9-]{0,64}$/),
  slice: z.exactOptional(
    z.coerce
      .number()
      .int()
      .min(0)
      .max(SLICES_MAX - 1),
  ),
  group: z.boolean(),
  withParent: z.boolean(),
  attestation: z.array(z.url({ protocol: /^https?$/ })),
  accessTokenFile: z.array(text),
  clientCertificateFile: z.array(text),
  caFile: z.exactOptional(text),
  host: text,
  port: z.coerce.number().int().min(0).max(65_535),
  memory: z.coerce.number().int().min(128).max(1_048_576),
  vaultDeadline: seconds,
  stall: seconds,
  untilComplete: z.boolean(),
  deadline: z.exactOptional(seconds),
  otlp: OtlpSchema,
  logLevel: z.enum(LOG_LEVELS),
  json: z.boolean(),
  platform: z.exactOptional(z.enum(HARDWARE_PLATFORMS)),
  endorsementsCache: z.exactOptional(text),
  endorsementsOffline: z.exactOptional(text),
  sidecar: z.exactOptional(z.url({ protocol: /^http$/ })),
  platformDir: z.exactOptional(text),
  extraPage: z.exactOptional(text),
});

type Environment = Readonly<Partial<Record<string, string>>>;

const KAFKA_CONFIG_TEXT = "settings under Kafka's own names; env KAFKA_CONFIG";

/**
 * Reads `start --contract … --brokers …`.
 * @returns undefined when help was asked for and printed
 * @throws ERR_USAGE with the argument that is wrong
 */
export function readSettings(
  args: readonly string[],
  environment: Environment,
  simulated: boolean,
): Settings | undefined {
  let settings: Settings | undefined;
  const program = workerProgram(simulated, environment, (options) => {
    settings = parseOptions(options);
  });
  parseArguments(program, args);
  return settings;
}

function workerProgram(
  simulated: boolean,
  { KAFKA_BROKERS: brokers, KAFKA_CONFIG: kafkaConfig }: Environment,
  start: (options: unknown) => void,
): Command {
  const program = createProgram('enclave-worker', 'Sealed batches in, sealed aggregates out');
  const command = program
    .command('start')
    .description(simulated ? 'run on a SIMULATED platform' : 'run in an AMD SEV-SNP guest')
    .requiredOption('--contract <file>', 'signed contract')
    .option(
      '--amendment <file>',
      'a version after it: refuse to run under an older one; may be repeated',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--brokers <list>', 'Kafka bootstrap servers; env KAFKA_BROKERS', brokers)
    .option('--kafka-config <file>', KAFKA_CONFIG_TEXT, kafkaConfig)
    .option('--namespace <name>', 'first part of every topic', '')
    .option(
      '--slice <number>',
      'of a contract with slices: count this one; without, merge them and tell results',
    )
    .option('--group', 'of a contract with slices: share them out with other hosts', false)
    .addOption(
      new Option('--with-parent', 'end with the host that started it').default(false).hideHelp(),
    )
    .option(
      '--attestation <url>',
      'ask only this attestation service of the contract; may be repeated',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option(
      '--access-token-file <[party=]file>',
      "bearer token for the owners' key release, or for one owner; may be repeated",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option(
      '--client-certificate-file <[party=]file>',
      'PEM of a client certificate and its key, where they know the worker by it; likewise',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--ca-file <file>', 'PEM authorities of the services, instead of the system ones')
    .option('--host <name>', 'address of healthz, readyz and metrics', '127.0.0.1')
    .option('--port <number>', 'its port; 0 picks a free one', '8490')
    .option('--memory <megabytes>', "the vault's memory for rows and queries", '600')
    .option('--vault-deadline <seconds>', 'longest request before the vault is killed', '120')
    .option('--stall <seconds>', 'begin anew when records wait and none is handled', '180')
    .option('--until-complete', 'stop when every query is done', false)
    .option('--deadline <seconds>', 'stop then at the latest; refuses truncated streams')
    .option(...OTLP_OPTION)
    .addOption(new Option('--log-level <level>').choices([...LOG_LEVELS]).default('info'))
    .option('--json', 'print one JSON line at the end', false)
    .action((options: unknown) => start(options));
  if (simulated) addSimulatedOptions(command);
  else addHardwareOptions(command);
  return program;
}

function addSimulatedOptions(command: Command): void {
  command
    .requiredOption('--platform-dir <folder>', 'folder of the simulated platform')
    .option('--extra-page <file>', 'launch with one page more: shows another measurement');
}

function addHardwareOptions(command: Command): void {
  const platform = new Option('--platform <name>', 'where evidence comes from');
  command
    .addOption(platform.choices([...HARDWARE_PLATFORMS]).default(HARDWARE_PLATFORMS[0]))
    .option('--endorsements-cache <folder>', "keeps the chip's certificates over restarts")
    .option(
      '--endorsements-offline <file>',
      'bundle of certificates (or such a folder); ask nobody',
    )
    .option('--sidecar <url>', 'azure-cc-sidecar: its address on the loopback interface');
}

function parseOptions(options: unknown): Settings {
  const read = checkOptions(OptionsSchema, options);
  const { brokers, kafkaConfig, accessTokenFile, clientCertificateFile, ...rest } = read;
  if ((brokers ?? kafkaConfig) === undefined) {
    throw usageError('--brokers or --kafka-config is missing');
  }
  const { memory, vaultDeadline, stall, deadline, ...same } = rest;
  return {
    ...same,
    kafka: { brokers, kafkaConfig },
    accessTokenFiles: accessTokenFile.map(parseFileOption),
    clientCertificateFiles: clientCertificateFile.map(parseFileOption),
    memoryMb: memory,
    vaultDeadlineMs: vaultDeadline * 1_000,
    stallMs: stall * 1_000,
    ...(deadline === undefined ? {} : { deadlineMs: deadline * 1_000 }),
  };
}

/** What `openHardwarePlatform` is told of the command line. */
export function hardwareOptionsOf(settings: Settings) {
  const { platform = HARDWARE_PLATFORMS[0], endorsementsCache, endorsementsOffline } = settings;
  return {
    platform,
    ...(endorsementsCache === undefined ? {} : { endorsementsCache }),
    ...(endorsementsOffline === undefined ? {} : { endorsementsOffline }),
    ...(settings.sidecar === undefined ? {} : { sidecarUrl: settings.sidecar }),
  };
}

function parseFileOption(option: string): FileOfParty {
  const [, party, path = option] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(option) ?? [];
  return party === undefined ? { path } : { party, path };
}
