import { expect, test } from 'vitest';
import { untilHeardOf } from './until-heard-of.ts';

const failure = (type: string) => Object.assign(new Error(type), { type });
const failing = (times: number, type: string) => {
  const calls = { count: 0 };
  const create = async () => {
    calls.count += 1;
    if (calls.count <= times) throw failure(type);
  };
  return { calls, create };
};

test('a creation that one server has not heard of yet is asked for again', async () => {
  const { calls, create } = failing(2, 'UNKNOWN_TOPIC_OR_PARTITION');
  await untilHeardOf(create, ['UNKNOWN_TOPIC_OR_PARTITION']);
  expect(calls.count).toBe(3);
});

test('it is not asked for without end', async () => {
  const { calls, create } = failing(9, 'UNKNOWN_TOPIC_OR_PARTITION');
  await expect(untilHeardOf(create, ['UNKNOWN_TOPIC_OR_PARTITION'])).rejects.toThrow(
    'UNKNOWN_TOPIC_OR_PARTITION',
  );
  expect(calls.count).toBe(5);
});

test('the answer is the last one, and reasons are those that were named', async () => {
  const { create } = failing(1, 'NOT_LEADER_FOR_PARTITION');
  const ask = async () => create().then(() => 7);
  expect(await untilHeardOf(ask, ['NOT_LEADER_FOR_PARTITION'])).toBe(7);
  const again = failing(1, 'NOT_LEADER_FOR_PARTITION');
  await expect(untilHeardOf(again.create, ['LEADER_NOT_AVAILABLE'])).rejects.toThrow();
  expect(again.calls.count).toBe(1);
});

test('any other failure is one', async () => {
  const { calls, create } = failing(1, 'TOPIC_AUTHORIZATION_FAILED');
  await expect(untilHeardOf(create, ['UNKNOWN_TOPIC_OR_PARTITION'])).rejects.toThrow(
    'TOPIC_AUTHORIZATION_FAILED',
  );
  expect(calls.count).toBe(1);
});
