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

const connect = (brokers: readonly string[], more: { readonly transactions?: 'none' } = {}) =>
  connectKafkaLog({ brokers, clientId: 'fault-suite', ...more });

recordLogFaultSuite('kafkajs', { connect: (brokers) => connect(brokers) });

/** Connections by which this was asked, in the order of asking. */
function connectionsOf(scripted: ScriptedBroker, api: 'Produce' | 'EndTxn' | 'ListOffsets') {
  return scripted.seen.filter((seen) => seen.api === api).map(({ connection }) => connection);
}

async function onScript(
  script: Script,
  run: (log: Awaited<ReturnType<typeof connect>>, scripted: ScriptedBroker) => Promise<void>,
  more: Parameters<typeof connect>[1] = {},
) {
  const scripted = await startScriptedBroker({ script });
  const log = await connect(scripted.brokers.split(','), more);
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

/** As the answer of a log that knows no transactions might be: "unknown", in both requests. */
const UNKNOWN_STABLE_END: Script = {
  async ListOffsets({ request, truth }) {
    const answer = await truth();
    if (request.isolationLevel === 0) return answer;
    const topics = answer.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((each) => ({ ...each, offset: -1 })),
    }));
    return { ...answer, topics };
  },
  async Fetch({ truth }) {
    const answer = await truth();
    const topics = answer.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((each) => ({ ...each, lastStableOffset: -1 })),
    }));
    return { ...answer, topics };
  },
};

describe('a log that knows no last stable offset', () => {
  it('is read up to its high watermark where no transactions are used', async () => {
    await onScript(
      UNKNOWN_STABLE_END,
      async (log) => {
        await log.append('t', [record('a'), record('b')]);
        await log.append('t', [record('c')]);
        expect(await log.endOffset('t')).toBe(3);
        expect(textsOf(await readAll(log, 't'))).toEqual(['a', 'b', 'c']);
      },
      { transactions: 'none' },
    );
  });

  it('is refused where they are: nobody could say what was committed', async () => {
    await onScript(UNKNOWN_STABLE_END, async (log) => {
      await log.append('t', [record('a')]);
      const refused = {
        code: 'ERR_LOG_FAILED',
        facts: { reason: 'NO_LAST_STABLE_OFFSET', topic: 't' },
      };
      await expect(log.endOffset('t')).rejects.toMatchObject(refused);
      await expect(readAll(log, 't')).rejects.toMatchObject(refused);
    });
  });

  it('is refused in the answer to a fetch too', async () => {
    const { ListOffsets: _honest, ...fetching } = UNKNOWN_STABLE_END;
    await onScript(fetching, async (log) => {
      await log.append('t', [record('a')]);
      await expect(readAll(log, 't')).rejects.toMatchObject({
        facts: { reason: 'NO_LAST_STABLE_OFFSET' },
      });
    });
  });
});
