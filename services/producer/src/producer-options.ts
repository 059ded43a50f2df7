import { columnList } from './column-mapping.ts';
import type { CompressionRequest } from './compression-choice.ts';
import type { Progress } from './publish-report.ts';
import type { SourceFormat } from './row-reader.ts';
import { parseOptions, type Settings } from './settings.ts';

/** Which stream a producer publishes, for whom, and where to. */
export interface ProducerOptions {
  /** The signed contract: the path of its file, or what that file holds. */
  readonly contract: string | object;
  /** Versions after it, likewise: nothing is published under an older one. */
  readonly amendments?: readonly (string | object)[];
  /** Kafka bootstrap servers: `HOST:PORT`, several in a list or with commas between them. */
  readonly brokers?: string | readonly string[];
  /** Path of a file of settings under Kafka's own names, which may name them too. */
  readonly kafkaConfig?: string;
  /** The dataset of the contract that the rows belong to. */
  readonly dataset: string;
  /** Which stream of the dataset, where the contract names several. */
  readonly stream?: string;
  /** Path of the identity file of the dataset's owner. */
  readonly identity: string;
  /** Folder in which the stream remembers where it stands: one for each stream, kept for good. */
  readonly state: string;
  /** Prefix of the topics. */
  readonly namespace?: string;
  /** Paths of the keys by which the contract has columns hashed. */
  readonly joinKeys?: readonly string[];
  /** What becomes of a value without its canonical form; default: `refuse`. */
  readonly withoutForm?: 'refuse' | 'null';
  /** How far event times may be out of order, in milliseconds; default: 0. */
  readonly watermarkLagMs?: number;
  /** Publish rows behind the watermark, which the worker may leave out; default: false. */
  readonly allowLate?: boolean;
  /** Rows of one batch at most; default: 8192. */
  readonly batchRows?: number;
  /** Bytes of one batch at most, before it is sealed; default: 900000. */
  readonly batchBytes?: number;
  /** zstd before sealing; default: `none`. `auto`: if the first batches gain by it. */
  readonly compression?: CompressionRequest['how'];
  /** Of the JSON lines on standard error, which never hold a row or a key; default: `warn`. */
  readonly logLevel?: Settings['logLevel'];
  /** Told after each group of records. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How one source is read, and what its end means. */
export interface PublishOptions {
  /** No row follows: ends the dataset, for good. Default: false. */
  readonly final?: boolean;
  /** Contract's name of each source column that has another; with it, others are left out. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Ends the reading early, after the records that it is at. */
  readonly signal?: AbortSignal;
  /** Of a file; default: its first bytes tell. */
  readonly format?: SourceFormat;
  /** How a CSV file is written, in the words of `--csv`. */
  readonly csv?: string;
  /** Read a file to its end before its first row is published; default: true. */
  readonly check?: boolean;
  /** Rows of the source to publish in all. */
  readonly limitRows?: number;
  /** The state folder is lost: read the stream back from the log, and go on there. */
  readonly recover?: boolean;
  /** What a database, a store or a topic wants to know (docs/connectors.md). */
  readonly connector?: ConnectorOptions;
}

/** Of `postgres:`, `s3:` and `kafka:` sources, under the names of the command's options. */
export type ConnectorOptions = Readonly<
  Pick<Settings, 'table' | 'query' | 'increment' | 'passwordFile'> &
    Pick<Settings, 's3Endpoint' | 's3Region' | 'values' | 'schemaRegistry' | 'follow'> &
    Pick<Settings, 'registryLoginFile' | 'registryTokenFile' | 'sourceKafkaConfig'>
>;

/** Stands for what was given instead of a path. */
const GIVEN = 'given';

/**
 * The command's own settings, checked as it checks them.
 * @throws ERR_USAGE with the command's name of the option that is wrong
 */
export function producerSettings(
  options: ProducerOptions,
  publishing: PublishOptions = {},
  source: string = GIVEN,
): Settings {
  const { contract, amendments = [], brokers = [], joinKeys = [], watermarkLagMs = 0 } = options;
  const { columns, final = false, check = true, recover = false } = publishing;
  return parseOptions({
    ...known(options, OWN_NAMES),
    ...known(publishing, SOURCE_NAMES),
    ...publishing.connector,
    contract: pathOf(contract),
    amendment: amendments.map(pathOf),
    ...brokerOption(brokers),
    joinKey: joinKeys,
    withoutForm: options.withoutForm ?? 'refuse',
    watermarkLag: watermarkLagMs,
    allowLate: options.allowLate ?? false,
    compression: options.compression ?? 'none',
    compressionLevel: 1,
    logLevel: options.logLevel ?? 'warn',
    source,
    format: publishing.format ?? 'auto',
    ...(columns === undefined ? {} : { columns: columnList(Object.entries(columns)) }),
    final,
    check,
    recover,
    dryRun: false,
    host: '127.0.0.1',
    json: false,
  });
}

const OWN_NAMES = [
  'dataset',
  'stream',
  'identity',
  'state',
  'kafkaConfig',
  'namespace',
  'batchRows',
  'batchBytes',
] as const satisfies readonly (keyof ProducerOptions)[];
const SOURCE_NAMES = ['csv', 'limitRows'] as const satisfies readonly (keyof PublishOptions)[];

/** Those members that are there. */
function known<Options extends object>(options: Options, names: readonly (keyof Options)[]) {
  const given = names.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function pathOf(file: string | object): string {
  return typeof file === 'string' ? file : GIVEN;
}

function brokerOption(brokers: string | readonly string[]) {
  const list = [brokers].flat().join(',');
  return list === '' ? {} : { brokers: list };
}
