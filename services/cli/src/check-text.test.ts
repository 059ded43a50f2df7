import { readFileSync } from 'node:fs';
import { explainQuery } from '@strongroom/analysis/explain';
import { LockedEngine } from '@strongroom/analysis/locked-engine';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkText } from './check-text.ts';

/** What owners are told of a join between them; docs/joins.md shows it. */

const page = readFileSync(new URL('../../../docs/joins.md', import.meta.url), 'utf8');
const sql = /```sql\n([^`]*)```/.exec(page)?.[1] ?? expect.fail('the page has a query');
const told = /```text\n([^`]*)```/.exec(page)?.[1] ?? expect.fail('the page says what is told');

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
});
afterAll(() => engine.close());

function contractOf(
  matches: object,
  privacy?: object,
  ofQuery: object = {},
  measure: object = {},
): Contract {
  const dataset = (owner: string, relation: string, other: string) => ({
    ...{ id: owner, owner, relation },
    columns: [
      {
        ...{ name: 'phone', type: 'utf8', nullable: false },
        canonical: { form: 'phone/1', hashedWith: '5a'.repeat(32) },
      },
      { name: other, type: 'utf8', nullable: false },
      { name: 'paid', type: 'int64', nullable: false },
    ],
    rules: {
      columns: {
        phone: { contributor: true, joinKey: matches },
        [other]: { dimension: { values: ['a', 'b'] } },
        paid: { measure },
      },
      minimumContributors: { group: 20 },
    },
  });
  const query = {
    ...{ id: 'joined', sql, relations: ['customers', 'visitors'], readers: ['north'] },
    ...{ window: { kind: 'whole' }, latenessMs: 0, ...(privacy ? { privacy } : {}) },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
    ...ofQuery,
  };
  return {
    datasets: [dataset('north', 'customers', 'segment'), dataset('south', 'visitors', 'page')],
    queries: [query],
    parties: ['north', 'south'].map((id) => ({ id, keyRelease: { averaging: 'accepted' } })),
  } as unknown as Contract;
}

async function textOf(contract: Contract) {
  const [query] = contract.queries as [Query];
  return checkText(await explainQuery(engine, contract, query), contract);
}

test('exact matches, as the page shows it to the first owner', async () => {
  const text = await textOf(contractOf({ matches: 'exact' }));
  expect(text).toContain('joined: ALLOWED');
  expect(text).toContain(told);
  expect(text).toContain('compares with other tables: phone with phone of customers of north, as');
});

test('a bound of the rows of each key', async () => {
  const text = await textOf(contractOf({ matches: 'exact', rowsPerKey: 3 }));
  expect(text).toContain(', at most 3 rows of each key');
});

test.each([
  ['sum(c.paid)', 'JOIN', {}, ['south']],
  ['sum(c.paid)', 'LEFT JOIN', {}, ['south']],
  ['sum(v.paid)', 'JOIN', {}, ['north']],
  ['count(c.paid)', 'JOIN', {}, ['south']],
  ['min(c.paid)', 'JOIN', {}, []],
  ['count(c.segment)', 'JOIN', {}, []],
  ['sum(c.paid)', 'SEMI JOIN', {}, []],
  ['sum(c.paid)', 'JOIN', { rowsPerKey: 1 }, []],
  ['sum(c.paid)', 'JOIN', { rowsPerKey: 2 }, ['south']],
] as const)('who weighs what is folded: %s, %s, %o', async (sum, join, bound, owners) => {
  const ofQuery = {
    sql: `SELECT ${sum} AS x, count(*) AS n FROM customers c ${join} visitors v
      ON c.phone = v.phone`,
  };
  const functions = { functions: ['sum', 'count', 'min'] };
  const told = (measure: object) =>
    textOf(contractOf({ matches: 'exact', ...bound }, undefined, ofQuery, measure));
  const text = await told({ ...functions, weights: 'accepted' });
  expect(text).toContain('joined: ALLOWED');
  const lines = text.split('\n').filter((line) => line.includes('AS OFTEN AS'));
  const line = '    COUNTED AS OFTEN AS THEY HAVE ROWS OF A KEY, by';
  expect(lines).toEqual(owners.map((owner) => `${line} ${owner}`));
  const isRefused = (await told(functions)).includes('joined: REFUSED ERR_QUERY_AGAINST_RULES');
  expect(isRefused).toBe(owners.length > 0);
});

test('noise that two workers could average, for an owner without a lease', async () => {
  const privacy = {
    ...{ mechanism: 'laplace', loss: { epsilon: '1', delta: '0' }, confidence: '0.95' },
    ...{ groupsPerContributor: 1, rowsPerGroup: 1 },
  };
  const parties = [
    { id: 'north', keyRelease: { lease: {} } },
    { id: 'south', keyRelease: { averaging: 'accepted' } },
  ];
  const told = (each: object[]) =>
    textOf({ ...contractOf({}, privacy), parties: each } as unknown as Contract);
  const text = await told(parties);
  const lines = text.split('\n').filter((line) => line.includes('LEASE'));
  expect(lines).toEqual(['  south KEEPS NO LEASE, AND ACCEPTS that two workers could average it']);
  const refused = await told([{ id: 'north', keyRelease: { lease: {} } }, { id: 'south' }]);
  expect(refused).toContain('joined: REFUSED ERR_NOISE_WITHOUT_LEASE');
});

test('matches that are told with noise, or not at all', async () => {
  const privacy = {
    ...{ mechanism: 'laplace', loss: { epsilon: '1', delta: '0' }, confidence: '0.95' },
    ...{ groupsPerContributor: 1, rowsPerGroup: 1 },
  };
  const noisy = await textOf(contractOf({}, privacy));
  expect(noisy).toContain('joined: ALLOWED');
  expect(noisy).toContain(', matches told with noise');
  expect(noisy).not.toContain('EXACTLY');
  const refused = await textOf(contractOf({}));
  expect(refused).toContain('joined: REFUSED ERR_QUERY_AGAINST_RULES');
  expect(refused).toContain("how many match another owner's is told with noise only");
});
