import type { RecordLog, TransactionalWriter } from '@strongroom/record-log/log';
import { expect } from 'vitest';
import { readAll, record, textsOf } from '../record-log-suite.ts';
import { ERRORS } from '../scripted-broker/messages.ts';
import type { Script } from '../scripted-broker/scripted-broker.ts';
import { outcomeOf, type Vector } from './suite.ts';

/** All writers of a vector share it. */
export const ID = 'writer';

export function transactionsSuite(vector: Vector): void {
  leadersSuite(vector);
  endsSuite(vector);
  waitsSuite(vector);
}

function leadersSuite(vector: Vector): void {
  vector(
    'K5: writes once over two leaders when one is slow and the other fails',
    {
      nodes: 2,
      script: {
        async Produce({ request, nodeId, truth, count }) {
          if (request.transactionalId === null) return undefined;
          const isSlow = nodeId === 1;
          if (!isSlow && count <= 2) return 'cut';
          const answer = await truth();
          if (isSlow) await new Promise((resolve) => setTimeout(resolve, 300));
          return answer;
        },
      },
    },
    async ({ log, newTopic, scripted }) => {
      const [slow, failing] = [await newTopic(), await newTopic()];
      const [one, other] = [slow, failing].map((topic) => scripted.cluster.leaderOf(topic, 0));
      expect(one).not.toBe(other);
      const writer = await log.transaction(ID);
      const beside = [{ topic: failing, records: [record('b')] }];
      const outcome = await outcomeOf(writer.commit(slow, [record('a')], beside));
      if (outcome !== 'resolved') await (await log.transaction(ID)).close();
      const expected = outcome === 'resolved' ? [['a'], ['b']] : [[], []];
      const read = async (topic: string) => textsOf(await readAll(log, topic));
      await expect.poll(() => Promise.all([read(slow), read(failing)])).toEqual(expected);
    },
  );
}

/** Whatever the end of a transaction was answered, it is settled by the next writer of the id. */
async function settlesOnce(log: RecordLog, topic: string): Promise<void> {
  const writer = await log.transaction(ID);
  await writer.commit(topic, [record('first')]);
  const outcome = await outcomeOf(writer.commit(topic, [record('second')]));
  expect(['resolved', 'ERR_LOG_FAILED']).toContain(outcome);
  let newest: TransactionalWriter = writer;
  if (outcome !== 'resolved') {
    expect(await outcomeOf(writer.commit(topic, [record('closed')]))).toBe('ERR_LOG_FAILED');
    newest = await log.transaction(ID);
  }
  const seen = textsOf(await readAll(log, topic));
  if (seen.length === 1) await newest.commit(topic, [record('second')]);
  await newest.commit(topic, [record('third')]);
  expect(textsOf(await readAll(log, topic))).toEqual(['first', 'second', 'third']);
}

const ANSWERS = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'CONCURRENT_TRANSACTIONS',
  'REQUEST_TIMED_OUT',
  'UNKNOWN_SERVER_ERROR',
] as const;

function endsSuite(vector: Vector): void {
  for (const code of ANSWERS) {
    for (const happened of [false, true]) {
      vector(
        `K6 K7: settles an end that ${happened ? 'happened' : 'did not happen'} by ${code}`,
        {
          script: {
            async EndTxn({ count, truth }) {
              if (count !== 2) return undefined;
              if (happened) await truth();
              return { throttleTimeMs: 0, errorCode: ERRORS[code] };
            },
          },
        },
        async ({ log, newTopic }) => settlesOnce(log, await newTopic()),
      );
    }
  }

  for (const happened of [false, true]) {
    vector(
      `B02: settles an end that ${happened ? 'happened' : 'did not happen'} and was not answered`,
      {
        script: {
          async EndTxn({ count, truth }) {
            if (count !== 2) return undefined;
            if (happened) await truth();
            return 'cut';
          },
        },
      },
      async ({ log, newTopic }) => settlesOnce(log, await newTopic()),
    );
  }
}

/** Answers that only say that it is too early. */
function waitsSuite(vector: Vector): void {
  const early = (times: number, code: keyof typeof ERRORS): [string, Script][] => {
    const errorCode = ERRORS[code];
    const isEarly = (count: number) => count > 1 && count <= 1 + times;
    return [
      [
        `AddPartitionsToTxn answers ${code} ${times} times`,
        {
          AddPartitionsToTxn: ({ count, request: { topics } }) => {
            if (!isEarly(count)) return undefined;
            const refusal = topics.map(({ name, partitions }) => ({
              name,
              partitions: partitions.map((partition) => ({ partition, errorCode })),
            }));
            return { throttleTimeMs: 0, topics: refusal };
          },
        },
      ],
      [
        `InitProducerId answers ${code} ${times} times`,
        {
          InitProducerId: ({ count, request }) =>
            request.transactionalId !== null && count <= times
              ? { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 }
              : undefined,
        },
      ],
    ];
  };
  const scripts = [
    ...early(3, 'CONCURRENT_TRANSACTIONS'),
    ...early(2, 'COORDINATOR_LOAD_IN_PROGRESS'),
    ...early(2, 'NOT_COORDINATOR'),
    ...early(2, 'COORDINATOR_NOT_AVAILABLE'),
  ];
  for (const [words, script] of scripts) {
    vector(`K7 K8 B01: goes on when ${words}`, { script }, async ({ log, newTopic }) => {
      const topic = await newTopic();
      const writer = await log.transaction(ID);
      for (const text of ['a', 'b', 'c']) await writer.commit(topic, [record(text)]);
      expect(textsOf(await readAll(log, topic))).toEqual(['a', 'b', 'c']);
    });
  }

  vector(
    'K7: goes on when FindCoordinator answers COORDINATOR_NOT_AVAILABLE',
    {
      script: {
        async FindCoordinator({ count, truth }) {
          const answer = await truth();
          return count <= 2 ? { ...answer, errorCode: ERRORS.COORDINATOR_NOT_AVAILABLE } : answer;
        },
      },
    },
    async ({ log, newTopic }) => {
      const topic = await newTopic();
      await (await log.transaction(ID)).commit(topic, [record('a')]);
      expect(textsOf(await readAll(log, topic))).toEqual(['a']);
    },
  );
}
