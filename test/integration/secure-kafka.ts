import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { freePort } from '@strongroom/record-log/free-port';
import { findJava, kafkaJars, kafkaSettingsPath, run } from '@strongroom/record-log/kafka-jars';
import { createRunAuthority } from '../deployment/certificates.ts';
import { AUDIENCE, ISSUER, startTokenServer, type TokenServer } from './token-server.ts';

/** A Kafka as companies run it: TLS, client certificates, passwords, and nothing in the clear. */
export interface SecureKafka {
  /** Bootstrap servers of a listener. */
  readonly ssl: string;
  readonly saslSsl: string;
  readonly saslPlaintext: string;
  /** Path of a file in its folder: ca.pem, north.pem (key and certificate of CN=north), … */
  path(name: string): string;
  /** Where `north` gets tokens for PASSWORD; `asked` counts them. */
  readonly tokens: TokenServer;
  stop(): Promise<void>;
}

/** Of every user, for every mechanism. */
export const PASSWORD = 'correct horse; battery staple';
/** A connection says its password again before so long; clients do 10 s earlier. */
export const SESSION_MS = 12_000;
const USERS = ['north', 'worker'];

export interface SecureKafkaOptions {
  /** Who may say a password; `north` and `worker` by default. */
  readonly users?: readonly string[];
  /** Settings of the node, beside its own. */
  readonly settings?: readonly string[];
}

export async function startSecureKafka(
  folder: string,
  { users = USERS, settings: more = [] }: SecureKafkaOptions = {},
): Promise<SecureKafka> {
  await mkdir(folder, { recursive: true });
  const path = (name: string) => join(folder, name);
  await writeCertificates(path);
  const tokens = await startTokenServer(PASSWORD);
  await writeFile(path('jwks.json'), JSON.stringify(tokens.keySet));
  const ports = {
    ssl: await freePort(),
    saslSsl: await freePort(),
    saslPlaintext: await freePort(),
    controller: await freePort(),
  };
  const lines = [await settings(path, ports, users), ...more];
  await writeFile(path('server.properties'), `${lines.join('\n')}\n`);
  const stopNode = await startNode(path, ports.saslSsl, users);
  const at = (port: number) => `127.0.0.1:${port}`;
  return {
    ssl: at(ports.ssl),
    saslSsl: at(ports.saslSsl),
    saslPlaintext: at(ports.saslPlaintext),
    path,
    tokens,
    async stop() {
      await stopNode();
      await tokens.stop();
    },
  };
}

/** `elsewhere` is issued for another host, `stranger` by an authority that nobody knows. */
async function writeCertificates(path: (name: string) => string): Promise<void> {
  const authority = await createRunAuthority(Date.now());
  const other = await createRunAuthority(Date.now());
  await writeFile(path('ca.pem'), authority.caPem);
  await writeFile(path('other-ca.pem'), other.caPem);
  for (const name of ['localhost', 'north']) {
    const { cert, key } = await authority.issue(name);
    await writeFile(path(`${name}.pem`), `${key}\n${cert}\n`);
  }
  const { cert, key } = await other.issue('north');
  await writeFile(path('stranger.pem'), `${key}\n${cert}\n`);
}

type Ports = Record<'ssl' | 'saslSsl' | 'saslPlaintext' | 'controller', number>;

async function settings(
  path: (name: string) => string,
  ports: Ports,
  names: readonly string[],
): Promise<string> {
  const common = await readFile(kafkaSettingsPath('local.properties'), 'utf8');
  const { ssl, saslSsl, saslPlaintext, controller } = ports;
  const users = names.map((name) => `user_${name}="${PASSWORD}"`).join(' ');
  const login = 'org.apache.kafka.common.security';
  const lines = [
    `listeners=SSL://127.0.0.1:${ssl},SASL_SSL://127.0.0.1:${saslSsl},SASL_PLAINTEXT://127.0.0.1:${saslPlaintext},CONTROLLER://127.0.0.1:${controller}`,
    'listener.security.protocol.map=SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    `controller.quorum.voters=1@127.0.0.1:${controller}`,
    `log.dirs=${path('data')}`,
    'inter.broker.listener.name=SSL',
    'ssl.keystore.type=PEM',
    `ssl.keystore.location=${path('localhost.pem')}`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${path('ca.pem')}`,
    'listener.name.ssl.ssl.client.auth=required',
    'listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    'listener.name.sasl_plaintext.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512',
    `listener.name.sasl_ssl.plain.sasl.jaas.config=${login}.plain.PlainLoginModule required ${users};`,
    ...['sasl_ssl', 'sasl_plaintext'].flatMap((listener) =>
      ['256', '512'].map(
        (size) =>
          `listener.name.${listener}.scram-sha-${size}.sasl.jaas.config=${login}.scram.ScramLoginModule required;`,
      ),
    ),
    `listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=${login}.oauthbearer.OAuthBearerLoginModule required;`,
    `listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=${login}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
    `sasl.oauthbearer.jwks.endpoint.url=${pathToFileURL(path('jwks.json'))}`,
    `sasl.oauthbearer.expected.audience=${AUDIENCE}`,
    `sasl.oauthbearer.expected.issuer=${ISSUER}`,
    `connections.max.reauth.ms=${SESSION_MS}`,
  ];
  return `${common}\n${lines.join('\n')}\n`;
}

async function startNode(path: (name: string) => string, port: number, names: readonly string[]) {
  const java = await findJava();
  const jars = await kafkaJars(() => undefined);
  const heap = ['-cp', join(jars, '*'), '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
  const log4j = `-Dlog4j2.configurationFile=file:${kafkaSettingsPath('log4j2.properties')}`;
  const allowed = '-Dorg.apache.kafka.sasl.oauthbearer.allowed';
  const urls = `${allowed}.urls=${pathToFileURL(path('jwks.json'))}`;
  const files = `${allowed}.files=${path('jwks.json')}`;
  const tool = ['kafka.tools.StorageTool', 'format'];
  const clusterId = `--cluster-id=${randomBytes(16).toString('base64url')}`;
  const users = names.flatMap((name) =>
    ['256', '512'].map(
      (size) => `--add-scram=SCRAM-SHA-${size}=[name="${name}",password="${PASSWORD}"]`,
    ),
  );
  const lines: string[] = [];
  const config = `--config=${path('server.properties')}`;
  const ended = await run(java, [...heap, log4j, ...tool, clusterId, config, ...users], (line) =>
    lines.push(line),
  );
  if (ended !== 0) throw new Error(`Kafka's storage was not formatted: ${lines.join('\n')}`);
  const log = await open(path('kafka.log'), 'a');
  const args = [...heap, log4j, urls, files, 'kafka.Kafka', path('server.properties')];
  const kafka = spawn(java, args, { stdio: ['ignore', log.fd, log.fd] });
  const exit = once(kafka, 'exit');
  await log.close();
  while (!(await answers(port))) {
    if (kafka.exitCode !== null) throw new Error(await readFile(path('kafka.log'), 'utf8'));
    await delay(100);
  }
  return async () => {
    kafka.kill('SIGKILL');
    await exit;
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  const isThere = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isThere;
}
