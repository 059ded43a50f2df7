import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Contract, Query, SignedContract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';
import { signContract } from '@strongroom/sealing/sign';
import { describe, expect, test, vi } from 'vitest';
import { agreeOn, type Row, TestStream } from '../../test/owners.ts';
import { StreamScene } from '../../test/stream-scene.ts';
import { Vault } from './vault.ts';

/** Analysis rules through the whole vault: two owners of one table, and a third one's beside it. */

// Each test makes keys for four parties.
vi.setConfig({ testTimeout: 120_000 });

const STAYS = [
  { name: 'patient', type: 'utf8', nullable: false },
  { name: 'ward', type: 'utf8', nullable: true },
  { name: 'cost', type: 'int64', nullable: false },
] as const;
const CLAIMS = [
  { name: 'insured', type: 'utf8', nullable: false },
  { name: 'tariff', type: 'utf8', nullable: false },
] as const;
const STAYS_RULES: AnalysisRules = {
  columns: {
    patient: { contributor: true, joinKey: { matches: 'exact' } },
    ward: { dimension: {} },
    cost: { measure: { functions: ['sum', 'avg'] } },
  },
  minimumContributors: { group: 4, ofOwner: 2 },
};
const CLAIMS_RULES: AnalysisRules = {
  columns: {
    insured: { contributor: true, joinKey: { matches: 'exact', rowsPerKey: 1 } },
    tariff: { dimension: {} },
  },
};
const BY_WARD = 'SELECT ward, count(*) AS n, sum(cost) AS total FROM stays GROUP BY ward';

interface Sent {
  readonly east: Row[];
  readonly west: Row[];
  readonly claims?: Row[];
}

function agree(sql: string, rules: AnalysisRules = STAYS_RULES, claims = CLAIMS_RULES) {
  const relations = ['stays', 'claims'].filter((name) => sql.includes(name));
  const window: Query['window'] = { kind: 'whole' };
  const query = { id: 'q' as QueryId, sql, relations, window, latenessMs: 0 };
  const plans = [
    { id: 'east', relation: 'stays', columns: STAYS, rules },
    // West has the least to say, and is bound by what east says.
    { id: 'west', relation: 'stays', columns: STAYS },
    { id: 'claims', relation: 'claims', columns: CLAIMS, rules: claims },
  ];
  return agreeOn(plans, [query], 1);
}

async function resultOf(sql: string, sent: Sent, rules?: AnalysisRules, claims?: AnalysisRules) {
  const computation = await agree(sql, rules, claims);
  const scene = await new StreamScene(computation).start();
  for (const [dataset, rows] of Object.entries({ claims: [], ...sent })) {
    const stream = new TestStream(computation, dataset);
    if (rows.length > 0) scene.append(dataset, 0, await stream.seal(rows));
    scene.append(dataset, 0, await stream.manifest(null, true));
  }
  await scene.run();
  const [result] = await scene.results('q');
  return result ?? expect.fail('there is a result');
}

/** `visits` rows about each person. */
function stays(ward: string | null, people: readonly string[], visits = 1): Row[] {
  return people.flatMap((patient) =>
    Array.from({ length: visits }, () => ({ patient, ward, cost: 10n })),
  );
}

describe('groups are as large as the people in them', () => {
  test('many rows of few people are withheld, few rows of enough people are not', async () => {
    const { seal, rows } = await resultOf(BY_WARD, {
      east: [...stays('A', ['ann', 'bob'], 50), ...stays('B', ['ann', 'bob'])],
      west: [...stays('A', ['bob', 'eve'], 50), ...stays('B', ['eve', 'kim'])],
    });
    expect(rows.map((row) => row.slice(0, 2))).toEqual([['B', 4]]);
    // Nothing that was counted for the rules leaves with the rest.
    expect(rows[0]).toHaveLength(3);
    expect(seal.suppressedGroups).toBe(1);
  });

  test('one person whom another owner surrounds with its own rows is withheld', async () => {
    const crowd = Array.from({ length: 40 }, (_none, index) => `made-up-${index}`);
    const { rows } = await resultOf(BY_WARD, {
      east: [...stays('A', ['ann']), ...stays('B', ['ann', 'bob'])],
      west: [...stays('A', crowd), ...stays('B', crowd), ...stays('C', crowd)],
    });
    // C holds nobody of east.
    expect(rows.map(([ward, n]) => [ward, n])).toEqual([
      ['B', 42],
      ['C', 40],
    ]);
  });

  test('also through an inner select and a join', async () => {
    const sql = `WITH per AS (SELECT patient, ward, sum(cost) AS cost FROM stays
        GROUP BY patient, ward)
      SELECT c.tariff, per.ward AS ward, count(*) AS n, avg(per.cost::DOUBLE) AS mean
      FROM per JOIN claims c ON per.patient = c.insured GROUP BY c.tariff, per.ward`;
    const claims = ['ann', 'bob', 'eve', 'kim', 'lea'].flatMap((insured) =>
      insured === 'lea' ? [{ insured, tariff: 'new' }] : [{ insured, tariff: 'old' }],
    );
    const { seal, rows } = await resultOf(sql, {
      east: [...stays('A', ['ann', 'bob', 'lea'], 3), ...stays('B', ['ann', 'bob'], 9)],
      west: [...stays('A', ['eve', 'kim'], 2), ...stays('B', ['eve'], 9)],
      claims,
    });
    expect(rows).toEqual([['old', 'A', 4, 25]]);
    expect(seal.suppressedGroups).toBe(2);
  });
});

describe('a sum of what one owner has, over people of whom another has many rows', () => {
  const sql = `SELECT s.ward, count(*) AS n, sum(s.cost) AS total
    FROM stays s JOIN claims c ON s.patient = c.insured GROUP BY s.ward`;
  const people = ['ann', 'bob', 'eve', 'kim', 'lea'];
  const east = people.map((patient) => ({
    patient,
    ward: 'A',
    cost: patient === 'ann' ? 7n : 10n,
  }));
  const claims = [...people, ...Array.from({ length: 999 }, () => 'ann')].map((insured) => ({
    ...{ insured, tariff: 'old' },
  }));
  const insured = { contributor: true, joinKey: { matches: 'exact' } } as const;
  const unbound: AnalysisRules = { columns: { ...CLAIMS_RULES.columns, insured } };

  test('tells of one of them, and is refused before anybody sends a row', async () => {
    const { signed } = await agree(sql, undefined, unbound);
    const code = await Vault.open(signed).then(() => 'opened', codeOf);
    expect(code).toBe('ERR_QUERY_AGAINST_RULES');
  });

  test('unless whose sum it is accepts that', async () => {
    const columns: AnalysisRules['columns'] = {
      ...STAYS_RULES.columns,
      cost: { measure: { weights: 'accepted' } },
    };
    const rules = { ...STAYS_RULES, columns };
    const { rows } = await resultOf(sql, { east, west: [], claims }, rules, unbound);
    // 7 is what ann cost.
    expect(rows.map((row) => row.map(String))).toEqual([['A', '1004', `${7 * 1_000 + 40}`]]);
  });

  test('or one row of each person counts', async () => {
    const { rows } = await resultOf(sql, { east, west: [], claims });
    expect(rows.map((row) => row.map(String))).toEqual([['A', '5', '47']]);
  });
});

test('a part of a group that a function leaves out is as large as the people in it', async () => {
  const people = ['ann', 'bob', 'eve', 'kim'];
  const sql = "SELECT count(*) AS n, count(nullif(ward, 'A')) AS x FROM stays";
  const others = stays('B', people);
  const { seal, rows } = await resultOf(sql, {
    east: [...others, ...stays('A', ['lea'])],
    west: [],
  });
  expect([rows, seal.suppressedGroups]).toEqual([[], 1]);
  const all = [...others, ...stays('A', people)];
  expect((await resultOf(sql, { east: all, west: [] })).rows).toEqual([[8, 4]]);
});

describe('what a result may hold', () => {
  const people = ['ann', 'bob', 'eve', 'kim'];
  const columns = { ...STAYS_RULES.columns, ward: { dimension: { values: ['A', 'B'] } } };
  const everywhere = ['A', 'B', 'C', null].flatMap((ward) => stays(ward, people));

  test('values of a domain alone', async () => {
    const rules = { columns, minimumContributors: { group: 4 } };
    const { seal, rows } = await resultOf(BY_WARD, { east: everywhere, west: [] }, rules);
    expect(rows.map(([ward]) => ward)).toEqual(['A', 'B']);
    expect(seal.suppressedGroups).toBe(2);
  });

  test('no group at all, when there are more than the maximum', async () => {
    const sent = { east: everywhere, west: [] };
    const four = await resultOf(BY_WARD, sent, { ...STAYS_RULES, maximumGroups: 4 });
    expect(four.rows).toHaveLength(4);
    const three = await resultOf(BY_WARD, sent, { ...STAYS_RULES, maximumGroups: 3 });
    expect(three.rows).toEqual([]);
    expect(three.seal.suppressedGroups).toBe(4);
  });
});

test('a vault does not open for a query against the rules', async () => {
  const { signed } = await agree('SELECT patient, count(*) AS n FROM stays GROUP BY patient');
  const code = await Vault.open(signed).then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
  expect(code).toBe('ERR_QUERY_AGAINST_RULES');
});

test('a vault opens for noise that two workers could average if its owner accepts it', async () => {
  const noise: Query['privacy'] = {
    ...{ mechanism: 'laplace', loss: { epsilon: '1', delta: '0' }, confidence: '0.95' },
    ...{ groupsPerContributor: 1, rowsPerGroup: 1 },
  };
  const query = {
    ...{ id: 'q' as QueryId, sql: 'SELECT count(*) AS n FROM stays', relations: ['stays'] },
    ...{ window: { kind: 'whole' } as const, latenessMs: 0, privacy: noise },
  };
  const plan = { id: 'east', relation: 'stays', columns: STAYS, rules: STAYS_RULES };
  const { contract, identities, signed } = await agreeOn([plan], [query], 1);
  await Vault.open(signed);
  const parties = contract.parties.map(({ keyRelease, ...party }) => {
    const { averaging: _word, ...release } = keyRelease ?? {};
    return keyRelease ? { ...party, keyRelease: release } : party;
  });
  let other = { ...contract, parties } as Contract | SignedContract;
  for (const identity of identities.values()) other = await signContract(other, identity);
  const code = await Vault.open(other).then(() => 'opened', codeOf);
  expect(code).toBe('ERR_NOISE_WITHOUT_LEASE');
});
