import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const streams = [
  { id: 'gate-a', partition: 0 },
  { id: 'gate-b', partition: 1 },
] as never;
const agreed = await agreeOn({ ...datasetOf(['n int32']), streams });
const source = fileWith(folder.path, 'rows.csv', 'n\n1\n2\n3\n');

describe('a producer of one of several streams', () => {
  test('publishes under its name, in its partition', async () => {
    const bench = benchOf(agreed, folder.path, 'b');
    const report = await bench.publish(source, { stream: 'gate-b' });
    expect(report).toMatchObject({ stream: 'gate-b', rows: 3, final: true });
    expect(bench.entries(0)).toEqual([]);
    const received = await receive({ ...bench, entries: () => bench.entries(1) });
    expect(received).toMatchObject({ rows: [[1], [2], [3]], final: true });
    const again = await bench.publish(source, { stream: 'gate-b' });
    expect(again).toMatchObject({ rows: 0, resumed: true });
    const beside = { stream: 'gate-a', stateFolder: join(folder.path, 'a') };
    await bench.publish(source, beside);
    expect(bench.entries(0)).toHaveLength(2);
  });

  test('has to say which one, and one that the contract names', async () => {
    const bench = benchOf(agreed, folder.path, 'c');
    const unnamed = await failureOf(bench.publish(source));
    expect([unnamed.code, unnamed.text.includes('gate-a, gate-b')]).toEqual(['ERR_USAGE', true]);
    expect(await failureOf(bench.publish(source, { stream: 'gate-c' }))).toMatchObject({
      code: 'ERR_STREAM_UNKNOWN',
    });
    const single = benchOf(await agreeOn(datasetOf(['n int32'])), folder.path, 'd');
    expect(await failureOf(single.publish(source, { stream: 'gate-a' }))).toMatchObject({
      code: 'ERR_STREAM_UNKNOWN',
    });
    await bench.publish(source, { stream: 'gate-a' });
    expect(await failureOf(bench.publish(source, { stream: 'gate-b' }))).toMatchObject({
      code: 'ERR_STATE_CORRUPT',
    });
  });
});
