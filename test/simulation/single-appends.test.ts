import { createHash } from 'node:crypto';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { RECORD_TYPES, usesTopic } from '@strongroom/protocol/record';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import { appendingWriter } from '@strongroom/record-log/appending-writer';
import type { LogRecord, RecordLog, TopicRecords } from '@strongroom/record-log/log';
import { LogError } from '@strongroom/record-log/log-error';
import { systemClock } from '@strongroom/runtime/clock';
import type { Lie } from '@strongroom/testkit/lying-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readUses } from '../../services/cli/src/read-uses.ts';
import {
  type Agreed,
  createScene,
  expectTrueAndOnce,
  RESULTS,
  type Scene,
  type World,
} from './lying-world.ts';

/**
 * A log without transactions (ADR 0039): a worker dies between any two of its appends, or wakes
 * when another has gone on, and readers see what they would have seen with transactions.
 */

let scene: Scene;
let ledgered: Agreed;
beforeAll(async () => {
  scene = await createScene();
  ledgered = await scene.ledgered();
}, 60_000);
afterAll(() => scene.close());

type Append = (log: RecordLog, topic: string, records: readonly LogRecord[]) => Promise<void>;

const singly =
  (append: Append): Lie =>
  (log) => ({
    ...log,
    hasTransactions: false,
    transaction: async () => appendingWriter((topic, records) => append(log, topic, records)),
  });
const honest = singly((log, topic, records) => log.append(topic, records));

const MOMENTS = ['before', 'within', 'after'] as const;
type Moment = (typeof MOMENTS)[number];

const gone = () => new LogError('ERR_LOG_FAILED', { reason: 'GONE' });

/** Its append of this number is its last one: nothing, some or all of it is written. */
function dying(nth: number, moment: Moment): Lie {
  let appends = 0;
  return singly(async (log, topic, records) => {
    appends += 1;
    if (appends > nth || (appends === nth && moment === 'before')) throw gone();
    const half = records.slice(0, Math.ceil(records.length / 2));
    await log.append(topic, appends === nth && moment === 'within' ? half : records);
    if (appends === nth) throw gone();
  });
}

/** Falls asleep with its commit of this number, and writes it down when it wakes. */
function sleeping(nth: number): { readonly lie: Lie; wake(world: World): Promise<void> } {
  const kept: TopicRecords[] = [];
  let commits = 0;
  return {
    lie: (log) => ({
      ...honest(log),
      transaction: async () => {
        const writer = appendingWriter(log.append);
        return {
          ...writer,
          async commit(topic, records, beside = []) {
            commits += 1;
            if (commits < nth) return await writer.commit(topic, records, beside);
            kept.push({ topic, records }, ...beside);
            throw gone();
          },
        };
      },
    }),
    wake: async ({ log }) => {
      for (const { topic, records } of kept) await log.append(topic, records);
    },
  };
}

/** By query, emission and part: texts that were ever on the log. */
function textsOf(world: World): number[] {
  const texts = new Map<string, Set<string>>();
  for (const { key, headers, value } of world.aggregates()) {
    if (headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
    const name = `${key}.${headers['ce_id']?.split('.').slice(2).join('.')}`;
    const text = createHash('sha256').update(JSON.stringify(headers)).update(value).digest('hex');
    texts.set(name, (texts.get(name) ?? new Set()).add(text));
  }
  return [...texts.values()].map(({ size }) => size);
}

/** What each owner's ledger tells, once and in order, of results and of the end. */
async function kindsInLedgers(world: World): Promise<string[][]> {
  const { contract, contractId, identities } = ledgered.computation;
  const authors = { contract, contractId, roots: AMD_ROOTS, clock: systemClock, namespace: '' };
  const ledgers: string[][] = [];
  for (const { id } of ownersWithUses(contract)) {
    const secretReader = identities.get(id)?.reader ?? expect.fail('it reads');
    const { entries, refused } = await readUses(world.log, { id, secretReader }, authors);
    expect(refused).toEqual([]);
    expect(entries.map(({ seal }) => seal.sequence)).toEqual(entries.map((_each, at) => at));
    const kinds = entries.flatMap((each) => each.facts.map(({ kind }) => kind));
    ledgers.push(kinds.filter((kind) => kind !== 'start'));
  }
  return ledgers;
}

async function expectAsEver(world: World): Promise<void> {
  const { told, codes } = await world.read();
  expectTrueAndOnce(told);
  expect([told.length, codes]).toEqual([RESULTS, []]);
  // One of them has two parts.
  expect(textsOf(world)).toEqual(Array.from({ length: RESULTS + 1 }, () => 1));
  const ledger = Array.from({ length: RESULTS }, () => 'window');
  expect(await kindsInLedgers(world)).toEqual([ledger, ledger]);
}

const isLong = process.env['STRONGROOM_LONG'] === '1';
/** Of a run that nothing disturbs: the announcement, and the results. */
const APPENDS = 10;
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_none, at) => from + at);
const DEATHS = numbers(isLong ? 1 : APPENDS / 2 + 1, APPENDS).flatMap((nth) =>
  MOMENTS.filter((_moment, at) => isLong || at === nth % MOMENTS.length).map(
    (moment): [number, Moment] => [nth, moment],
  ),
);

describe('a log without transactions', () => {
  test('gets entries before the result that they tell of, and the checkpoint last', async () => {
    const world = await scene.world(ledgered);
    const topics: string[] = [];
    const noting = singly(async (log, topic, records) => {
      topics.push(topic);
      await log.append(topic, records);
    });
    expect((await world.work([noting])).code).toBeUndefined();
    const { contract, contractId } = ledgered.computation;
    const uses = ownersWithUses(contract).map(({ id }) => usesTopic(contractId, id));
    const step = [ledgered.checkpoints, ...uses, ledgered.aggregates, ledgered.checkpoints];
    expect(topics).toEqual([...step, ...step]);
    expect(topics).toHaveLength(APPENDS);
    await expectAsEver(world);
  });

  test.each(DEATHS)('when a worker dies at append %i, %s it', async (nth, moment) => {
    const world = await scene.world(ledgered);
    expect((await world.work([dying(nth, moment)], [honest])).code).toBeUndefined();
    await expectAsEver(world);
  });

  test.each(isLong ? [1, 2, 3, 4] : [2, 4])(
    'when a worker sleeps with commit %i for too long',
    async (nth) => {
      const world = await scene.world(ledgered);
      const { lie, wake } = sleeping(nth);
      expect((await world.work([lie], [honest])).code).toBeUndefined();
      await wake(world);
      await expectAsEver(world);
      // Nor does whoever comes next mistake an old checkpoint for the newest.
      expect((await world.work([honest])).code).toBeUndefined();
      await expectAsEver(world);
    },
  );

  test.each([
    [7, 'the entries of one owner'],
    [9, 'a result'],
  ])('when the contract ends while of a step append %i is there: %s', async (nth) => {
    const world = await scene.world(ledgered);
    // The next worker has got its keys, and finds the step prepared.
    const ending: Lie = (log) => ({
      ...honest(log),
      transaction: async () => {
        scene.services.leases.state = 'revoked';
        return appendingWriter(log.append);
      },
    });
    const { code, lives } = await world.work([dying(nth, 'after')], [ending]);
    expect([code, lives]).toEqual(['ERR_CONTRACT_REVOKED', 2]);
    // A notice, and an entry about it, could contradict what is there.
    const types = world.aggregates().map(({ headers }) => headers['ce_type']);
    expect(types).not.toContain(RECORD_TYPES.notice);
    for (const kinds of await kindsInLedgers(world)) expect(kinds).not.toContain('stop');
  });

  test('is not written to where no owner keeps a lease', async () => {
    const world = await scene.world(scene.plain);
    const { code, lives } = await world.work([honest]);
    expect([code, lives]).toEqual(['ERR_TRANSACTIONS_NEEDED', 1]);
    // It did not even make a topic.
    expect(() => world.aggregates()).toThrow('UNKNOWN_TOPIC_OR_PARTITION');
  });
});
