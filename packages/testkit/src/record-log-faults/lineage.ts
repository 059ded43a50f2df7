import type { TransactionalWriter } from '@strongroom/record-log/log';
import { expect } from 'vitest';
import { readAll, record, textsOf } from '../record-log-suite.ts';
import { API_NAMES, ERRORS } from '../scripted-broker/messages.ts';
import type { Script } from '../scripted-broker/scripted-broker.ts';
import { refused } from './sends.ts';
import { outcomeOf, type Vector } from './suite.ts';
import { ID } from './transactions.ts';

/** Who may write under an id, and who may not any more. */
export function lineageSuite(vector: Vector): void {
  fencingSuite(vector);
  takeoverSuite(vector);
  epochsSuite(vector);
  requestsSuite(vector);
}

function fencingSuite(vector: Vector): void {
  for (const api of ['AddPartitionsToTxn', 'Produce', 'EndTxn'] as const) {
    for (const [code, expected] of [
      ['INVALID_PRODUCER_EPOCH', 'ERR_LOG_FENCED'],
      ['PRODUCER_FENCED', 'ERR_LOG_FENCED'],
      ['TRANSACTION_ABORTABLE', 'ERR_LOG_FAILED'],
    ] as const) {
      vector(
        `K9: takes ${code} at ${api} for ${expected}`,
        { script: refusing(api, ERRORS[code]) },
        async ({ log, newTopic }) => {
          const topic = await newTopic();
          const writer = await log.transaction(ID);
          expect(await outcomeOf(writer.commit(topic, [record('a')]))).toBe(expected);
          expect(await outcomeOf(writer.commit(topic, [record('b')]))).not.toBe('resolved');
          expect(await readAll(log, topic)).toEqual([]);
        },
      );
    }
  }
}

function epochsSuite(vector: Vector): void {
  vector(
    'K13: closes a writer whose transaction was aborted for its age',
    {
      script: {
        async Produce({ count, truth, cluster }) {
          const answer = await truth();
          if (count === 1) cluster.transactions.expire();
          return answer;
        },
      },
    },
    async ({ log, newTopic }) => {
      const topic = await newTopic();
      const writer = await log.transaction(ID);
      expect(await outcomeOf(writer.commit(topic, [record('old')]))).toMatch(/^ERR_LOG_F/);
      expect(await outcomeOf(writer.commit(topic, [record('closed')]))).toMatch(/^ERR_LOG_F/);
      await (await log.transaction(ID)).commit(topic, [record('new')]);
      expect(textsOf(await readAll(log, topic))).toEqual(['new']);
    },
  );

  vector(
    'B18: keeps one lineage when the epochs of an id run out',
    { firstEpoch: 32_764 },
    async ({ log, newTopic }) => {
      const topic = await newTopic();
      const texts = ['a', 'b', 'c', 'd', 'e'];
      const writers: TransactionalWriter[] = [];
      for (const text of texts) {
        const writer = await log.transaction(ID);
        await writer.commit(topic, [record(text)]);
        writers.push(writer);
      }
      for (const older of writers.slice(0, -1)) {
        expect(await outcomeOf(older.commit(topic, [record('zombie')]))).toBe('ERR_LOG_FENCED');
      }
      expect(textsOf(await readAll(log, topic))).toEqual(texts);
    },
  );
}

function takeoverSuite(vector: Vector): void {
  const taken = Promise.withResolvers<void>();
  vector(
    'L1: never shows what a killed node left open without a mark',
    {
      script: {
        EndTxn({ count, cluster }) {
          if (count !== 2) return undefined;
          cluster.transactions.forget();
          return 'cut';
        },
      },
    },
    async ({ log, newTopic }) => {
      const topic = await newTopic();
      const writer = await log.transaction(ID);
      await writer.commit(topic, [record('first')]);
      expect(await outcomeOf(writer.commit(topic, [record('second')]))).toBe('ERR_LOG_FAILED');
      const next = await log.transaction(ID);
      expect(textsOf(await readAll(log, topic))).toEqual(['first']);
      for (const text of ['second', 'third']) await next.commit(topic, [record(text)]);
      expect(textsOf(await readAll(log, topic))).toEqual(['first', 'second', 'third']);
    },
  );

  vector(
    'K10: refuses the late end of a writer that was taken over',
    {
      script: {
        async EndTxn({ count, truth }) {
          if (count === 1) await taken.promise;
          return await truth();
        },
      },
    },
    async ({ log, newTopic, connect }) => {
      const topic = await newTopic();
      const zombie = outcomeOf((await log.transaction(ID)).commit(topic, [record('zombie')]));
      const other = await connect();
      await expect.poll(() => other.endOffset(topic)).toBe(0);
      const next = await other.transaction(ID);
      taken.resolve();
      expect(await zombie).toBe('ERR_LOG_FENCED');
      await next.commit(topic, [record('next')]);
      expect(textsOf(await readAll(other, topic))).toEqual(['next']);
    },
  );
}

function requestsSuite(vector: Vector): void {
  vector(
    'K8 K10 K11: joins no group and commits no offset',
    {},
    async ({ log, newTopic, scripted }) => {
      const topic = await newTopic();
      await log.append(topic, [record('a')]);
      await (await log.transaction(ID)).commit(topic, [record('b')]);
      expect(textsOf(await readAll(log, topic))).toEqual(['a', 'b']);
      // What the double does not answer is seen by its number.
      const asked = new Set(scripted.seen.map(({ api }) => api));
      expect(asked).toEqual(new Set(API_NAMES));
    },
  );
}

function refusing(api: 'AddPartitionsToTxn' | 'Produce' | 'EndTxn', errorCode: number): Script {
  switch (api) {
    case 'Produce':
      return { Produce: ({ request }) => refused(request.topics, errorCode) };
    case 'EndTxn':
      return { EndTxn: () => ({ throttleTimeMs: 0, errorCode }) };
    case 'AddPartitionsToTxn':
      return {
        AddPartitionsToTxn: ({ request: { topics } }) => ({
          throttleTimeMs: 0,
          topics: topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map((partition) => ({ partition, errorCode })),
          })),
        }),
      };
  }
}
