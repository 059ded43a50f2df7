import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { DatasetId, QueryId, StreamId } from '@strongroom/protocol/fields';
import { streamOfText } from '@strongroom/protocol/partitioning';
import type { Privacy } from '@strongroom/protocol/privacy';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { beforeAll, expect, test } from 'vitest';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { OwnLedger, PrivateWorld } from './private-world.ts';
import { runSlices } from './sliced-world.ts';

/**
 * Slices of rows that are shared out by their contributor tell what one worker tells: minimums of
 * contributors, and noise, which is so small here that it is none. It is paid for once a window.
 */

const SECOND = 1_000;
const WINDOWS = 2;
const STREAMS = ['gate-0', 'gate-1', 'gate-2', 'gate-3'] as StreamId[];
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'person', type: 'utf8', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
  { name: 'bags', type: 'int32', nullable: true },
] as const;
const RULES: AnalysisRules = {
  columns: {
    at: { dimension: {} },
    person: { contributor: true, measure: { functions: ['count_distinct'] } },
    place: { dimension: { values: ['JFK', 'LHR', 'SFO'] } },
    bags: { measure: { low: '0', high: '9' } },
  },
  minimumContributors: { group: 3 },
};
const PRIVACY: Privacy = {
  mechanism: 'laplace',
  loss: { epsilon: '100000', delta: '0' },
  groupsPerContributor: 3,
  rowsPerGroup: 50,
  confidence: '0.9',
};
const common = {
  sql: `SELECT place, count(*) AS n, count(DISTINCT person) AS people, avg(bags) AS bags
    FROM visits GROUP BY place`,
  relations: ['visits'],
  window: { kind: 'tumbling' as const, sizeMs: SECOND },
  latenessMs: 0,
  differences: 'accepted' as const,
};
const QUERIES = [
  { ...common, id: 'noisy' as QueryId, privacy: PRIVACY },
  { ...common, id: 'total' as QueryId, privacy: { ...PRIVACY, continual: { windows: 2 } } },
  { ...common, id: 'exact' as QueryId },
];
const OWNERS = ['north', 'south'];

/** @param slices 1: one worker, and all streams in one partition */
function agree(slices: number): Promise<Computation> {
  const streams = STREAMS.map((id, at) => ({ id, partition: slices > 1 ? at : 0 }));
  const plans = OWNERS.map((id) => ({
    ...{ id, relation: 'visits', columns: COLUMNS, eventTime: 'at', rules: RULES },
    ...{ streams, partitionBy: 'person' },
  }));
  const members = { tickMs: 0, ...(slices > 1 ? { slices } : {}) };
  return agreeOn(plans, QUERIES, 1, undefined, false, undefined, false, members);
}

/** People are in rows of both owners; in a second hour fewer places have enough of them. */
function rowsIn(second: number, random: SeededRandom): Row[] {
  return Array.from({ length: 6 + random.below(20) }, () => ({
    at: BigInt(second * SECOND + random.below(SECOND)) * 1_000n,
    person: `person ${random.below(9)}`,
    place: random.pick(second === 0 ? ['JFK', 'SFO'] : ['JFK', 'OSL']),
    bags: random.chance(0.2) ? null : random.below(10),
  }));
}

type Plan = ReadonlyMap<string, readonly (readonly Row[])[]>;

const planOf = (random: SeededRandom): Plan =>
  new Map(OWNERS.map((id) => [id, [0, 1].map((second) => rowsIn(second, random))]));

/** By owner, records of each stream. */
async function seal(computation: Computation, plan: Plan): Promise<Map<string, DoorRecord[][]>> {
  const topics = new Map<string, DoorRecord[][]>();
  for (const [id, seconds] of plan) {
    const ofStreams = STREAMS.map(async (name, place) => {
      const stream = new TestStream(computation, id, name);
      const records: DoorRecord[] = [];
      for (const [second, rows] of seconds.entries()) {
        const own = rows.filter(({ person }) => placeOf(String(person)) === place);
        if (own.length > 0) records.push(await stream.seal(own));
        records.push(await stream.manifest((second + 1) * SECOND, second === WINDOWS - 1));
      }
      return records;
    });
    topics.set(id, await Promise.all(ofStreams));
  }
  return topics;
}

const placeOf = (person: string) => streamOfText(new TextEncoder().encode(person), STREAMS.length);

function ledgersOf(computation: Computation): OwnLedger[] {
  return OWNERS.map((id) => {
    const own = new OwnLedger(computation, `owner-${id}`);
    const limit = { epsilon: '300000', delta: '0' };
    own.ledger.setBudgets(computation.contractId, [{ dataset: id as DatasetId, limit }], undefined);
    return own;
  });
}

/** All that was ever said of each window, also in lives that ended before they committed it. */
async function saidBy(
  computation: Computation,
  topics: ReadonlyMap<string, readonly DoorRecord[]>,
  random: SeededRandom,
  crashes: number,
) {
  const ledgers = ledgersOf(computation);
  const world = new PrivateWorld(computation, topics, ledgers, random, crashes);
  const ended = await world.run();
  const said = new Map<string, Set<string>>();
  for (const record of world.seen) {
    if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
    const { seal: told, plaintext } = await world.openResult(record);
    const place = `${told.query} ${told.window?.start}`;
    const text = `${told.rows} ${told.withheld} ${Buffer.from(plaintext).toString('base64')}`;
    said.set(place, (said.get(place) ?? new Set()).add(text));
  }
  const inOrder = [...said].sort(([one], [other]) => (one < other ? -1 : 1));
  return { ended, said: inOrder, debits: ledgers.map(({ debits }) => debits) };
}

let whole: Computation;
const sliced = new Map<number, Computation>();
beforeAll(async () => {
  whole = await agree(1);
  for (const slices of [2, 4]) sliced.set(slices, await agree(slices));
}, 120_000);

const RUNS = process.env['STRONGROOM_LONG'] === '1' ? 100 : 2;

test.each(Array.from({ length: RUNS }, (_none, at) => at + 1))(
  'seed %d: what one worker tells, whoever dies, and paid for once',
  { timeout: 300_000 },
  async (seed) => {
    const plan = planOf(seededRandom(seed));
    const ofWhole = await seal(whole, plan);
    const flat = new Map([...ofWhole].map(([id, streams]) => [id, streams.flat()]));
    const alone = await saidBy(whole, flat, seededRandom(seed), 0);
    const computation = sliced.get(seed % 2 === 0 ? 2 : 4) ?? whole;
    const partials = await runSlices(computation, await seal(computation, plan), seed, 1);
    const told = new Map([...partials].map(([name, [records = []]]) => [name, records]));
    const merged = await saidBy(computation, told, seededRandom(seed), 0.03);
    expect(merged).toEqual(alone);
    expect(alone).toMatchObject({ ended: undefined, debits: [3, 3] });
    expect(alone.said.map(([place, texts]) => [place, texts.size])).toEqual(
      ['exact', 'noisy', 'total'].flatMap((id) => [0, SECOND].map((at) => [`${id} ${at}`, 1])),
    );
  },
);
