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

function contractOf(matches: object, privacy?: object): Contract {
  const dataset = (owner: string, relation: string, other: string) => ({
    ...{ id: owner, owner, relation },
    columns: [
      {
        ...{ name: 'phone', type: 'utf8', nullable: false },
        canonical: { form: 'phone/1', hashedWith: '5a'.repeat(32) },
      },
      { name: other, type: 'utf8', nullable: false },
    ],
    rules: {
      columns: {
        phone: { contributor: true, joinKey: matches },
        [other]: { dimension: { values: ['a', 'b'] } },
      },
      minimumContributors: { group: 20 },
    },
  });
  const query = {
    ...{ id: 'joined', sql, relations: ['customers', 'visitors'], readers: ['north'] },
    ...{ window: { kind: 'whole' }, latenessMs: 0, ...(privacy ? { privacy } : {}) },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
  };
  return {
    datasets: [dataset('north', 'customers', 'segment'), dataset('south', 'visitors', 'page')],
    queries: [query],
    parties: [{ id: 'north' }, { id: 'south' }],
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
