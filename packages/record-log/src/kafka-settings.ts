import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { BearerTokens } from './bearer-tokens.ts';
import { HiddenText } from './hidden-text.ts';
import { type JaasEntry, parseJaas } from './jaas-options.ts';
import {
  BOOTSTRAP_SERVER,
  type KafkaConnection,
  type KafkaSasl,
  type KafkaTls,
} from './kafka-connection.ts';
import { SettingsFile } from './settings-file.ts';

/**
 * A file of settings under the names that Kafka's own clients and tools read, in the format of
 * Java's properties. What is not known here is refused: a setting that is read over may be one that
 * somebody relies on.
 */

type Settings = Omit<Partial<KafkaConnection>, 'sasl' | 'tls'> &
  Pick<KafkaConnection, 'sasl' | 'tls'>;

/** @throws ERR_KAFKA_CONFIG with the setting and its line, never with its value */
export async function parseKafkaSettings(text: string): Promise<Settings> {
  const file = await SettingsFile.of(text);
  const protocol = file.oneOf('security.protocol', PROTOCOLS) ?? 'PLAINTEXT';
  const tls = await tlsOf(file, protocol.endsWith('SSL'));
  const sasl = saslOf(file, protocol);
  const brokers = file.list('bootstrap.servers', BOOTSTRAP_SERVER);
  const clientId = file.matching('client.id', /^[\w.-]{1,255}$/);
  const connectionTimeoutMs = file.milliseconds('socket.connection.setup.timeout.ms');
  const requestTimeoutMs = file.milliseconds('request.timeout.ms');
  const metadataAgeMsMax = file.milliseconds('metadata.max.age.ms');
  const transactions = file.oneOf('strongroom.transactions', ['none']);
  file.assertAllUsed();
  return {
    ...(brokers && { brokers }),
    ...(clientId && { clientId }),
    ...(tls && { tls }),
    ...(sasl && { sasl }),
    ...(connectionTimeoutMs && { connectionTimeoutMs }),
    ...(requestTimeoutMs && { requestTimeoutMs }),
    ...(metadataAgeMsMax && { metadataAgeMsMax }),
    ...(transactions && { transactions }),
  };
}

const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const;
type Protocol = (typeof PROTOCOLS)[number];

async function tlsOf(file: SettingsFile, isOn: boolean): Promise<KafkaTls | undefined> {
  const authorities = await pemOf(file, 'truststore', 'certificates');
  const keystore = await pemOf(file, 'keystore', 'key');
  const chain = file.text('ssl.keystore.certificate.chain');
  const passphrase = file.text('ssl.key.password');
  // Java's empty value: any certificate for any host. A password would go to whoever has one.
  file.oneOf('ssl.endpoint.identification.algorithm', ['https']);
  const versions = file.list('ssl.enabled.protocols', /^TLSv1\.[23]$/) ?? [];
  if (!isOn) {
    file.assertNone('ssl.', 'security.protocol without TLS');
    return undefined;
  }
  const tls: KafkaTls = {
    ...(authorities !== undefined && { authorities }),
    // One file holds the key and the chain; as values they are two.
    ...(keystore !== undefined && { privateKey: new HiddenText(keystore) }),
    ...(keystore !== undefined && { certificateChain: chain ?? keystore }),
    ...(passphrase !== undefined && { passphrase: new HiddenText(passphrase) }),
    minVersion: versions.includes('TLSv1.2') || versions.length === 0 ? 'TLSv1.2' : 'TLSv1.3',
  };
  assertUsable(file, tls);
  return tls;
}

/** Java's default is its own format, which nothing but Java reads. */
async function pemOf(
  file: SettingsFile,
  store: 'truststore' | 'keystore',
  inline: 'certificates' | 'key',
): Promise<string | undefined> {
  const [location, value] = [`ssl.${store}.location`, `ssl.${store}.${inline}`];
  const type = file.oneOf(`ssl.${store}.type`, ['PEM']);
  const path = file.text(location);
  const text = file.text(value);
  if (path === undefined && text === undefined) return undefined;
  if (type === undefined) throw file.problem(`ssl.${store}.type`, 'PEM is the only type known');
  if (path === undefined || text !== undefined) {
    if (path === undefined) return text;
    throw file.problem(location, `there is ${value} too`);
  }
  return await readFile(path, 'utf8').catch(() => {
    throw file.problem(location, 'no readable file');
  });
}

const CERTIFICATE = '-----BEGIN CERTIFICATE-----';

/** At the start, and not at the first connection, where a broker may be to blame as well. */
function assertUsable(file: SettingsFile, tls: KafkaTls): void {
  const { authorities, certificateChain, privateKey, passphrase } = tls;
  // A context takes a file without any certificate for one that trusts nobody.
  if (authorities !== undefined && !authorities.includes(CERTIFICATE)) {
    throw file.problem('ssl.truststore.location', 'no certificate in it');
  }
  try {
    createSecureContext({
      ca: authorities,
      cert: certificateChain,
      key: privateKey?.reveal(),
      passphrase: passphrase?.reveal(),
    });
  } catch {
    throw file.problem(
      privateKey === undefined ? 'ssl.truststore.location' : 'ssl.keystore.location',
      'not the certificates, the key and its password that belong together',
    );
  }
}

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;
const LOGIN_MODULES: Readonly<Record<(typeof MECHANISMS)[number], string>> = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  OAUTHBEARER: 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule',
};

function saslOf(file: SettingsFile, protocol: Protocol): KafkaSasl | undefined {
  const mechanism = file.oneOf('sasl.mechanism', MECHANISMS);
  const jaas = file.text('sasl.jaas.config');
  if (!protocol.startsWith('SASL')) {
    file.assertNone('sasl.', 'security.protocol without SASL');
    return undefined;
  }
  if (mechanism === undefined) throw file.problem('sasl.mechanism', 'is missing');
  if (protocol === 'SASL_PLAINTEXT' && !mechanism.startsWith('SCRAM')) {
    throw file.problem('security.protocol', 'a password or token goes through TLS only: SASL_SSL');
  }
  const entry = jaas === undefined ? undefined : parseJaas(jaas);
  if (mechanism === 'OAUTHBEARER') return bearerOf(file, entry);
  file.assertNone('sasl.oauthbearer.', 'this mechanism');
  const [username, password] = ['username', 'password'].map((name) => entry?.options.get(name));
  const others = [...(entry?.options.keys() ?? [])].some((name) => !/^(user|pass)/.test(name));
  const module = LOGIN_MODULES[mechanism];
  if (entry?.loginModule !== module || !username || !password || others) {
    throw file.problem('sasl.jaas.config', `${module} required username="…" password="…";`);
  }
  return { mechanism, username, password: new HiddenText(password) };
}

const CALLBACK = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler';
/** Older releases of Kafka have them in the login module alone. */
const CLIENT_ID = 'sasl.oauthbearer.client.credentials.client.id';
const CLIENT_SECRET = 'sasl.oauthbearer.client.credentials.client.secret';
const SCOPE = 'sasl.oauthbearer.scope';

function bearerOf(file: SettingsFile, entry: JaasEntry | undefined): KafkaSasl {
  file.oneOf('sasl.login.callback.handler.class', [CALLBACK]);
  const options = entry?.options ?? new Map<string, string>();
  const known = ['clientId', 'clientSecret', 'scope'];
  const module = LOGIN_MODULES.OAUTHBEARER;
  if (entry?.loginModule !== module || [...options.keys()].some((name) => !known.includes(name))) {
    throw file.problem('sasl.jaas.config', `${module} required clientId="…" clientSecret="…";`);
  }
  const oneOfBoth = (setting: string, option: string) => {
    const value = file.text(setting);
    if (value === undefined || !options.has(option)) return value ?? options.get(option);
    throw file.problem(setting, 'sasl.jaas.config has one too');
  };
  const clientId = oneOfBoth(CLIENT_ID, 'clientId');
  const clientSecret = oneOfBoth(CLIENT_SECRET, 'clientSecret');
  const scope = oneOfBoth(SCOPE, 'scope');
  if (!clientId) throw file.problem(CLIENT_ID, 'is missing');
  if (!clientSecret) throw file.problem(CLIENT_SECRET, 'is missing');
  const tokens = new BearerTokens({
    ...{ tokenEndpoint: tokenEndpointOf(file), clientId },
    clientSecret: new HiddenText(clientSecret),
    ...(scope && { scope }),
  });
  return { mechanism: 'OAUTHBEARER', tokens };
}

const THIS_MACHINE = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Over plain HTTP whoever stands between reads the secret: within this machine only. */
function tokenEndpointOf(file: SettingsFile): URL {
  const setting = 'sasl.oauthbearer.token.endpoint.url';
  const url = URL.parse(file.text(setting) ?? '');
  const isHere = url?.protocol === 'http:' && THIS_MACHINE.test(url.hostname);
  if (url && (url.protocol === 'https:' || isHere) && !url.username) return url;
  throw file.problem(setting, 'an https: address');
}
