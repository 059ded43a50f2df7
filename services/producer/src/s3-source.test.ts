import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, parquetWith, temporaryFolder } from '../test/source-fixtures.ts';
import { openRequested } from './open-requested.ts';

const folder = temporaryFolder();
const agreed = await agreeOn(datasetOf(['n int32']));
const login = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

/** The store is s3rver, which speaks S3 over HTTP and keeps objects in a folder. */
describe('a store of objects', () => {
  let endpoint = '';
  let client: S3Client;
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: `${folder.path}/store`,
    configureBuckets: [{ name: 'rows', configs: [] }],
  });
  beforeAll(async () => {
    const { port } = await server.run();
    endpoint = `http://127.0.0.1:${port}`;
    client = new S3Client({
      endpoint,
      region: 'us-east-1',
      credentials: login,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
    vi.stubEnv('AWS_ACCESS_KEY_ID', login.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', login.secretAccessKey);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    client.destroy();
    await server.close();
    folder.remove();
  });

  const put = (name: string, body: string | Uint8Array) =>
    client.send(new PutObjectCommand({ Bucket: 'rows', Key: name, Body: body }));
  const csvOf = (from: number, to: number) =>
    `n\n${Array.from({ length: to - from }, (_, at) => `${from + at}\n`).join('')}`;

  let benches = 0;
  const newBench = (): Bench => {
    benches += 1;
    return benchOf(agreed, folder.path, `state-${benches}`);
  };
  async function publish(bench: Bench, source: string, s3Endpoint = endpoint) {
    const input = await openRequested({ source, s3Endpoint });
    return bench.publish('', { input, final: false });
  }
  const numbersIn = async (bench: Bench) => (await receive(bench)).rows.map(([n]) => n);
  const range = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => from + at);

  test('gives its objects once each, of all formats', async () => {
    const bench = newBench();
    await put('days/1.csv', csvOf(0, 10));
    await put('days/2.csv.gz', gzipSync(csvOf(10, 300)));
    await put('days/_SUCCESS', '');
    await put('other/1.csv', csvOf(900, 910));
    const sql = 'SELECT CAST(range AS INTEGER) AS n FROM range(300, 400)';
    await put('days/3.parquet', await readFile(await parquetWith(folder.path, 'three', sql)));
    expect((await publish(bench, 's3://rows/days/')).rows).toBe(400);
    await put('days/4.csv', csvOf(400, 405));
    expect((await publish(bench, 's3://rows/days/')).rows).toBe(5);
    expect((await publish(bench, 's3://rows/days/')).rows).toBe(0);
    expect(await numbersIn(bench)).toEqual(range(0, 405));
    await client.send(new DeleteObjectCommand({ Bucket: 'rows', Key: 'days/1.csv' }));
    expect((await publish(bench, 's3://rows/days/')).rows).toBe(0);
    await put('days/4.csv', csvOf(400, 406));
    expect((await failureOf(publish(bench, 's3://rows/days/'))).code).toBe('ERR_SOURCE_CHANGED');
  });

  test('that refuses, or does not answer, says so with a code', async () => {
    const missing = await failureOf(publish(newBench(), 's3://nowhere/days/'));
    expect(missing.code).toBe('ERR_SOURCE_REFUSED');
    expect(missing.text).toContain('404');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    const wrong = await failureOf(publish(newBench(), 's3://rows/days/'));
    vi.stubEnv('AWS_ACCESS_KEY_ID', login.accessKeyId);
    expect(wrong.code).toBe('ERR_SOURCE_REFUSED');
    vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
    const silent = await failureOf(publish(newBench(), 's3://rows/', 'http://127.0.0.1:1'));
    expect(silent.code).toBe('ERR_SOURCE_UNREACHABLE');
    const clear = await failureOf(publish(newBench(), 's3://rows/', 'http://store.example'));
    expect(clear.code).toBe('ERR_USAGE');
  });
});
