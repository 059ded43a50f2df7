import { StrongroomError } from '@strongroom/protocol/errors';
import { HiddenText } from '@strongroom/record-log/hidden-text';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { readTextFile } from '@strongroom/runtime/files';
import { avroDecoder } from './avro-values.ts';
import type { SourceRequest } from './check-source.ts';
import { isFolder, openFolder } from './folder-source.ts';
import { openPostgres } from './postgres-source.ts';
import { type BucketOptions, openBucket } from './s3-source.ts';
import type { Settings } from './settings.ts';
import { openInput } from './source-input.ts';
import { quoteIdentifier } from './sql-text.ts';
import { decodeJson, openTopic } from './topic-source.ts';

type StoreSettings = Pick<Settings, 's3Endpoint' | 's3Region'>;
type TopicSettings = Pick<
  Settings,
  | 'values'
  | 'schemaRegistry'
  | 'registryLoginFile'
  | 'registryTokenFile'
  | 'sourceKafkaConfig'
  | 'follow'
>;
type Requested = Pick<
  Settings,
  | 'source'
  | 'table'
  | 'query'
  | 'increment'
  | 'passwordFile'
  | keyof TopicSettings
  | keyof StoreSettings
>;

/** Options that mean something for one kind of source only. */
const OF_KINDS = [
  { scheme: /^postgres(ql)?:/, names: ['table', 'query', 'increment', 'passwordFile'] },
  {
    scheme: /^kafka:/,
    names: [
      ...(['values', 'schemaRegistry', 'registryLoginFile', 'registryTokenFile'] as const),
      ...(['sourceKafkaConfig', 'follow'] as const),
    ],
  },
  { scheme: /^s3:/, names: ['s3Endpoint', 's3Region'] },
] as const;

/**
 * What `--source` names, and the options that say more of it.
 * @throws ERR_USAGE, ERR_FILE_UNREADABLE
 */
export async function openRequested(settings: Requested): Promise<SourceRequest['input']> {
  const { source } = settings;
  for (const { scheme, names } of OF_KINDS) {
    const stray = names.find((name) => settings[name] !== undefined);
    if (stray !== undefined && !scheme.test(source)) throw usage(stray, 'not of this --source');
  }
  if (/^postgres(ql)?:/.test(source)) return openPostgres(await postgresOptions(settings));
  if (source.startsWith('s3:')) return openBucket(bucketOptions(settings));
  if (source.startsWith('kafka:')) return openTopic(await topicOptions(settings));
  return (await isFolder(source)) ? openFolder(source) : openInput(source);
}

async function postgresOptions({ source, table, query, ...rest }: Requested) {
  const url = urlOf(source);
  if ((table === undefined) === (query === undefined)) {
    throw usage('source', 'a database needs --table or --query, one of them');
  }
  const { increment, passwordFile } = rest;
  if (query === undefined) return { url, sql: tableSql(table ?? ''), increment, passwordFile };
  const sql = (await readTextFile(query)).trim().replace(/;$/, '');
  return { url, sql, increment, passwordFile };
}

/**
 * `kafka://host:port,host:port/topic`; servers are those of another Kafka, or of the same. How they
 * are spoken to is said by a file of its own: no password for ours is shown to theirs.
 */
async function topicOptions(settings: Requested) {
  const { source, values = 'json', sourceKafkaConfig, follow = false } = settings;
  const [, servers = '', topic] = /^kafka:\/\/([^/@]*)\/([\w.-]+)$/.exec(source) ?? [];
  const areServers = servers.split(',').every((each) => /^\S+:\d{1,5}$/.test(each));
  const areInFile = servers === '' && sourceKafkaConfig !== undefined;
  if (topic === undefined || !(areServers || areInFile)) {
    throw usage('source', 'kafka://HOST:PORT,…/TOPIC; kafka:///TOPIC with --source-kafka-config');
  }
  const decode = await decoderFor(values, settings);
  const place = { brokers: servers || undefined, kafkaConfig: sourceKafkaConfig };
  const connection = await readKafkaConnection(place, 'producer-source');
  const connect = () => connectKafkaLog(connection);
  return { connect, topic, values, decode, follow };
}

async function decoderFor(values: 'json' | 'avro', settings: Requested) {
  const { schemaRegistry, registryLoginFile, registryTokenFile } = settings;
  if ((values === 'avro') !== (schemaRegistry !== undefined)) {
    throw usage('schemaRegistry', 'with --values avro, and only then');
  }
  if (schemaRegistry === undefined) {
    if ((registryLoginFile ?? registryTokenFile) === undefined) return decodeJson;
    throw usage('schemaRegistry', 'is missing');
  }
  const url = httpsOf('schemaRegistry', schemaRegistry);
  return avroDecoder(url, await registryAuthorization(registryLoginFile, registryTokenFile));
}

/** RFC 7617 and RFC 6750, as registries want them. */
async function registryAuthorization(loginFile?: string, tokenFile?: string) {
  if (loginFile !== undefined && tokenFile !== undefined) {
    throw usage('registryLoginFile', 'or --registry-token-file, one of them');
  }
  if (loginFile !== undefined) {
    const login = await secretIn(loginFile, /^[^:\n]+:[^\n]+$/, 'a file with USER:PASSWORD');
    return new HiddenText(`Basic ${Buffer.from(login).toString('base64')}`);
  }
  if (tokenFile === undefined) return undefined;
  const token = await secretIn(tokenFile, /^[\w.~+/=-]+$/, 'a file with a token');
  return new HiddenText(`Bearer ${token}`);
}

async function secretIn(file: string, form: RegExp, problem: string): Promise<string> {
  const text = (await readTextFile(file)).replace(/\r?\n$/, '');
  if (form.test(text)) return text;
  throw new StrongroomError('ERR_USAGE', { file, problem });
}

function bucketOptions({ source, s3Endpoint, s3Region: region }: Requested): BucketOptions {
  const { hostname: bucket, pathname } = urlOf(source);
  const prefix = decodeURIComponent(pathname.slice(1));
  const endpoint = s3Endpoint === undefined ? undefined : httpsOf('s3Endpoint', s3Endpoint);
  return { bucket, prefix, endpoint, region };
}

/** Over plain HTTP whoever stands between reads and writes: within this machine only. */
function httpsOf(name: string, text: string): URL {
  const url = URL.parse(text);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url?.hostname ?? '');
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isHere)) return url;
  throw usage(name, 'an https URL');
}

/** `schema.name` or `name`, spelled as in the catalogue; a point within a name needs --query. */
function tableSql(table: string): string {
  return `SELECT * FROM ${table.split('.').map(quoteIdentifier).join('.')}`;
}

/** The text may hold a password that does not belong there: it is not repeated. */
function urlOf(source: string): URL {
  const url = URL.parse(source);
  if (url) return url;
  throw usage('source', 'not a URL');
}

function usage(name: string, problem: string): StrongroomError {
  const argument = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return new StrongroomError('ERR_USAGE', { argument, problem });
}
