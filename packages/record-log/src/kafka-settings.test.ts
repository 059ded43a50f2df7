import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KafkaSasl } from './kafka-connection.ts';
import { parseKafkaSettings } from './kafka-settings.ts';
import { readKafkaConnection } from './read-kafka-connection.ts';

const CANARY = 'canary-5f1d';
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule';
const OAUTH = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule';
const FILE_PROVIDER = 'org.apache.kafka.common.config.provider.FileConfigProvider';
const FOLDER_PROVIDER = 'org.apache.kafka.common.config.provider.DirectoryConfigProvider';

const saslSsl = ['security.protocol=SASL_SSL', 'sasl.mechanism=PLAIN'];
const login = (secret: string) =>
  `sasl.jaas.config=${PLAIN} required username="$ConnectionString" password="${secret}";`;
const bearer = [
  'security.protocol=SASL_SSL',
  'sasl.mechanism=OAUTHBEARER',
  'sasl.oauthbearer.token.endpoint.url=https://login.example/token',
];
const oauth = (options: string) => `sasl.jaas.config=${OAUTH} required ${options};`;
/** What Kafka has a provider of settings put in its place. */
const from = (place: string) => `\${${place}}`;
const passwordOf = ({ sasl }: { readonly sasl?: KafkaSasl | undefined }) =>
  sasl && 'password' in sasl ? sasl.password : undefined;
const parse = (...lines: string[]) => parseKafkaSettings(lines.join('\n'));

let folder = '';
const path = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kafka-settings-'));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(path('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(path('empty.pem'), '\n');
  await writeFile(path('password'), `${CANARY}\n`);
  await writeFile(path('secrets.properties'), `one=${CANARY}\ntwo=\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('parseKafkaSettings', () => {
  it('reads the file for Event Hubs', async () => {
    const file = new URL('../../../deploy/kafka/eventhubs.properties', import.meta.url);
    const text = (await readFile(file, 'utf8')).replace('/run/secrets', folder);
    const settings = await parse(text.replace('eventhubs-connection-string', 'password'));
    expect(settings).toMatchObject({
      brokers: ['NAMESPACE.servicebus.windows.net:9093'],
      tls: {},
      sasl: { mechanism: 'PLAIN', username: '$ConnectionString' },
      transactions: 'none',
    });
    expect(passwordOf(settings)?.reveal()).toBe(CANARY);
  });

  it('reads every setting in the format of Java', async () => {
    const settings = await parse(
      '# comment',
      '! comment',
      'bootstrap.servers = one.example:9093, \\',
      '    two.example:9093',
      'client.id: north-1',
      'metadata.max.age.ms 180000',
      'strongroom.transactions=none',
      'request.timeout.ms=20000',
      'socket.connection.setup.timeout.ms=5000',
      'security.protocol=SASL_SSL',
      'ssl.endpoint.identification.algorithm=https',
      'ssl.enabled.protocols=TLSv1.3',
      'sasl.mechanism=SCRAM-SHA-512',
      `sasl.jaas.config=${SCRAM} required \\`,
      `    username='n\\u00f6rd' password="a\\\\"b ; c";`,
    );
    expect(settings).toMatchObject({
      brokers: ['one.example:9093', 'two.example:9093'],
      clientId: 'north-1',
      metadataAgeMsMax: 180_000,
      transactions: 'none',
      requestTimeoutMs: 20_000,
      connectionTimeoutMs: 5_000,
      tls: { minVersion: 'TLSv1.3' },
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'nörd' },
    });
    expect(passwordOf(settings)?.reveal()).toBe('a"b ; c');
  });

  it('takes passwords from files as Kafka does, and shows them to nobody', async () => {
    const inFolder = await parse(
      'config.providers=directory',
      `config.providers.directory.class=${FOLDER_PROVIDER}`,
      ...saslSsl,
      login(`\${directory:${folder}:password}`),
    );
    const inFile = await parse(
      'config.providers=directory,file',
      `config.providers.directory.class=${FOLDER_PROVIDER}`,
      `config.providers.file.class=${FILE_PROVIDER}`,
      ...saslSsl,
      login(`\${file:${path('secrets.properties')}:one}`),
    );
    for (const { sasl } of [inFolder, inFile]) {
      expect(sasl).toMatchObject({ mechanism: 'PLAIN', username: '$ConnectionString' });
      expect(passwordOf({ sasl })?.reveal()).toBe(CANARY);
      expect(`${JSON.stringify(sasl)} ${inspect(sasl)} ${passwordOf({ sasl })}`).not.toContain(
        CANARY,
      );
    }
  });

  it.each([
    ['old names', [oauth(`clientId="a" clientSecret="${CANARY}" scope="s"`)]],
    [
      'new names',
      [
        oauth(''),
        'sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler',
        'sasl.oauthbearer.client.credentials.client.id=a',
        `sasl.oauthbearer.client.credentials.client.secret=${CANARY}`,
        'sasl.oauthbearer.scope=s',
      ],
    ],
  ])('reads a client of an authorization server under its %s', async (_, lines) => {
    const { sasl } = await parse(...bearer, ...lines);
    expect(sasl?.mechanism).toBe('OAUTHBEARER');
    expect(`${JSON.stringify(sasl)} ${inspect(sasl, { depth: 9 })}`).not.toContain(CANARY);
  });

  const providers = [
    'config.providers=directory,file',
    `config.providers.directory.class=${FOLDER_PROVIDER}`,
    `config.providers.file.class=${FILE_PROVIDER}`,
  ];
  it.each<[string, string[], object]>([
    ['a name that is not known', ['a.b=1'], { setting: 'a.b', line: 1, problem: 'is not known' }],
    ['a value where a name belongs', [`Key_${CANARY}`], { setting: '?', line: 1 }],
    ['a name that is there twice', ['client.id=a', 'client.id=b'], { line: 2 }],
    ['an escape that is none', ['client.id=\\uZZZZ'], {}],
    ['an address without a port', ['bootstrap.servers=here'], { setting: 'bootstrap.servers' }],
    ['no number', ['request.timeout.ms=soon'], { setting: 'request.timeout.ms' }],
    ['an hour and more', ['metadata.max.age.ms=3600001'], { setting: 'metadata.max.age.ms' }],
    ['an unknown protocol', ['security.protocol=TLS'], { setting: 'security.protocol' }],
    [
      'TLS without names compared',
      ['security.protocol=SSL', 'ssl.endpoint.identification.algorithm='],
      { line: 2 },
    ],
    ['TLS 1.1', ['security.protocol=SSL', 'ssl.enabled.protocols=TLSv1.1'], { line: 2 }],
    [
      "Java's own stores",
      ['security.protocol=SSL', 'ssl.truststore.location=a.jks'],
      { setting: 'ssl.truststore.type' },
    ],
    ['another type of store', ['security.protocol=SSL', 'ssl.truststore.type=JKS'], { line: 2 }],
    ['settings of TLS without TLS', ['ssl.enabled.protocols=TLSv1.3'], { line: 1 }],
    ['settings of SASL without SASL', ['sasl.mechanism=PLAIN'], { line: 1 }],
    [
      'a password without TLS',
      ['security.protocol=SASL_PLAINTEXT', 'sasl.mechanism=PLAIN', login(CANARY)],
      { setting: 'security.protocol' },
    ],
    ['no mechanism', ['security.protocol=SASL_SSL'], { setting: 'sasl.mechanism' }],
    ['GSSAPI', ['security.protocol=SASL_SSL', 'sasl.mechanism=GSSAPI'], { line: 2 }],
    [
      'a token without TLS',
      ['security.protocol=SASL_PLAINTEXT', 'sasl.mechanism=OAUTHBEARER'],
      { line: 1 },
    ],
    ['a login of another mechanism for tokens', [...bearer, login(CANARY)], { line: 4 }],
    ['a client without a secret', [...bearer, oauth('clientId="a"')], { problem: 'is missing' }],
    [
      'a secret that is there twice',
      [
        ...bearer,
        oauth('clientId="a" clientSecret="b"'),
        `sasl.oauthbearer.client.credentials.client.secret=${CANARY}`,
      ],
      { line: 5 },
    ],
    [
      'tokens from elsewhere in the clear',
      [
        ...bearer.with(2, 'sasl.oauthbearer.token.endpoint.url=http://a.example/'),
        oauth(`clientId="a" clientSecret="${CANARY}"`),
      ],
      { line: 3 },
    ],
    [
      'an address of tokens with a password',
      [
        ...bearer.with(2, `sasl.oauthbearer.token.endpoint.url=https://a:${CANARY}@a.example/`),
        oauth('clientId="a" clientSecret="b"'),
      ],
      { line: 3 },
    ],
    [
      'settings of tokens with passwords',
      [...saslSsl, login(CANARY), 'sasl.oauthbearer.scope=a'],
      { line: 4 },
    ],
    ['no login', saslSsl, { setting: 'sasl.jaas.config' }],
    [
      'a login of another mechanism',
      ['security.protocol=SASL_SSL', 'sasl.mechanism=SCRAM-SHA-256', login(CANARY)],
      { line: 3 },
    ],
    ['a login that goes on', [...saslSsl, `${login(CANARY)} more`], { line: 3 }],
    ['an empty password', [...saslSsl, login('')], { line: 3 }],
    [
      'an option of a login that is not known',
      [...saslSsl, login(`${CANARY}" debug="true`)],
      { line: 3 },
    ],
    ['a file without its provider', [...saslSsl, login(from('file:/x:y'))], { line: 3 }],
    [
      'a provider of another class',
      ['config.providers=file', 'config.providers.file.class=X'],
      { line: 2 },
    ],
    ['a provider that is not known', ['config.providers=env'], { line: 1 }],
    [
      'a password file that is not there',
      [...providers, ...saslSsl, login(from('file:/nowhere:one'))],
      { line: 6 },
    ],
    [
      'a way out of a folder',
      [...providers, ...saslSsl, login(from('directory:/run:..'))],
      { line: 6 },
    ],
  ])('refuses %s, by its line and without its value', async (_, lines, facts) => {
    const error = await parse(...lines).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ERR_KAFKA_CONFIG', facts });
    expect(`${JSON.stringify(error)} ${inspect(error)}`).not.toContain(CANARY);
  });

  it.each([
    ['truststore', 'nowhere.pem'],
    ['truststore', 'empty.pem'],
    ['truststore', 'key.pem'],
    ['keystore', 'key.pem'],
    ['keystore', 'empty.pem'],
  ])('refuses at once a %s that is no such: %s', async (store, name) => {
    const lines = [`ssl.${store}.type=PEM`, `ssl.${store}.location=${path(name)}`];
    await expect(parse('security.protocol=SSL', ...lines)).rejects.toMatchObject({
      facts: { setting: `ssl.${store}.location`, line: 3 },
    });
  });
});

describe('readKafkaConnection', () => {
  it('takes an address alone, a file alone, or a file without an address beside one', async () => {
    await writeFile(path('whole'), 'bootstrap.servers=a:1,b:2\nclient.id=mine\n');
    await writeFile(path('rest'), 'request.timeout.ms=1000\n');
    const brokers = ['a:1', 'b:2'];
    expect(await readKafkaConnection({ brokers: 'a:1,b:2' }, 'x')).toEqual({
      ...{ brokers, clientId: 'x' },
    });
    for (const named of [undefined, 'a:1,b:2']) {
      const place = { brokers: named, kafkaConfig: path('whole') };
      expect(await readKafkaConnection(place, 'x')).toEqual({ brokers, clientId: 'mine' });
    }
    const beside = { brokers: 'a:1,b:2', kafkaConfig: path('rest') };
    expect(await readKafkaConnection(beside, 'x')).toEqual({
      ...{ brokers, clientId: 'x', requestTimeoutMs: 1_000 },
    });
  });

  it.each<[string, { brokers?: string; kafkaConfig?: string }, string]>([
    ['nothing', {}, 'ERR_USAGE'],
    ['an empty address', { brokers: '' }, 'ERR_USAGE'],
    ['an address without a port', { brokers: 'here' }, 'ERR_USAGE'],
    ['a file that is not there', { kafkaConfig: 'nowhere' }, 'ERR_KAFKA_CONFIG'],
    ['a file without an address', { kafkaConfig: 'rest' }, 'ERR_USAGE'],
    ['two addresses', { kafkaConfig: 'whole', brokers: 'c:3' }, 'ERR_USAGE'],
  ])('refuses %s', async (_, { brokers, kafkaConfig }, code) => {
    const file = kafkaConfig === undefined ? undefined : path(kafkaConfig);
    await expect(readKafkaConnection({ brokers, kafkaConfig: file }, 'x')).rejects.toMatchObject({
      code,
    });
  });
});
