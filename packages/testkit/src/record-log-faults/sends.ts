import { expect } from 'vitest';
import { readAll, record, textsOf } from '../record-log-suite.ts';
import { ERRORS, type ResponseOf } from '../scripted-broker/messages.ts';
import { outcomeOf, type Vector } from './suite.ts';

const SENDS = 20;

export function sendsSuite(vector: Vector): void {
  for (const [words, lost] of [
    ['an acknowledgement is lost', 'cut'],
    ['the log says only that it was slow', ERRORS.REQUEST_TIMED_OUT],
    ['a leader has too few replicas', ERRORS.NOT_ENOUGH_REPLICAS_AFTER_APPEND],
  ] as const) {
    vector(
      `K4 B04 B16: keeps overlapping sends once and in order when ${words}`,
      {
        script: {
          async Produce({ count, truth }) {
            if (count % 3 !== 1) return undefined;
            const answer = await truth();
            return lost === 'cut' ? 'cut' : produced(answer, lost);
          },
        },
      },
      async ({ log, newTopic }) => {
        const topic = await newTopic();
        const texts = Array.from({ length: SENDS }, (_, index) => `${index}`);
        await Promise.all(texts.map((text) => log.append(topic, [record(text)])));
        expect(textsOf(await readAll(log, topic))).toEqual(texts);
      },
    );
  }

  for (const code of ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'] as const) {
    vector(
      `K14: begins anew when the log answers ${code}`,
      {
        script: {
          Produce({ count, request }) {
            return count === 2 ? refused(request.topics, ERRORS[code]) : undefined;
          },
        },
      },
      async ({ log, newTopic }) => {
        const topic = await newTopic();
        await log.append(topic, [record('a')]);
        const outcome = await outcomeOf(log.append(topic, [record('b')]));
        expect(['resolved', 'ERR_LOG_FAILED']).toContain(outcome);
        await log.append(topic, [record('c')]);
        const expected = outcome === 'resolved' ? ['a', 'b', 'c'] : ['a', 'c'];
        expect(textsOf(await readAll(log, topic))).toEqual(expected);
      },
    );
  }

  leadersSuite(vector);
}

/** Leaders that have just begun, or move. */
function leadersSuite(vector: Vector): void {
  vector(
    'asks again where the leader of a new topic does not know yet that it leads',
    {
      script: {
        async ListOffsets({ count, truth }) {
          if (count > 2) return undefined;
          const answer = await truth();
          return {
            ...answer,
            topics: answer.topics.map(({ name, partitions }) => ({
              name,
              partitions: partitions.map((each) => ({
                ...each,
                errorCode: ERRORS.NOT_LEADER_OR_FOLLOWER,
              })),
            })),
          };
        },
      },
    },
    async ({ log, newTopic }) => {
      expect(await log.endOffset(await newTopic())).toBe(0);
    },
  );

  vector(
    'follows a leader that moves between two sends',
    {
      nodes: 2,
      script: {
        Produce({ count, request, cluster, nodeId }) {
          if (count !== 2) return undefined;
          for (const { name } of request.topics) cluster.lead(name, 0, 3 - nodeId);
          return undefined;
        },
      },
    },
    async ({ log, newTopic }) => {
      const topic = await newTopic();
      for (const text of ['a', 'b', 'c']) await log.append(topic, [record(text)]);
      expect(textsOf(await readAll(log, topic))).toEqual(['a', 'b', 'c']);
    },
  );
}

/** The true answer, with an error in place of every success. */
function produced(answer: ResponseOf<'Produce'>, errorCode: number): ResponseOf<'Produce'> {
  const topics = answer.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((each) => ({ ...each, errorCode, baseOffset: -1 })),
  }));
  return { ...answer, topics };
}

export function refused(
  topics: readonly { name: string; partitions: readonly { partition: number }[] }[],
  errorCode: number,
): ResponseOf<'Produce'> {
  return {
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition }) => ({
        partition,
        errorCode,
        baseOffset: -1,
        logAppendTimeMs: -1,
        logStartOffset: -1,
      })),
    })),
  };
}
