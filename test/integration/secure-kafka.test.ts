import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { startFaultyProxy } from '@strongroom/testkit/faulty-proxy';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeFronts, viewFronts, whyNot } from '../../services/cli/src/doctor/broker-fronts.ts';
import { viewKafka } from '../../services/cli/src/doctor/kafka-view.ts';
import { PASSWORD, SESSION_MS, type SecureKafka, startSecureKafka } from './secure-kafka.ts';
import { ROWS_EACH, wholePath } from './secure-pipeline.ts';
import { expectedTotals, PLACES, sumOf } from './visits.ts';

/** Every way to reach a Kafka that companies run, through one file of settings, on one broker. */

let folder = '';
let kafka: SecureKafka;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-secure-'));
  await writeFile(join(folder, 'password'), `${PASSWORD}\n`);
  kafka = await startSecureKafka(join(folder, 'kafka'));
});
afterAll(async () => {
  await kafka?.stop();
  await rm(folder, { recursive: true, force: true });
});

const trusting = (file = 'ca.pem') => [
  'ssl.truststore.type=PEM',
  `ssl.truststore.location=${kafka.path(file)}`,
];
const known = (file = 'north.pem') => [
  'ssl.keystore.type=PEM',
  `ssl.keystore.location=${kafka.path(file)}`,
];
const ssl = (own: readonly string[], trust = trusting()) => [
  `bootstrap.servers=${kafka.ssl}`,
  'security.protocol=SSL',
  ...trust,
  ...own,
];
const LOGIN = 'org.apache.kafka.common.security';
const login = (mechanism: string, user = 'north', secret = `\${directory:${folder}:password}`) => [
  'config.providers=directory',
  'config.providers.directory.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider',
  `sasl.mechanism=${mechanism}`,
  `sasl.jaas.config=${LOGIN}.${mechanism === 'PLAIN' ? 'plain.Plain' : 'scram.Scram'}LoginModule required username="${user}" password="${secret}";`,
];
const bearer = (
  page = '/token',
  secret = `\${directory:${folder}:password}`,
  url = kafka.tokens.url,
) => [
  'config.providers=directory',
  'config.providers.directory.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider',
  'sasl.mechanism=OAUTHBEARER',
  `sasl.oauthbearer.token.endpoint.url=${url}${page}`,
  `sasl.jaas.config=${LOGIN}.oauthbearer.OAuthBearerLoginModule required clientId="north" clientSecret="${secret}";`,
];
const saslSsl = (own: readonly string[], trust = trusting()) => [
  // On a machine that does other work too.
  'socket.connection.setup.timeout.ms=30000',
  `bootstrap.servers=${kafka.saslSsl}`,
  'security.protocol=SASL_SSL',
  ...trust,
  ...own,
];

async function fileOf(lines: readonly string[]): Promise<string> {
  const file = join(folder, `${randomUUID()}.properties`);
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

async function connect(lines: readonly string[]): Promise<RecordLog> {
  const kafkaConfig = await fileOf(lines);
  return await connectKafkaLog(await readKafkaConnection({ kafkaConfig }, 'secure-kafka'));
}

/** Larger than a record of TLS, so that answers come in pieces. */
const VALUE_BYTES = 200_000;

async function everything(log: RecordLog): Promise<void> {
  const topic = randomUUID();
  const record = (fill: number) => ({
    key: null,
    value: new Uint8Array(VALUE_BYTES).fill(fill),
    headers: {},
  });
  try {
    await log.createTopics([{ topic }]);
    await log.append(topic, [record(1), record(2)]);
    const writer = await log.transaction(`writer-${topic}`);
    await writer.commit(topic, [record(3)]);
    const values: Uint8Array[] = [];
    for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
      values.push(...entries.map(({ value }) => value));
    }
    expect(values.map((value) => [value.length, value[0]])).toEqual(
      [1, 2, 3].map((fill) => [VALUE_BYTES, fill]),
    );
  } finally {
    await log.close();
  }
}

describe('writes, commits and reads', () => {
  it.each<[string, () => readonly string[]]>([
    ['a client certificate', () => ssl(known())],
    ['SASL PLAIN', () => saslSsl(login('PLAIN'))],
    ['SCRAM-SHA-256', () => saslSsl(login('SCRAM-SHA-256'))],
    ['SCRAM-SHA-512', () => saslSsl(login('SCRAM-SHA-512'))],
    ['OAUTHBEARER', () => saslSsl(bearer())],
    ['TLS 1.3 alone', () => saslSsl([...login('PLAIN'), 'ssl.enabled.protocols=TLSv1.3'])],
    [
      'SCRAM without TLS',
      () => [
        `bootstrap.servers=${kafka.saslPlaintext}`,
        'security.protocol=SASL_PLAINTEXT',
        ...login('SCRAM-SHA-512'),
      ],
    ],
  ])('by %s', async (_, lines) => {
    await everything(await connect(lines()));
  });
});

/** Kafka's api key. */
const SASL_AUTHENTICATE = 36;

it.each(['before', 'after'] as const)(
  'takes a connection that breaks %s it was told who asks for no refusal, and tries again',
  async (when) => {
    const proxy = await startFaultyProxy(kafka.saslPlaintext);
    proxy.cutNext(SASL_AUTHENTICATE, when);
    await everything(
      await connect([
        `bootstrap.servers=${proxy.brokers}`,
        'security.protocol=SASL_PLAINTEXT',
        ...login('SCRAM-SHA-512'),
      ]),
    );
    expect(proxy.cuts()).toBe(1);
    await proxy.close();
  },
);

it('carries the whole path, each party by a password or token of its own', async () => {
  const { rowsCounted, results } = await wholePath({
    producer: await fileOf(saslSsl(login('PLAIN'))),
    worker: await fileOf(saslSsl(login('SCRAM-SHA-512', 'worker'))),
    analyst: await fileOf(saslSsl(bearer())),
  });
  const totals = expectedTotals(ROWS_EACH);
  expect(rowsCounted).toBe(totals.rows + PLACES);
  for (const query of ['hourly-visits', 'visits-by-district']) {
    const told = results.filter((each) => each.query === query);
    expect([sumOf(told, 'visits'), sumOf(told, 'weight')]).toEqual([totals.rows, totals.weight]);
  }
});

describe('doctor looks at it through the same file', () => {
  const connectionFor = async (lines: readonly string[]) =>
    await readKafkaConnection({ kafkaConfig: await fileOf(lines) }, 'doctor');

  it.each([
    ['SCRAM', () => login('SCRAM-SHA-512')],
    ['OAUTHBEARER', () => bearer()],
  ])('by %s', async (_, own) => {
    const view = await viewKafka(await connectionFor(saslSsl(own())), [], 10_000);
    expect(view).toMatchObject({ brokers: 1, acls: 'no-authorizer' });
  });

  it.each<[string, () => readonly string[], readonly string[], RegExp]>([
    [
      'certificates on both sides',
      () => ssl(known()),
      ['kafka-lets-in ok', 'kafka-certificate ok', 'kafka-certificate ok'],
      /no broker answers/,
    ],
    [
      'a wrong password',
      () => saslSsl(login('PLAIN', 'north', 'canary')),
      ['kafka-lets-in ok', 'kafka-certificate ok'],
      /SASL_AUTHENTICATION_FAILED/,
    ],
    [
      'a broker of another authority',
      () => ssl(known(), trusting('other-ca.pem')),
      ['kafka-lets-in fail', 'kafka-certificate ok', 'kafka-certificate ok'],
      /CERT|SIGNATURE|VERIFY/,
    ],
  ])('and tells %s', async (_, lines, verdicts, reason) => {
    const connection = await connectionFor(lines());
    const fronts = await viewFronts(connection, 10_000);
    const found = judgeFronts(connection, fronts, Date.now());
    expect(found.map(({ code, verdict }) => `${code} ${verdict}`)).toEqual(verdicts);
    const { says } = await whyNot(connection, fronts);
    expect(says).toMatch(reason);
    expect(says).not.toContain('canary');
  });
});

/** Longer than a session of the broker, which ends every connection that has not renewed its own. */
const SAYINGS = 30;

it.runIf(process.env['STRONGROOM_LONG'] === '1').each(['PLAIN', 'SCRAM-SHA-256', 'OAUTHBEARER'])(
  'says who it is again before a session of %s ends',
  async (mechanism) => {
    const log = await connect(saslSsl(mechanism === 'OAUTHBEARER' ? bearer() : login(mechanism)));
    const topic = randomUUID();
    await log.createTopics([{ topic }]);
    const stop = new AbortController();
    let read = 0;
    const reading = (async () => {
      for await (const entries of log.read([{ topic, offset: 0 }], { signal: stop.signal })) {
        read += entries.length;
      }
    })();
    for (let said = 0; said < SAYINGS; said++) {
      await log.append(topic, [{ key: null, value: new Uint8Array(1), headers: {} }]);
      await delay(SESSION_MS / (SAYINGS / 2));
    }
    expect(read).toBe(SAYINGS);
    stop.abort();
    await reading;
    await log.close();
  },
);

describe('refuses, by a code and without a secret,', () => {
  it.concurrent.each<[string, () => readonly string[], string, RegExp]>([
    [
      'a wrong password',
      () => saslSsl(login('PLAIN', 'north', 'canary')),
      'ERR_LOG_REFUSED',
      /SASL/,
    ],
    [
      'a wrong password of SCRAM',
      () => saslSsl(login('SCRAM-SHA-256', 'north', 'canary')),
      'ERR_LOG_REFUSED',
      /SASL/,
    ],
    [
      'a user that nobody knows',
      () => saslSsl(login('SCRAM-SHA-512', 'canary')),
      'ERR_LOG_REFUSED',
      /SASL/,
    ],
    [
      'a secret that gives no token',
      () => saslSsl(bearer('/token', 'canary')),
      'ERR_LOG_REFUSED',
      /TOKEN_REFUSED/,
    ],
    [
      'a token that somebody else signed',
      () => saslSsl(bearer('/forged')),
      'ERR_LOG_REFUSED',
      /SASL/,
    ],
    [
      'a server of tokens that is not there',
      () => saslSsl(bearer('/', 'canary', 'http://127.0.0.1:1')),
      'ERR_LOG_UNREACHABLE',
      /NO_TOKEN/,
    ],
    [
      'a broker of another authority',
      () => saslSsl(login('PLAIN'), trusting('other-ca.pem')),
      'ERR_LOG_REFUSED',
      /CERT|SIGNATURE|VERIFY/,
    ],
    [
      'a broker of a public authority',
      () => saslSsl(login('PLAIN'), []),
      'ERR_LOG_REFUSED',
      /CERT|SIGNATURE|VERIFY/,
    ],
    ['a client without a certificate', () => ssl([]), 'ERR_LOG_REFUSED', /ERR_SSL/],
    [
      'a client of another authority',
      () => ssl(known('stranger.pem')),
      'ERR_LOG_REFUSED',
      /ERR_SSL/,
    ],
  ])('%s', async (_, lines, code, reason) => {
    const error = await connect(lines()).then(
      (log) => log.close(),
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code, facts: { reason: expect.stringMatching(reason) } });
    expect(`${JSON.stringify(error)} ${String(error)}`).not.toContain('canary');
  });
});
