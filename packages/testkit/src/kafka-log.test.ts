import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { describe, expect, it } from 'vitest';
import { recordLogFaultSuite } from './record-log-faults/suite.ts';
import { readAll, record, textsOf } from './record-log-suite.ts';
import { ERRORS } from './scripted-broker/messages.ts';
import {
  type Script,
  type ScriptedBroker,
  startScriptedBroker,
} from './scripted-broker/scripted-broker.ts';

const connect = (brokers: readonly string[]) =>
  connectKafkaLog({ brokers, clientId: 'fault-suite' });

recordLogFaultSuite('kafkajs', { connect });

/** Connections by which this was asked, in the order of asking. */
function connectionsOf(scripted: ScriptedBroker, api: 'Produce' | 'EndTxn' | 'ListOffsets') {
  return scripted.seen.filter((seen) => seen.api === api).map(({ connection }) => connection);
}

async function onScript(
  script: Script,
  run: (log: Awaited<ReturnType<typeof connect>>, scripted: ScriptedBroker) => Promise<void>,
) {
  const scripted = await startScriptedBroker({ script });
  const log = await connect(scripted.brokers.split(','));
  try {
    await log.createTopics([{ topic: 't' }]);
    await run(log, scripted);
  } finally {
    await log.close();
    await scripted.close();
  }
}

/** The same answer, with an error for every partition. */
function failed<Part extends object, Answer extends { readonly topics: Topic<Part>[] }>(
  answer: Answer,
): Answer {
  const topics = answer.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((each) => ({ ...each, errorCode: ERRORS.UNKNOWN_SERVER_ERROR })),
  }));
  return { ...answer, topics };
}

interface Topic<Part> {
  readonly name: string;
  readonly partitions: Part[];
}

/** Half a client is none: what failed is not spoken to again. */
describe('any error rebuilds the client', () => {
  it('that appends', async () => {
    const script: Script = {
      async Produce({ count, truth }) {
        const answer = await truth();
        return count === 2 ? failed(answer) : answer;
      },
    };
    await onScript(script, async (log, scripted) => {
      await log.append('t', [record('a')]);
      await expect(log.append('t', [record('b')])).rejects.toMatchObject({
        code: 'ERR_LOG_FAILED',
      });
      await log.append('t', [record('c')]);
      const [first, second, third] = connectionsOf(scripted, 'Produce');
      expect(second).toBe(first);
      expect(third).toBeGreaterThan(second ?? 0);
    });
  });

  it('that commits', async () => {
    const ended = { throttleTimeMs: 0, errorCode: ERRORS.UNKNOWN_SERVER_ERROR };
    const script: Script = { EndTxn: ({ count }) => (count === 2 ? ended : undefined) };
    await onScript(script, async (log, scripted) => {
      const writer = await log.transaction('writer');
      await writer.commit('t', [record('a')]);
      await expect(writer.commit('t', [record('b')])).rejects.toThrow();
      await (await log.transaction('writer')).commit('t', [record('c')]);
      const [first, second, third] = connectionsOf(scripted, 'EndTxn');
      expect(second).toBe(first);
      expect(third).toBeGreaterThan(second ?? 0);
      expect(textsOf(await readAll(log, 't'))).toEqual(['a', 'c']);
    });
  });

  it('that asks for the end, and not because there is no such topic', async () => {
    const script: Script = {
      async ListOffsets({ count, truth }) {
        const answer = await truth();
        return count === 2 ? failed(answer) : answer;
      },
    };
    await onScript(script, async (log, scripted) => {
      await log.endOffset('t');
      await expect(log.endOffset('absent')).rejects.toThrow();
      await expect(log.endOffset('t')).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' });
      await log.endOffset('t');
      const [first, second, third] = connectionsOf(scripted, 'ListOffsets');
      expect(second).toBe(first);
      expect(third).toBeGreaterThan(second ?? 0);
    });
  });
});
