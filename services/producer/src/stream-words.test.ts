import { systemClock } from '@strongroom/runtime/clock';
import { createLogger } from '@strongroom/runtime/logger';
import type { SpanStart, Tracing } from '@strongroom/runtime/tracing';
import { createMemoryLog, type MemoryLog } from '@strongroom/testkit/memory-log';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';
import type { StreamRequest } from './agreement.ts';
import { retractBatch, sendHeartbeat } from './stream-words.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const agreed = await agreeOn(datasetOf(['seen timestamp-ms', 'n int32'], 'seen'));
const START = Date.UTC(2001, 0, 1);
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_none, at) => {
    return `${new Date(START + (from + at) * 1_000).toISOString()},${from + at}\n`;
  }).join('');
const source = fileWith(folder.path, 'rows.csv', `seen,n\n${lines(0, 250)}`);
const more = fileWith(folder.path, 'more.csv', `seen,n\n${lines(250, 300)}`);

function requestOf(bench: Bench, log: MemoryLog = bench.log): StreamRequest {
  return {
    ...{ signedContract: agreed.signedContract, datasetId: agreed.dataset.id },
    ...{ identity: agreed.owner, stateFolder: bench.stateFolder, log, clock: systemClock },
    logger: createLogger('producer', { level: 'silent' }),
  };
}

describe('what an owner says without a row', () => {
  test('a batch is taken back once, and the stream goes on behind', async () => {
    const bench = benchOf(agreed, folder.path, 'retract');
    await bench.publish(source, { final: false });
    const report = await retractBatch(requestOf(bench), 1);
    expect(report).toMatchObject({ sequence: 1, rows: 100 });
    const types = bench.entries().map(({ headers }) => headers['ce_type']?.split('.')[1]);
    expect(types.slice(-2)).toEqual(['retraction', 'manifest']);
    for (const wrong of [1, 3, 99]) {
      const failure = await failureOf(retractBatch(requestOf(bench), wrong));
      expect(failure.code).toBe('ERR_RETRACTION_UNKNOWN');
    }
    expect(await bench.publish(more)).toMatchObject({ totalRows: 300, final: true });
    expect(await receive(bench)).toMatchObject({ final: true, repeats: 0 });
    const ended = await failureOf(retractBatch(requestOf(bench), 0));
    expect(ended.code).toBe('ERR_STREAM_ENDED');
  });

  test('each word is a span, and its records say which', async () => {
    const bench = benchOf(agreed, folder.path, 'traced');
    await bench.publish(source, { final: false });
    const before = bench.entries().length;
    const begun: SpanStart[] = [];
    const ended: (string | undefined)[] = [];
    const tracing: Tracing = {
      begin: (start) => {
        begun.push(start);
        const traceparent = `00-${`${begun.length}`.repeat(32)}-${'a'.repeat(16)}-01`;
        const ids = { trace_id: 't', span_id: 's' };
        return { traceparent, ids, end: (code) => ended.push(code) };
      },
      beginCall: () => expect.fail('no call is made'),
      close: async () => undefined,
    };
    await retractBatch({ ...requestOf(bench), tracing }, 0);
    await sendHeartbeat({ ...requestOf(bench), tracing }, null);
    const dataset = { 'strongroom.dataset': agreed.dataset.id };
    expect(begun).toMatchObject([
      { operation: 'publish', attributes: { ...dataset, 'messaging.batch.message_count': 2 } },
      { operation: 'publish', attributes: { ...dataset, 'messaging.batch.message_count': 1 } },
    ]);
    expect(ended).toEqual([undefined, undefined]);
    const traces = bench.entries().slice(before);
    expect(traces.map(({ trace }) => trace?.slice(3, 4))).toEqual(['1', '1', '2']);
  });

  test('a heartbeat moves the watermark on and never back', async () => {
    const bench = benchOf(agreed, folder.path, 'beat');
    await bench.publish(source, { final: false });
    const newest = START + 249_000;
    const beat = async (watermark: number | null) =>
      (await sendHeartbeat(requestOf(bench), watermark)).watermark;
    expect(await beat(null)).toBe(newest);
    expect(await beat(START)).toBe(newest);
    expect(await beat(newest + 60_000)).toBe(newest + 60_000);
    const late = await failureOf(bench.publish(more));
    expect(late.code).toBe('ERR_LATE_ROWS');
    await bench.publish(more, { rule: { lagMs: 0, allowLate: true } });
    const { watermarks } = await receive(bench);
    // The first two beats say what was said: they are the manifest before them, byte for byte.
    expect(watermarks).toEqual([newest, newest + 60_000, newest + 60_000]);
  });

  test('needs a stream that was begun', async () => {
    const bench = benchOf(agreed, folder.path, 'none');
    const log = createMemoryLog();
    expect((await failureOf(sendHeartbeat(requestOf(bench, log), 1))).code).toBe(
      'ERR_STREAM_NOT_FOUND',
    );
  });
});
