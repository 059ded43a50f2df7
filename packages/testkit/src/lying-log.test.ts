import type { LogRecord, RecordLog } from '@strongroom/record-log/log';
import { expect, test } from 'vitest';
import {
  afterReadings,
  changing,
  denying,
  endingAt,
  forgetting,
  type Lie,
  lyingLog,
  mixingIn,
  recreated,
  reordering,
  repeating,
  sendingToTheEnd,
  showingOnly,
  telling,
  undecided,
  withholdingNewest,
} from './lying-log.ts';
import { createMemoryLog } from './memory-log.ts';
import { readAll, record, textsOf } from './record-log-suite.ts';
import { seededRandom } from './seeded-random.ts';

const TOPIC = 'topic';
const LETTERS = [...'abcdefghij'];

async function logWith(...lies: readonly Lie[]): Promise<RecordLog> {
  const log = createMemoryLog();
  await log.createTopics([{ topic: TOPIC }, { topic: 'other' }]);
  for (const topic of [TOPIC, 'other']) await log.append(topic, LETTERS.map(record));
  return lyingLog(log, ...lies);
}

async function shown(...lies: readonly Lie[]): Promise<string> {
  const log = await logWith(...lies);
  // Of no other topic is anything said.
  expect(textsOf(await readAll(log, 'other'))).toEqual(LETTERS);
  return textsOf(await readAll(log, TOPIC)).join('');
}

const random = () => seededRandom(3);
const extra: LogRecord[] = ['x', 'y'].map(record);

test('each lie is told, and about its topic only', async () => {
  expect(await shown()).toBe('abcdefghij');
  expect(await shown(repeating(TOPIC, random(), 1))).toHaveLength(20);
  const moved = await shown(reordering(TOPIC, random(), 4));
  expect(moved).not.toBe('abcdefghij');
  expect([...moved].sort().join('')).toBe('abcdefghij');
  expect(await shown(sendingToTheEnd(TOPIC))).toBe('bcdefghija');
  expect(await shown(showingOnly(TOPIC, (_entry, index) => index % 2 === 0))).toBe('acegi');
  expect(await shown(withholdingNewest(TOPIC, 3))).toBe('abcdefg');
  const mixed = await shown(mixingIn(TOPIC, extra, random()));
  expect(mixed.startsWith('abcdefghij')).toBe(false);
  expect(mixed.replaceAll(/[xy]/g, '')).toBe('abcdefghij');
  expect(mixed).toHaveLength(12);
  const other = changing(TOPIC, (entry) => ({ ...entry, value: Buffer.from('z') }));
  expect(await shown(other)).toBe('zzzzzzzzzz');
  expect(await shown(recreated(TOPIC, extra))).toBe('xy');
  expect(await shown(telling(TOPIC, () => () => []))).toBe('');
});

test('a topic that was made anew has another end, behind which there is nothing', async () => {
  const log = await logWith(recreated(TOPIC, extra));
  expect(await log.endOffset(TOPIC)).toBe(2);
  await expect(readAll(log, TOPIC, 3)).rejects.toMatchObject({
    facts: { reason: 'OFFSET_OUT_OF_RANGE' },
  });
  const both = [TOPIC, 'other'].map((topic) => ({ topic, offset: 1 }));
  const texts = [];
  for await (const entries of log.read(both, { untilEnd: true })) texts.push(textsOf(entries));
  expect(texts).toEqual([['y'], LETTERS.slice(1)]);
});

test('an end that is too early hides, one that is too late is given up', async () => {
  const early = await logWith(endingAt(TOPIC, (end) => end - 4));
  expect(await early.endOffset(TOPIC)).toBe(6);
  expect(textsOf(await readAll(early, TOPIC)).join('')).toBe('abcdef');
  const late = await logWith(endingAt(TOPIC, (end) => end + 1));
  await expect(readAll(late, TOPIC)).rejects.toMatchObject({ facts: { reason: 'NO_PROGRESS' } });
});

test('what was aborted is shown to whom it is said to be committed', async () => {
  const log = createMemoryLog();
  await log.createTopics([{ topic: TOPIC }]);
  await log.append(TOPIC, [record('a')]);
  const { keeping, showing } = undecided();
  const writer = await lyingLog(log, keeping).transaction('writer');
  log.failNext('commit', 'before');
  await expect(writer.commit(TOPIC, [record('b')])).rejects.toThrow();
  await log.transaction('writer');
  expect(textsOf(await readAll(log, TOPIC))).toEqual(['a']);
  expect(textsOf(await readAll(lyingLog(log, showing(TOPIC)), TOPIC))).toEqual(['a', 'b']);
});

test('appends are acknowledged and lost, or written and denied', async () => {
  const forgetful = await logWith(forgetting(TOPIC, (call) => call === 0));
  await forgetful.append(TOPIC, [record('k')]);
  await forgetful.append(TOPIC, [record('l')]);
  expect(textsOf(await readAll(forgetful, TOPIC)).join('')).toBe('abcdefghijl');
  const denier = await logWith(denying(TOPIC, () => true));
  await expect(denier.append(TOPIC, [record('k')])).rejects.toMatchObject({
    code: 'ERR_LOG_FAILED',
  });
  expect(textsOf(await readAll(denier, TOPIC)).join('')).toBe('abcdefghijk');
});

test('a lie can wait for its reading', async () => {
  const log = await logWith(afterReadings(1, TOPIC, recreated(TOPIC, extra)));
  expect(await log.endOffset(TOPIC)).toBe(10);
  expect(await readAll(log, TOPIC)).toHaveLength(10);
  expect(textsOf(await readAll(log, TOPIC))).toEqual(['x', 'y']);
  expect(await log.endOffset(TOPIC)).toBe(2);
});
