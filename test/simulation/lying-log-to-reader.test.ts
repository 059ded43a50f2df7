import type { ErrorCode } from '@strongroom/protocol/errors';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import type { LogEntry, LogRecord } from '@strongroom/record-log/log';
import {
  changing,
  endingAt,
  type Lie,
  mixingIn,
  repeating,
  showingOnly,
  telling,
  withholdingNewest,
} from '@strongroom/testkit/lying-log';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createScene,
  expectTrueAndOnce,
  RESULTS,
  type Scene,
  SEEDS,
  type World,
} from './lying-world.ts';

/**
 * What a log can do to who reads results, one behaviour a row (docs/lying-log.md). What a reader is
 * told is true, each result once, in order.
 */

interface Cast {
  readonly random: SeededRandom;
  readonly topic: string;
  readonly entries: readonly LogEntry[];
}
interface Behaviour {
  readonly lies: (cast: Cast) => readonly Lie[];
  /** Codes that the reader says, one after the other, each once. */
  readonly codes: readonly ErrorCode[];
  /** How many results are told: all of them, or as many as lie before the lie. */
  readonly tells: 'all' | 'fewer' | 'none';
}

const isOf = (type: string) => (entry: LogEntry) => entry.headers['ce_type'] === type;
const isResult = isOf(RECORD_TYPES.aggregate);
const isToken = isOf(RECORD_TYPES.token);
const isLast = ({ key }: LogEntry) => key === 'all.analyst';

const TO_READERS: Readonly<Record<string, Behaviour>> = {
  'shows results again': {
    lies: ({ topic, random }) => [repeating(topic, random, 0.7)],
    codes: [],
    tells: 'all',
  },
  'exchanges two results': {
    lies: ({ topic }) => [telling(topic, () => (entries) => exchanged(entries))],
    codes: ['ERR_AGGREGATE_GAP'],
    tells: 'fewer',
  },
  'leaves a result out': {
    lies: ({ topic, random }) => [withoutOne(topic, random.below(3))],
    codes: ['ERR_AGGREGATE_GAP'],
    tells: 'fewer',
  },
  'withholds the newest result': {
    lies: ({ topic }) => [showingOnly(topic, (entry) => !isLast(entry))],
    codes: [],
    tells: 'fewer',
  },
  'cuts the end off': {
    lies: ({ topic, random, entries }) => [
      withholdingNewest(topic, 2 + random.below(entries.length - 2)),
    ],
    codes: [],
    tells: 'fewer',
  },
  'withholds the proofs': {
    lies: ({ topic }) => [showingOnly(topic, (entry) => !isToken(entry))],
    codes: ['ERR_AGGREGATE_PROOF'],
    tells: 'none',
  },
  'shows the proofs behind the results': {
    lies: ({ topic }) => [
      telling(topic, () => (entries) => [
        ...entries.filter((entry) => !isToken(entry)),
        ...entries.filter(isToken),
      ]),
    ],
    codes: ['ERR_AGGREGATE_PROOF'],
    tells: 'none',
  },
  'floods the proofs with forged ones': {
    lies: ({ topic, random }) => [
      telling(topic, () => (entries) => entries.flatMap((each) => [each, ...noise(each, random)])),
    ],
    codes: ['ERR_AGGREGATE_PROOF'],
    tells: 'none',
  },
  'changes a header of a result': {
    lies: ({ topic, random }) => [
      changingOne(topic, random.below(3), (entry) => ({
        ...entry,
        headers: { ...entry.headers, ce_id: 'analyst.7.7' },
      })),
    ],
    codes: ['ERR_RECORD_HEADERS', 'ERR_AGGREGATE_GAP'],
    tells: 'fewer',
  },
  'turns a bit of a result': {
    lies: ({ topic, random }) => [
      changingOne(topic, random.below(3), (entry) => {
        const value = new Uint8Array(entry.value);
        const at = random.below(value.length);
        value[at] = (value[at] ?? 0) ^ (1 << random.below(8));
        return { ...entry, value };
      }),
    ],
    codes: ['ERR_AGGREGATE_MALFORMED', 'ERR_AGGREGATE_GAP'],
    tells: 'fewer',
  },
  'puts one result in the place of another': {
    lies: ({ topic, entries }) => {
      const results = entries.filter(isResult);
      return [
        changingOne(topic, 1, (entry) => ({ ...entry, ...results[0], offset: entry.offset })),
      ];
    },
    codes: ['ERR_AGGREGATE_GAP'],
    tells: 'fewer',
  },
  'mixes in results of another contract': {
    lies: ({ topic, random, entries }) => {
      const at = random.below(entries.length);
      const others = renumbered(other.aggregates(), topic);
      return [telling(topic, () => (all) => all.toSpliced(at, 0, ...others))];
    },
    codes: ['ERR_TOKEN_INVALID'],
    tells: 'all',
  },
  'goes on with the results of a worker that was elsewhere': {
    lies: ({ topic }) => [
      telling(topic, () => (entries) => [
        ...entries.slice(0, entries.findIndex(isResult) + 1),
        ...renumbered(elsewhere, topic),
      ]),
    ],
    codes: ['ERR_AGGREGATE_GAP'],
    tells: 'fewer',
  },
  'ends the results too early': {
    lies: ({ topic, random, entries }) => {
      const end = random.below(entries.length - 3);
      return [endingAt(topic, () => end)];
    },
    codes: [],
    tells: 'fewer',
  },
  'ends the results too late': {
    lies: ({ topic, random }) => {
      const late = 1 + random.below(100);
      return [endingAt(topic, (end) => end + late)];
    },
    codes: ['ERR_LOG_FAILED'],
    tells: 'all',
  },
  'puts empty, giant and flooded records between the results': {
    lies: ({ topic, random }) => {
      const headers = { ce_type: RECORD_TYPES.aggregate };
      const seal = { ...headers, seal: 'x'.repeat(5_000_000) };
      const value = new Uint8Array(40_000_000);
      const records = [
        { key: null, value: new Uint8Array(0), headers },
        { key: null, value, headers },
        { key: null, value: new Uint8Array(0), headers: seal },
        { key: null, value, headers: { ce_type: RECORD_TYPES.token } },
      ];
      return [mixingIn(topic, records, random)];
    },
    codes: ['ERR_AGGREGATE_MALFORMED'],
    tells: 'all',
  },
};

function exchanged(entries: readonly LogEntry[]): readonly LogEntry[] {
  const [first, second] = entries.filter(isResult);
  return entries.map((entry) => {
    if (entry === first) return second ?? entry;
    return entry === second ? (first ?? entry) : entry;
  });
}

function withoutOne(topic: string, left: number): Lie {
  let result = 0;
  return showingOnly(topic, (entry) => !isResult(entry) || result++ !== left);
}

function changingOne(topic: string, changed: number, change: (entry: LogEntry) => LogEntry): Lie {
  let result = 0;
  return changing(topic, (entry) => {
    return isResult(entry) && result++ === changed ? change(entry) : entry;
  });
}

/** So many that a reader's shelf has room for none of the others. */
function noise(entry: LogEntry, random: SeededRandom): LogEntry[] {
  if (!isToken(entry)) return [];
  return Array.from({ length: 5_000 }, () => {
    const value = Buffer.from(`{"tokens":["${random.below(2 ** 30)}"],"v":1}`);
    return { ...entry, value };
  });
}

function renumbered(records: readonly LogRecord[], topic: string): LogEntry[] {
  return records.map((each, index) => ({ ...each, topic, partition: 0, offset: 100 + index }));
}

let scene: Scene;
/** Two lives, one after the other. */
let finished: World;
/** Of the next contract. */
let other: World;
/** What another worker of the same contract wrote on another log. */
let elsewhere: readonly LogRecord[];
beforeAll(async () => {
  scene = await createScene();
  other = await scene.world(scene.leased);
  await other.work();
  elsewhere = await (async () => {
    const world = await scene.world(scene.plain);
    await world.work();
    return world.aggregates();
  })();
  finished = await scene.halfway(scene.plain);
  await finished.work();
}, 60_000);
afterAll(() => scene.close());

test('a log that tells the truth shows everything', async () => {
  const { told, codes } = await finished.read();
  expectTrueAndOnce(told);
  expect([told.length, codes]).toEqual([RESULTS, []]);
  expect(new Set(told.map(({ seal }) => seal.epoch))).toEqual(new Set([0, 1]));
});

describe.each(Object.entries(TO_READERS))('a log that %s', (_name, { lies, codes, tells }) => {
  test.each(SEEDS)('is seen through (seed %i)', async (seed) => {
    const topic = scene.plain.aggregates;
    const cast = { random: seededRandom(seed), topic, entries: finished.aggregates() };
    const reading = await finished.read(...lies(cast));
    expectTrueAndOnce(reading.told);
    expect([...new Set(reading.codes)]).toEqual(codes);
    if (tells === 'all') expect(reading.told).toHaveLength(RESULTS);
    else if (tells === 'none') expect(reading.told).toEqual([]);
    else expect(reading.told.length).toBeLessThan(RESULTS);
  });
});
