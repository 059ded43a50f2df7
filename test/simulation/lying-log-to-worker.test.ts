import type { ErrorCode } from '@strongroom/protocol/errors';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import type { LogEntry, LogRecord } from '@strongroom/record-log/log';
import {
  afterReadings,
  changing,
  endingAt,
  type Lie,
  mixingIn,
  recreated,
  reordering,
  repeating,
  sendingToTheEnd,
  showingOnly,
  telling,
  withholdingNewest,
} from '@strongroom/testkit/lying-log';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStream } from '../../services/enclave-worker/test/owners.ts';
import {
  type Agreed,
  BATCH_ROWS,
  createScene,
  expectTrueAndOnce,
  publish,
  RESULTS,
  rowsOf,
  type Scene,
  SEEDS,
  type World,
} from './lying-world.ts';

/**
 * What a log can do to a worker, one behaviour a row (docs/lying-log.md). Either all results come
 * out as they are true, or the worker ends with the code of the row, and what was told is true.
 */

interface Cast {
  readonly agreed: Agreed;
  readonly random: SeededRandom;
  /** The dataset's topic that is lied about. */
  readonly topic: string;
  readonly checkpoints: string;
}
interface Behaviour {
  readonly lies: (cast: Cast) => readonly Lie[] | Promise<readonly Lie[]>;
  /** How the worker ends; absent: it has told everything. */
  readonly ends?: ErrorCode;
  /** Codes of records that it has set aside. */
  readonly refused?: readonly ErrorCode[];
}

const AT_FIRST: Readonly<Record<string, Behaviour>> = {
  'shows batches again, under offsets of their own': {
    lies: ({ topic, random }) => [repeating(topic, random, 0.6)],
    refused: ['ERR_BATCH_REPLAYED'],
  },
  'shows every record twice, under one offset': {
    lies: ({ topic }) => [telling(topic, () => (all) => all.flatMap((each) => [each, each]))],
  },
  'moves records by a few places': {
    lies: ({ topic, random }) => [reordering(topic, random, 5)],
  },
  'shows the first batch last': {
    lies: ({ topic }) => [sendingToTheEnd(topic)],
    refused: ['ERR_STREAM_GAP'],
  },
  'leaves a batch out': {
    lies: ({ topic, random }) => {
      const left = random.below(8);
      let index = 0;
      return [showingOnly(topic, ({ value }) => value.length === 0 || index++ !== left)];
    },
    ends: 'ERR_STREAM_TRUNCATED',
  },
  'cuts the end off': {
    lies: ({ topic, random }) => {
      const kept = random.below(12);
      return [showingOnly(topic, (_entry, index) => index < kept)];
    },
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'withholds the newest records': {
    lies: ({ topic, random }) => [withholdingNewest(topic, 1 + random.below(4))],
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'mixes in another dataset of the contract': {
    lies: ({ agreed, topic, random }) => [mixingIn(topic, published(agreed, 'south'), random)],
    refused: ['ERR_SEAL_SIGNATURE'],
  },
  'mixes in the same dataset of another contract': {
    lies: ({ agreed, topic, random }) => [
      mixingIn(topic, published(agreed.next ?? agreed, 'north'), random),
    ],
    refused: ['ERR_SEAL_CONTEXT'],
  },
  "mixes in a stranger's batches in the owner's name": {
    lies: async ({ agreed, topic, random }) => [mixingIn(topic, await forged(agreed), random)],
    refused: ['ERR_SEAL_SIGNATURE'],
  },
  'shows another stream of the owner from the middle on': {
    lies: ({ agreed, topic }) => {
      const other = agreed.fine.get('north') ?? [];
      const change = (entry: LogEntry, index: number) =>
        index < 4 ? entry : { ...entry, ...other[index] };
      return [changing(topic, change)];
    },
    ends: 'ERR_INPUT_INCOMPLETE',
    refused: ['ERR_STREAM_UNKNOWN'],
  },
  'lets offsets jump': {
    lies: ({ topic, random }) => [
      changing(topic, (entry) => ({
        ...entry,
        offset: entry.offset * 1_000 + random.below(1_000),
      })),
    ],
  },
  'lets all offsets be one': {
    lies: ({ topic }) => [changing(topic, (entry) => ({ ...entry, offset: 7 }))],
  },
  'moves records to a partition that nobody named': {
    lies: ({ topic }) => [changing(topic, (entry) => ({ ...entry, partition: 7 }))],
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'moves the start of the log': {
    lies: ({ topic, random }) => {
      const lost = 1 + random.below(6);
      return [showingOnly(topic, (_entry, index) => index >= lost)];
    },
    ends: 'ERR_STREAM_TRUNCATED',
    refused: ['ERR_STREAM_GAP'],
  },
  'makes the topic anew, and empty': {
    lies: ({ topic }) => [recreated(topic, [])],
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'changes a header': {
    lies: ({ topic, random }) => [
      changingOne(topic, random, (entry) => ({
        ...entry,
        headers: { ...entry.headers, [random.pick(Object.keys(entry.headers))]: 'other' },
      })),
    ],
    ends: 'ERR_STREAM_TRUNCATED',
  },
  'adds a header': {
    lies: ({ topic, random }) => [
      changingOne(topic, random, (entry) => ({
        ...entry,
        headers: { ...entry.headers, more: 'one' },
      })),
    ],
    ends: 'ERR_STREAM_TRUNCATED',
    refused: ['ERR_RECORD_HEADERS'],
  },
  'takes the key away': {
    lies: ({ topic, random }) => [changingOne(topic, random, (entry) => ({ ...entry, key: null }))],
    ends: 'ERR_STREAM_TRUNCATED',
    refused: ['ERR_RECORD_HEADERS'],
  },
  'turns a bit of a value': {
    lies: ({ topic, random }) => [
      changingOne(topic, random, (entry) => ({ ...entry, value: flipped(entry.value, random) })),
    ],
    ends: 'ERR_STREAM_TRUNCATED',
    refused: ['ERR_CIPHERTEXT_HASH'],
  },
  'puts in records of 40 MB': {
    lies: ({ topic, random }) => {
      const value = new Uint8Array(40_000_000);
      const headers = { ce_type: RECORD_TYPES.batch, seal: 'x'.repeat(8_000) };
      const giants = [{}, headers].map((each) => ({ key: null, value, headers: each }));
      return [mixingIn(topic, giants, random)];
    },
    refused: ['ERR_SEAL_MALFORMED', 'ERR_LIMIT_EXCEEDED'],
  },
  'puts in empty records': {
    lies: ({ topic, random }) => [mixingIn(topic, new Array(50).fill(EMPTY), random)],
    refused: ['ERR_SEAL_MALFORMED'],
  },
  'floods records with headers': {
    lies: ({ topic, random }) => {
      const names = Array.from({ length: 50_000 }, (_none, index) => `h${index}`);
      const many = Object.fromEntries(names.map((name) => [name, 'x'.repeat(100)]));
      const long = { seal: 'x'.repeat(10_000_000) };
      const flood = [many, long].map((headers) => ({ ...EMPTY, headers }));
      return [mixingIn(topic, flood, random)];
    },
    refused: ['ERR_SEAL_MALFORMED'],
  },
};

const EMPTY: LogRecord = { key: null, value: new Uint8Array(0), headers: {} };

/**
 * Half of the results are told, and the worker is started again: all that it knows is on the log.
 * Where owners keep leases, an old state is refused; where they do not, the reader sees it.
 */
interface Restarted extends Behaviour {
  readonly owners: 'with leases' | 'without leases';
  /** What the reader says of what the worker then told. */
  readonly reader?: ErrorCode;
}

const AFTER_A_RESTART: Readonly<Record<string, Restarted>> = {
  'lies at the second reading only': {
    owners: 'with leases',
    lies: ({ topic, random }) => {
      const left = 3 + random.below(2);
      return [
        afterReadings(
          0,
          topic,
          showingOnly(topic, (_entry, index) => index !== left),
        ),
      ];
    },
    ends: 'ERR_STREAM_TRUNCATED',
  },
  'makes a topic anew with its older content': {
    owners: 'with leases',
    lies: ({ agreed, topic, random }) => {
      const older = published(agreed, 'north').slice(0, random.below(6));
      return [recreated(topic, older)];
    },
    ends: 'ERR_STREAM_TRUNCATED',
  },
  'makes a topic anew with another stream of the owner': {
    owners: 'with leases',
    lies: ({ agreed, topic }) => [recreated(topic, agreed.fine.get('north') ?? [])],
    ends: 'ERR_STREAM_TRUNCATED',
    refused: ['ERR_STREAM_UNKNOWN'],
  },
  'counts offsets anew': {
    owners: 'with leases',
    lies: ({ topic }) => [changing(topic, (entry, index) => ({ ...entry, offset: index }))],
  },
  'shows an older checkpoint as the newest': {
    owners: 'with leases',
    lies: ({ checkpoints }) => [onlyOldest(checkpoints, 1)],
    ends: 'ERR_LEASE_FORKED',
  },
  'shows an older checkpoint as the newest, and nobody keeps a lease': {
    owners: 'without leases',
    lies: ({ checkpoints }) => [onlyOldest(checkpoints, 1)],
    reader: 'ERR_AGGREGATE_GAP',
  },
  'withholds all checkpoints': {
    owners: 'with leases',
    lies: ({ checkpoints }) => [onlyOldest(checkpoints, 0)],
    ends: 'ERR_LEASE_FORKED',
  },
  'withholds all checkpoints, and nobody keeps a lease': {
    owners: 'without leases',
    lies: ({ checkpoints }) => [onlyOldest(checkpoints, 0)],
    reader: 'ERR_AGGREGATE_GAP',
  },
  'ends the checkpoints too early': {
    owners: 'with leases',
    lies: ({ checkpoints, random }) => {
      const end = random.below(2);
      return [endingAt(checkpoints, () => end)];
    },
    ends: 'ERR_LEASE_FORKED',
  },
  'ends the checkpoints too late': {
    owners: 'with leases',
    lies: ({ checkpoints, random }) => [
      endingAt(checkpoints, (end) => end + 1 + random.below(100)),
    ],
    ends: 'ERR_LOG_FAILED',
  },
  'mixes forged checkpoints in': {
    owners: 'with leases',
    lies: ({ checkpoints, random }) => [
      mixingIn(checkpoints, forgedCheckpoints(100, random), random),
    ],
  },
  'floods the topic with forged checkpoints, and shows no other one': {
    owners: 'with leases',
    lies: ({ checkpoints, random }) => [recreated(checkpoints, forgedCheckpoints(1_000, random))],
    ends: 'ERR_CHECKPOINT_INVALID',
  },
  'shows the checkpoint of another contract': {
    owners: 'with leases',
    lies: async ({ agreed, checkpoints }) => [recreated(checkpoints, await ofAnother(agreed))],
    ends: 'ERR_CHECKPOINT_INVALID',
  },
};

/** Of the true checkpoints. */
function onlyOldest(topic: string, count: number): Lie {
  return showingOnly(topic, (_entry, index) => index < count);
}

function forgedCheckpoints(count: number, random: SeededRandom): LogRecord[] {
  return Array.from({ length: count }, () => {
    const value = Buffer.from(`a.b.${random.below(2 ** 30)}.d.e`);
    return { key: RECORD_TYPES.checkpoint, value, headers: { ce_type: RECORD_TYPES.checkpoint } };
  });
}

/** What a worker of the other contract wrote, with the same owners' keys. */
async function ofAnother(agreed: Agreed): Promise<LogRecord[]> {
  const other = agreed === scene.leased ? scene.plain : scene.leased;
  const world = await scene.world(other);
  await world.work();
  const entries = world.entries(other.checkpoints);
  // Services answer for one contract at a time.
  await scene.world(agreed);
  return entries;
}

function published(agreed: Agreed, dataset: string): readonly LogRecord[] {
  return agreed.published.get(dataset) ?? [];
}

/** Batches under the name of one owner and with the key of another one. */
async function forged({ computation }: Agreed): Promise<LogRecord[]> {
  const stranger = computation.identities.get('owner-south');
  const identities = new Map(stranger ? [['owner-north', stranger]] : []);
  const stream = new TestStream({ ...computation, identities }, 'north');
  return await publish(stream, rowsOf('north'), BATCH_ROWS);
}

/** One of the batches. */
function changingOne(topic: string, random: SeededRandom, change: (entry: LogEntry) => LogEntry) {
  const changed = random.below(8);
  let index = 0;
  return changing(topic, (entry) => {
    const isOne = entry.value.length > 0 && index++ === changed;
    return isOne ? change(entry) : entry;
  });
}

function flipped(value: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = new Uint8Array(value);
  const at = random.below(copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  return copy;
}

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
}, 60_000);
afterAll(() => scene.close());

async function outcome(world: World, behaviour: Behaviour, seed: number) {
  const { agreed } = world;
  const [topic, checkpoints] = [agreed.topicOf('north'), agreed.checkpoints];
  const cast = { agreed, random: seededRandom(seed), topic, checkpoints };
  const run = await world.work(await behaviour.lies(cast));
  const { told, codes } = await world.read();
  expectTrueAndOnce(told);
  expect(run.code).toBe(behaviour.ends);
  expect(Object.keys(run.refusals)).toEqual(expect.arrayContaining([...(behaviour.refused ?? [])]));
  return { told, codes };
}

describe.each(Object.entries(AT_FIRST))('a log that %s', (_name, behaviour) => {
  test.each(SEEDS)('is seen through (seed %i)', async (seed) => {
    const world = await scene.world(scene.plain);
    const { told, codes } = await outcome(world, behaviour, seed);
    expect(codes).toEqual([]);
    if (behaviour.ends) expect(told.length).toBeLessThan(RESULTS);
    else expect(told).toHaveLength(RESULTS);
  });
});

describe.each(Object.entries(AFTER_A_RESTART))(
  'after a restart, a log that %s',
  (_name, behaviour) => {
    test.each(SEEDS)('is seen through (seed %i)', async (seed) => {
      const agreed = behaviour.owners === 'with leases' ? scene.leased : scene.plain;
      const world = await scene.halfway(agreed);
      const before = (await world.read()).told;
      const { told, codes } = await outcome(world, behaviour, seed);
      expect(told.slice(0, before.length)).toEqual(before);
      expect(codes).toEqual(behaviour.reader ? [behaviour.reader] : []);
      if (behaviour.ends || behaviour.reader) expect(told).toHaveLength(before.length);
      else expect(told).toHaveLength(RESULTS);
    });
  },
);
