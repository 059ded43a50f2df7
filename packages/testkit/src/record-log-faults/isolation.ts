import { expect } from 'vitest';
import { readAll, textsOf } from '../record-log-suite.ts';
import type { PartitionLog } from '../scripted-broker/partition-log.ts';
import { encodeBatch } from '../scripted-broker/record-batch.ts';
import { type SeededRandom, seededRandom } from '../seeded-random.ts';
import { partitionOf, type Vector } from './suite.ts';

/** Reading shows what was committed and nothing that was aborted, however the log lies. */

/** One step in the life of a partition: a record of a producer, or the end of its transaction. */
type Step = readonly [producer: number, text: string] | readonly [producer: number, end: boolean];

const EPOCH = 0;
/** Outside of any transaction. */
const NOBODY = -1;
const MARK_KEY = Buffer.from([0, 0, 0, 0]);

interface History {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly shown: readonly string[];
  readonly from?: number;
  readonly key?: Buffer;
  readonly valueBytes?: number;
  readonly maxBytes?: number;
}

const HISTORIES: readonly History[] = [
  {
    name: 'K1: takes data with the key of a mark for data',
    steps: [
      [7, 'a'],
      [7, 'b'],
      [NOBODY, 'c'],
      [7, 'd'],
      [7, false],
      [7, 'e'],
      [7, true],
    ],
    shown: ['c', 'e'],
    key: MARK_KEY,
  },
  {
    name: 'K2: hides two transactions that are open where reading begins',
    steps: [
      [7, 'a'],
      [8, 'b'],
      [7, 'c'],
      [8, 'd'],
      [NOBODY, 'e'],
      [7, false],
      [8, false],
    ],
    shown: ['e'],
    from: 2,
  },
  {
    name: 'K3: hides aborted transactions that ended in another order than they began',
    steps: [
      [7, 'a'],
      [8, 'b'],
      [8, false],
      [7, 'c'],
      [9, 'd'],
      [9, true],
      [7, false],
    ],
    shown: ['d'],
  },
  {
    name: 'B15: shows commit, hides abort, shows commit of one producer in one fetch',
    steps: [
      [7, 'a'],
      [7, true],
      [7, 'b'],
      [7, false],
      [7, 'c'],
      [7, true],
    ],
    shown: ['a', 'c'],
  },
  {
    name: 'B17: hides two aborts of one producer in one fetch',
    steps: [
      [7, 'a'],
      [7, false],
      [7, 'b'],
      [7, false],
      [7, 'c'],
      [7, true],
    ],
    shown: ['c'],
  },
  {
    name: 'B17: hides an abort whose mark comes in a later fetch',
    steps: [
      [7, 'a'],
      [NOBODY, 'b'],
      [7, 'c'],
      [NOBODY, 'd'],
      [7, false],
      [NOBODY, 'e'],
    ],
    shown: ['b', 'd', 'e'],
    valueBytes: 100_000,
    maxBytes: 250_000,
  },
];

const SEEDS = 30;
const STEPS = 60;

export function isolationSuite(vector: Vector): void {
  for (const history of HISTORIES) {
    vector(history.name, {}, async (stage) => {
      const topic = await stage.newTopic();
      play(partitionOf(stage, topic), history);
      const { from = 0, maxBytes, shown } = history;
      const texts: string[] = [];
      const options = { untilEnd: true, ...(maxBytes === undefined ? {} : { maxBytes }) };
      for await (const entries of stage.log.read([{ topic, offset: from }], options)) {
        texts.push(...textsOf(entries).map((text) => text.trimEnd()));
      }
      expect(texts).toEqual(shown);
    });
  }

  vector('K1 K2 K3: shows exactly what was committed in random histories', {}, async (stage) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const topic = await stage.newTopic();
      const random = seededRandom(seed);
      const steps = randomSteps(random);
      play(partitionOf(stage, topic), { steps });
      const from = random.below(STEPS);
      const entries = await readAll(stage.log, topic, from);
      expect(textsOf(entries), `seed ${seed}`).toEqual(shownFrom(steps, from));
    }
  });
}

/** Each step takes one offset. */
function play(
  partition: PartitionLog,
  { steps, key, valueBytes = 0 }: Pick<History, 'steps' | 'key' | 'valueBytes'>,
): void {
  for (const [producerId, what] of steps) {
    if (typeof what === 'boolean') {
      partition.mark(producerId, EPOCH, what);
      continue;
    }
    const value = Buffer.from(what.padEnd(valueBytes));
    const writer =
      producerId === NOBODY ? {} : { producerId, producerEpoch: EPOCH, transactional: true };
    partition.plant(encodeBatch([{ key: key ?? null, value }], writer));
  }
}

function randomSteps(random: SeededRandom): Step[] {
  const steps: Step[] = [];
  const open = new Set<number>();
  while (steps.length < STEPS) {
    const writer = random.pick([NOBODY, 7, 8, 9, 10]);
    if (open.has(writer) && random.chance(0.3)) {
      steps.push([writer, random.chance(0.5)]);
      open.delete(writer);
      continue;
    }
    steps.push([writer, `${steps.length}`]);
    if (writer !== NOBODY) open.add(writer);
  }
  for (const writer of open) steps.push([writer, random.chance(0.5)]);
  return steps;
}

/** By the definition: a record is shown if the next end of its producer commits. */
function shownFrom(steps: readonly Step[], from: number): string[] {
  return steps.flatMap(([writer, what], offset) => {
    if (typeof what === 'boolean' || offset < from) return [];
    if (writer === NOBODY) return [what];
    const end = steps.slice(offset).find(([other, step]) => {
      return other === writer && typeof step === 'boolean';
    });
    return end?.[1] === true ? [what] : [];
  });
}
