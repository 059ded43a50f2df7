import { once } from 'node:events';
import { createServer } from 'node:http';
import { HiddenText } from '@strongroom/record-log/hidden-text';
import { afterAll, describe, expect, test } from 'vitest';
import { failureOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';
import { avroDecoder } from './avro-values.ts';
import { openRequested } from './open-requested.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const SECRET = 'correct horse: battery';
const settings = fileWith(folder.path, 'kafka.properties', 'bootstrap.servers=theirs:9093\n');
const unknown = fileWith(folder.path, 'unknown.properties', 'acks=all\n');
const login = fileWith(folder.path, 'login', `north:${SECRET}\n`);
const token = fileWith(folder.path, 'token', 'abc.def-ghi\n');
const registry = 'https://registry.example';

describe('a topic', () => {
  test.each([
    ['servers', { source: 'kafka://one:9092,two:9092/visits' }],
    ['servers of its settings', { source: 'kafka:///visits', sourceKafkaConfig: settings }],
    ['the same ones twice', { source: 'kafka://theirs:9093/visits', sourceKafkaConfig: settings }],
    [
      'a login of its registry',
      {
        ...{ source: 'kafka://a:1/visits', values: 'avro' as const },
        ...{ schemaRegistry: registry, registryLoginFile: login },
      },
    ],
  ])('is named by %s', async (_, given) => {
    expect(await openRequested(given)).toMatchObject({ type: 'growing' });
  });

  const topic = { source: 'kafka://a:1/visits' };
  const avro = { ...topic, values: 'avro' as const, schemaRegistry: registry };
  test.each([
    ['no servers', { source: 'kafka:///visits' }, 'ERR_USAGE'],
    ['other servers', { ...topic, sourceKafkaConfig: settings }, 'ERR_USAGE'],
    ['settings nobody knows', { ...topic, sourceKafkaConfig: unknown }, 'ERR_KAFKA_CONFIG'],
    ['settings of a file', { source: 'a.csv', sourceKafkaConfig: settings }, 'ERR_USAGE'],
    ['a login, and no registry', { ...topic, registryLoginFile: login }, 'ERR_USAGE'],
    ['a login of no form', { ...avro, registryLoginFile: token }, 'ERR_USAGE'],
    ['a token of no form', { ...avro, registryTokenFile: login }, 'ERR_USAGE'],
    [
      'a login and a token',
      { ...avro, registryLoginFile: login, registryTokenFile: token },
      'ERR_USAGE',
    ],
    [
      'a password in the clear',
      { ...avro, schemaRegistry: 'http://registry.example', registryLoginFile: login },
      'ERR_USAGE',
    ],
  ])('is refused with %s', async (_, given, code) => {
    const failure = await failureOf(openRequested(given));
    expect(failure.code).toBe(code);
    expect(failure.text).not.toContain(SECRET);
  });
});

test('a registry is told who asks, and no server that it names instead is', async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    const isKnown = request.headers.authorization === 'Bearer abc';
    response.writeHead(isKnown ? 302 : 401, { location: '/elsewhere' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = new URL(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);
  const value = Buffer.from([0, 0, 0, 0, 1, 2]);
  const failure = async (authorization?: HiddenText) =>
    await failureOf(Promise.resolve(avroDecoder(url, authorization)(value)));
  expect(await failure()).toMatchObject({ code: 'ERR_SOURCE_REFUSED' });
  expect(await failure(new HiddenText('Bearer abc'))).toMatchObject({
    code: 'ERR_SOURCE_UNREACHABLE',
  });
  expect(asked).toEqual([undefined, 'Bearer abc']);
  server.close();
});
