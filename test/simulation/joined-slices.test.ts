import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Query } from '@strongroom/protocol/contract';
import { streamOfText } from '@strongroom/protocol/partitioning';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { beforeAll, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row } from '../../services/enclave-worker/test/owners.ts';
import { HOUR_MS, type Plan, resultsOf, runSlices, sealRows } from './sliced-world.ts';

/**
 * Joins and sessions of tables that are shared out by person, alike: slices and the worker that
 * merges tell what one worker tells of the same rows, with minimums of contributors and a bound of
 * rows of a key.
 */

const PHASES = 2;
const SLICES = 2;
const streamsIn = (...partitions: number[]) =>
  partitions.map((partition) => ({ id: `gate-${partition}`, partition }));
const person = { name: 'person', type: 'utf8', nullable: false } as const;
const seen = { name: 'seen', type: 'timestamp-us', nullable: false } as const;
const rulesOf = (
  shown: string | undefined,
  measured: string,
  rowsPerKey?: { rowsPerKey: number },
): AnalysisRules => ({
  columns: {
    seen: { dimension: {} },
    person: { contributor: true, joinKey: { matches: 'exact', ...rowsPerKey } },
    ...(shown === undefined ? {} : { [shown]: { dimension: {} } }),
    // All rows of a person are joined with all others of theirs.
    [measured]: { measure: { functions: ['sum', 'avg'], weights: 'accepted' } },
  },
  minimumContributors: { group: 2 },
});
const PLANS = [
  {
    ...{ id: 'visits', relation: 'visits', eventTime: 'seen', partitionBy: 'person' },
    columns: [
      ...[seen, person, { name: 'place', type: 'utf8', nullable: true }],
      { name: 'cost', type: 'int32', nullable: true },
    ],
    ...{ streams: streamsIn(0, 1, 2, 3), rules: rulesOf('place', 'cost') },
  },
  {
    ...{ id: 'stays', relation: 'stays', eventTime: 'seen', partitionBy: 'person' },
    columns: [seen, person, { name: 'nights', type: 'int32', nullable: false }],
    ...{ streams: streamsIn(2, 1), rules: rulesOf(undefined, 'nights', { rowsPerKey: 2 }) },
  },
  {
    ...{ id: 'people', relation: 'people', partitionBy: 'person' },
    columns: [person, { name: 'town', type: 'utf8', nullable: false }],
    streams: streamsIn(4, 3, 0, 1),
  },
] as const;
const hourly = { kind: 'tumbling', sizeMs: HOUR_MS };
/** Of rows of one person in whichever table. */
const sessions = {
  ...{ kind: 'session', key: 'person', sizeMs: HOUR_MS },
  ...{ gapMs: HOUR_MS / 6, maximumMs: 2 * HOUR_MS },
};
const QUERIES = [
  {
    ...{ id: 'pairs', relations: ['visits', 'stays'], window: hourly },
    sql: `SELECT v.place, count(*) AS n, sum(s.nights) AS nights, avg(v.cost) AS mean
      FROM visits v JOIN stays s ON v.person = s.person GROUP BY v.place`,
  },
  {
    ...{ id: 'unseen', relations: ['visits', 'stays'] },
    window: { kind: 'hopping', sizeMs: HOUR_MS, advanceMs: HOUR_MS / 2 },
    sql: `SELECT v.place, count(*) AS n FROM visits v ANTI JOIN stays s USING (person)
      GROUP BY v.place`,
  },
  {
    ...{ id: 'stayed', relations: ['visits', 'stays'], window: hourly },
    sql: `SELECT v.place, count(*) AS n, sum(v.cost) AS cost FROM visits v
      WHERE v.person IN (SELECT s.person FROM stays s) GROUP BY v.place`,
  },
  {
    ...{ id: 'not-stayed', relations: ['visits', 'stays'] },
    window: { kind: 'hopping', sizeMs: HOUR_MS, advanceMs: HOUR_MS / 2 },
    sql: `SELECT v.place, count(*) AS n FROM visits v
      WHERE NOT EXISTS (SELECT 1 FROM stays s WHERE s.person = v.person) GROUP BY v.place`,
  },
  {
    ...{ id: 'towns', relations: ['visits', 'people'], window: hourly },
    sql: `SELECT p.town, count(*) AS n, sum(v.cost) AS cost
      FROM visits v LEFT JOIN people p USING (person) GROUP BY p.town ORDER BY n DESC, p.town`,
  },
  {
    ...{ id: 'all', relations: ['visits', 'stays', 'people'], window: { kind: 'whole' } },
    sql: `SELECT p.town, count(*) AS n, sum(s.nights) AS nights
      FROM people p JOIN visits v ON p.person = v.person LEFT JOIN stays s ON s.person = p.person
      GROUP BY p.town`,
  },
  {
    ...{ id: 'sessions', relations: ['visits'], window: sessions },
    sql: `SELECT place, date_part('hour', _session_end) AS hour, count(*) AS n,
      count(DISTINCT _session_number) AS sessions FROM visits GROUP BY 1, 2`,
  },
  {
    ...{ id: 'lengths', relations: ['visits'], window: sessions },
    sql: `SELECT is_long, count(*) AS n FROM (
      SELECT person, _session_number,
        date_diff('minute', _session_start, _session_end) > 12 AS is_long FROM visits
      GROUP BY person, _session_number, _session_start, _session_end) s
      GROUP BY is_long ORDER BY is_long`,
  },
  {
    ...{ id: 'regulars', relations: ['visits', 'stays'], window: hourly },
    sql: `WITH often AS (SELECT person, count(*) AS times FROM visits GROUP BY person)
      SELECT o.times > 2 AS regular, count(*) AS n, sum(s.nights) AS nights
      FROM often o JOIN stays s ON o.person = s.person GROUP BY 1`,
  },
  {
    ...{ id: 'of-both', relations: ['visits', 'stays'], window: sessions },
    sql: `SELECT v.place, count(*) AS n, count(DISTINCT v._session_number) AS sessions
      FROM visits v JOIN stays s ON v.person = s.person
      GROUP BY v.place`,
  },
].map((query) => ({ ...query, latenessMs: 0, differences: 'accepted' })) as unknown as (Pick<
  Query,
  'id' | 'sql' | 'relations' | 'window' | 'latenessMs'
> & { differences: 'accepted' })[];

const agree = (slices: object): Promise<Computation> =>
  agreeOn(PLANS, QUERIES, 2, undefined, false, undefined, false, { tickMs: 0, ...slices });

let whole: Computation;
let sliced: Computation;
beforeAll(async () => {
  whole = await agree({});
  sliced = await agree({ slices: SLICES });
}, 120_000);

const PEOPLE = ['ann', 'ben', 'cid', 'dee', 'eve', 'fay', 'gus', 'zoë'];

/** Which rows of a person count is another secret's choice here and there: all bring the same. */
function rowOf(dataset: string, phase: number, random: SeededRandom): Row {
  const who = random.pick(PEOPLE);
  const at = BigInt((phase + 1) * HOUR_MS + random.below(2 * HOUR_MS)) * 1_000n;
  if (dataset === 'stays') return { seen: at, person: who, nights: who.charCodeAt(0) };
  const place = random.chance(0.1) ? null : random.pick(['x', 'y']);
  const cost = random.chance(0.1) ? null : random.below(11) - 3;
  return { seen: at, person: who, place, cost };
}

/** As the owners' producers share them out. */
function planRows(random: SeededRandom): Plan {
  const plan = new Map<string, (readonly Row[])[][]>();
  for (const { id, streams } of PLANS) {
    const phases =
      id === 'people'
        ? [PEOPLE.slice(1).map((who) => ({ person: who, town: who < 'dee' ? 'Bern' : 'Rom' }))]
        : Array.from({ length: PHASES }, (_none, phase) =>
            Array.from({ length: 12 + random.below(12) }, () => rowOf(id, phase, random)),
          );
    for (const [at, { partition }] of streams.entries()) {
      const own = phases.map((rows) =>
        rows.filter((row) => streamOfText(utf8(row['person']), streams.length) === at),
      );
      plan.set(
        `${id}/${partition}`,
        own.map((rows) => (rows.length > 0 ? [rows] : [])),
      );
    }
  }
  return plan;
}

const utf8 = (value: unknown) => new TextEncoder().encode(String(value));

/** The first seed leaves a slice without a row of a window in which another has some. */
const SEED = 2;
const RUNS = process.env['STRONGROOM_LONG'] === '1' ? 100 : 1;

test.each(Array.from({ length: RUNS }, (_none, at) => SEED + at))(
  'seed %d: the same results as of one worker',
  async (seed) => {
    const plan = planRows(seededRandom(seed));
    const random = seededRandom(seed + 500);
    const alone = await sealRows(whole, plan);
    const expected = await resultsOf(whole, alone, { random, crashes: 0 });
    const partials = await runSlices(sliced, await sealRows(sliced, plan), seed, 1);
    const merged = await resultsOf(sliced, partials, { random, crashes: 1 });
    expect(merged).toEqual(expected);
    // Every join has told of some, and not all groups were large enough.
    const told = expected.filter(({ content }) => content.rows > 0).map(({ place }) => place);
    expect(new Set(told.map((place) => place.split(' ')[0]))).toEqual(
      new Set(QUERIES.map(({ id }) => id)),
    );
    expect(expected.some(({ content }) => content.suppressedGroups > 0)).toBe(true);
  },
);
