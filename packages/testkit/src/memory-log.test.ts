import { expect, it } from 'vitest';
import { createMemoryLog, createMemoryStore } from './memory-log.ts';
import { readAll, record, recordLogSuite, textsOf } from './record-log-suite.ts';

const store = createMemoryStore();
recordLogSuite('memory', async () => createMemoryLog(store));

it('hides an open transaction and all behind it, until a newer writer aborts it', async () => {
  const log = createMemoryLog();
  await log.createTopics([{ topic: 'results' }]);
  const writer = await log.transaction('worker');
  log.failNext('commit', 'before');
  await expect(writer.commit('results', [record('lost')])).rejects.toMatchObject({
    code: 'ERR_LOG_FAILED',
  });
  await log.append('results', [record('behind')]);
  expect(await log.endOffset('results')).toBe(0);
  expect(await readAll(log, 'results')).toEqual([]);
  const next = await log.transaction('worker');
  await next.commit('results', [record('again')]);
  expect(textsOf(log.entries('results'))).toEqual(['behind', 'again']);
});

it('keeps what was committed when only the answer is lost', async () => {
  const log = createMemoryLog();
  await log.createTopics([{ topic: 'results' }]);
  const writer = await log.transaction('worker');
  log.failNext('commit', 'after');
  await expect(writer.commit('results', [record('kept')])).rejects.toMatchObject({
    code: 'ERR_LOG_FAILED',
  });
  log.failNext('append', 'after');
  await expect(log.append('results', [record('also')])).rejects.toMatchObject({
    code: 'ERR_LOG_FAILED',
  });
  expect(textsOf(log.entries('results'))).toEqual(['kept', 'also']);
});
