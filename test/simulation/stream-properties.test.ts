import type { Query } from '@strongroom/protocol/contract';
import { StreamIdSchema } from '@strongroom/protocol/fields';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { StreamScene } from '../../services/enclave-worker/test/stream-scene.ts';

/**
 * Two streams of one dataset, each with batches, retractions, lost states and manifests, shown in
 * an order that is off by a few places, with repeats; read in groups of any size, with restarts
 * from any checkpoint. Every result, as often as it is told, is that of the plain rows.
 */

const HOUR_MS = 3_600_000;
const PHASES = 3;
const PLACES = ['x', 'y', 'z'];
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const STREAMS = [
  { id: 'gate-a', partition: 0 },
  { id: 'gate-b', partition: 1 },
];
const HOURLY: Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> = {
  id: 'hourly' as Query['id'],
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place ORDER BY place',
  relations: ['visits'],
  window: { kind: 'tumbling', sizeMs: HOUR_MS },
  latenessMs: 0,
};
const RUNS = process.env['STRONGROOM_LONG'] === '1' ? 150 : 8;
/** An opening that comes once more, behind a restart, halted these. */
const SEEDS_OF_FAULTS = [88, 137];

let computation: Computation;
beforeAll(async () => {
  const plan = { id: 'north', relation: 'visits', columns: COLUMNS, eventTime: 'at' };
  computation = await agreeOn([{ ...plan, streams: STREAMS }], [HOURLY], 1);
}, 60_000);

interface Made {
  readonly records: DoorRecord[];
  /** Rows that were not taken back. */
  readonly rows: Row[];
}

/** What one producer sends; in phase p its rows lie in the hours p and p + 1. */
async function makeStream(id: string, random: SeededRandom): Promise<Made> {
  let stream = new TestStream(computation, 'north', StreamIdSchema.parse(id));
  const records: DoorRecord[] = [];
  const rows: Row[] = [];
  let sequence = 0;
  for (let phase = 0; phase < PHASES; phase += 1) {
    let open: { sequence: number; record: Awaited<ReturnType<TestStream['seal']>>; rows: Row[] }[] =
      [];
    for (let step = 0; step < 6; step += 1) {
      const [victim] = open;
      if (random.chance(0.2)) {
        const reopened = await stream.reopen();
        records.push(reopened.opening);
        stream = reopened.stream;
      } else if (victim && random.chance(0.3)) {
        records.push(await stream.retract(victim.sequence, victim.record));
        open = open.slice(1);
        sequence += 1;
      } else {
        const mine = rowsIn(phase, random);
        const record = await stream.seal(mine);
        records.push(record);
        open.push({ sequence, record, rows: mine });
        sequence += 1;
      }
    }
    rows.push(...open.flatMap((each) => each.rows));
    const isLast = phase === PHASES - 1;
    records.push(await stream.manifest((phase + 1) * HOUR_MS, isLast));
  }
  return { records, rows };
}

function rowsIn(phase: number, random: SeededRandom): Row[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    at: BigInt(phase * HOUR_MS + random.below(2 * HOUR_MS)) * 1_000n,
    place: random.pick(PLACES),
  }));
}

/** Off by a few places, some of it twice. */
function disturb(records: readonly DoorRecord[], random: SeededRandom): DoorRecord[] {
  const placed = records.flatMap((record, place) => {
    const first = { record, place: place + random.below(6) };
    return random.chance(0.2) ? [first, { record, place: place + random.below(20) }] : [first];
  });
  return placed.sort((one, other) => one.place - other.place).map(({ record }) => record);
}

/** By the start of its window, what each result has to be. */
function truthOf(rows: readonly Row[]): Map<number, unknown[][]> {
  const hours = rows.map(({ at }) => Math.floor(Number(at) / 1_000 / HOUR_MS));
  const truth = new Map<number, unknown[][]>();
  for (let hour = Math.min(...hours); hour <= Math.max(...hours); hour += 1) {
    const inside = rows.filter((_row, index) => hours[index] === hour);
    const counts = PLACES.map((place) => [
      place,
      inside.filter((row) => row['place'] === place).length,
    ]);
    truth.set(
      hour * HOUR_MS,
      counts.filter(([, count]) => count !== 0),
    );
  }
  return truth;
}

describe('streams in any order, with restarts from any checkpoint', () => {
  const seeds = [...Array.from({ length: RUNS }, (_none, seed) => seed + 1), ...SEEDS_OF_FAULTS];
  test.each([...new Set(seeds)])(
    'seed %d tells the plain truth',
    async (seed) => {
      const random = seededRandom(seed);
      const scene = await new StreamScene(computation).start();
      const made = [];
      for (const { id, partition } of STREAMS) {
        const stream = await makeStream(id, random);
        made.push(...stream.rows);
        scene.append('north', partition, ...disturb(stream.records, random));
      }
      let restarts = 0;
      for (let at = 0; at < 60 && !scene.closing?.done; at += 1) {
        await scene.run(1 + random.below(9));
        if (random.chance(0.3)) await scene.checkpoint();
        if (restarts < 2 && random.chance(0.15)) {
          restarts += 1;
          await scene.start(random.below(scene.committed.length));
        }
      }
      await scene.run();
      expect(scene.closing).toMatchObject({ done: true });
      scene.vault.finish();
      const truth = truthOf(made);
      const told = await scene.results('hourly');
      for (const { seal, rows } of told) {
        expect([seal.window?.start, rows]).toEqual([
          seal.window?.start,
          truth.get(seal.window?.start ?? -1),
        ]);
      }
      expect(new Set(told.map(({ seal }) => seal.window?.start))).toEqual(new Set(truth.keys()));
    },
    60_000,
  );
});
