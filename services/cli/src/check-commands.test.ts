import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGGREGATE_NAMES, type AnalysisRules } from '@strongroom/protocol/analysis-rules';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside, strongroomInside } from '../test/run-strongroom.ts';
import { CONTRACT_EXAMPLE } from './contract-example.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const jwk = () =>
  generateKeyPairSync('rsa', { modulusLength: 3072 }).publicKey.export({ format: 'jwk' });
const signingKey = () => generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-check-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const COLUMNS = [
  { name: 'person', type: 'utf8', nullable: false },
  { name: 'city', type: 'utf8', nullable: false },
  { name: 'amount', type: 'int64', nullable: false },
  { name: 'note', type: 'utf8', nullable: true },
];
const RULES: AnalysisRules = {
  columns: {
    person: { contributor: true },
    city: { dimension: {} },
    amount: { measure: { functions: ['sum', 'max'] } },
  },
  minimumContributors: { group: 25, ofOwner: 10 },
};

/** A draft with keys in place, whose north has rules and whose south has none. */
async function draftWith(
  sql: string,
  rules: unknown = RULES,
  others: readonly object[] = [],
): Promise<string> {
  const releaseKey = jwk();
  const { datasets, queries, enclave, ...example } = CONTRACT_EXAMPLE;
  const [query] = queries;
  const parties = example.parties.map(({ id, name, keyRelease }) => ({
    ...{ id, name, signingKey: signingKey() },
    ...(keyRelease ? { keyRelease: { ...keyRelease, releaseKey } } : { readingKey: releaseKey }),
  }));
  const draft = {
    ...example,
    parties,
    datasets: datasets.map((dataset) => ({
      ...{ id: dataset['id'], owner: dataset['owner'], keyId: dataset['keyId'] },
      ...{ relation: 'sales', columns: COLUMNS, wrappingKey: releaseKey },
      ...(dataset['owner'] === 'north' ? { rules } : {}),
    })),
    queries: [{ sql }, ...others].map((other) => ({
      ...query,
      ...{ relations: ['sales'], window: { kind: 'whole' }, latenessMs: 0 },
      disclosure: { minimumGroupRows: 30, groupRowsColumn: 'n' },
      ...other,
    })),
    enclave: {
      ...enclave,
      measurements: [{ name: 'build', sha384: 'ab'.repeat(48) }],
      authorities: [{ issuer: 'https://attestation.example', keys: [releaseKey] }],
    },
  };
  await writeFile(at('draft.json'), JSON.stringify(draft));
  return at('draft.json');
}

const GOOD = `SELECT city, upper(city) AS town, count(*) AS n, sum(amount) AS total,
  max(amount) AS most FROM sales GROUP BY 1, 2`;

describe('contract check', () => {
  test('says to each owner what leaves of its rows, at what granularity, to whom', async () => {
    const { exitCode, stdout } = await strongroomInside('contract', 'check', await draftWith(GOOD));
    expect(exitCode).toBe(0);
    const about = (owner: string, note = '') => [
      `  about the rows of ${owner} in sales${note}`,
      '    shows for each group: city as it is',
      '    folds over a group: amount by sum, max',
      '    SHOWS THE VALUE OF ONE ROW (min, max) of amount',
      '    counts, and does not show: person',
      '    does not use: note',
    ];
    expect(stdout.trimEnd().split('\n')).toEqual([
      'daily-delay: ALLOWED',
      '  | SELECT city, upper(city) AS town, count(*) AS n, sum(amount) AS total,',
      '  |   max(amount) AS most FROM sales GROUP BY 1, 2',
      '  to authority, once, over the whole data',
      '  only groups of at least 30 rows about at least 25 contributors, of each owner none or 10',
      '  the log shows roughly how many groups a result has, unless resultBytes is set',
      '  a result that is too large leaves empty, in 28800000 bytes, unless resultBytes is set',
      ...about('north'),
      ...about('south', ' (NO RULES)'),
    ]);
  });

  test('or to one of them, as JSON', async () => {
    const ended = await inside('contract', 'check', await draftWith(GOOD), '--party', 'south');
    expect(ended.data).toMatchObject([{ query: 'daily-delay', allowed: true }]);
    expect(ended.data[0].owners).toMatchObject([{ owner: 'south', isRuled: false }]);
    const nobody = await inside('contract', 'check', at('draft.json'), '--party', 'west');
    expect(nobody).toMatchObject({ code: 'ERR_PARTY_UNKNOWN', exitCode: 77 });
  });

  test('points at the place of a refusal, also behind letters of several bytes', async () => {
    const sql =
      "SELECT city, count(*) AS n\n\tFROM sales WHERE city <> 'Zürich' AND note = 'x'\n\tGROUP BY 1";
    const { exitCode, stdout } = await strongroomInside('contract', 'check', await draftWith(sql));
    expect(exitCode).toBe(77);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('daily-delay: REFUSED ERR_QUERY_AGAINST_RULES');
    expect(lines[3]?.indexOf('^')).toBe(lines[2]?.indexOf('note'));
    expect(lines[5]).toBe('  column note (column note of sales): it is hidden');
  });

  test('points at all places, each with its reason', async () => {
    const sql = [
      'SELECT note, count(*) AS n, list(amount) AS x,',
      '  min(amount) AS y FROM sales',
      "WHERE amount > 3 AND note = 'x' GROUP BY 1",
    ].join('\n');
    const { stdout } = await strongroomInside('contract', 'check', await draftWith(sql));
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(0, 13)).toEqual([
      'daily-delay: REFUSED ERR_QUERY_AGAINST_RULES, ERR_QUERY_REFUSED',
      '  | SELECT note, count(*) AS n, list(amount) AS x,',
      '  |        ^1                   ^2',
      '  |   min(amount) AS y FROM sales',
      '  |       ^3',
      "  | WHERE amount > 3 AND note = 'x' GROUP BY 1",
      '  |       ^4             ^5',
      '  1: column note (column note of sales): it is hidden',
      '  2: function list',
      '  3: column amount (column amount of sales): it is no measure for min',
      '  4: column amount (column amount of sales): it is no dimension: nothing is chosen by it',
      '  5: column note (column note of sales): it is hidden',
      expect.stringContaining('expected'),
    ]);
    const { data, code } = await inside('contract', 'check', at('draft.json'));
    expect(code).toBe('ERR_QUERY_REFUSED');
    expect(data[0].refusals.map(({ facts }: { facts: object }) => facts)).toHaveLength(5);
  });

  test.each([
    ['SELECT city, count(*) AS n, list(amount) AS x FROM sales GROUP BY 1', 'function list'],
    ['SELECT x.city, count(*) AS n FROM sales GROUP BY 1', 'column x.city'],
    ['SELECT city, count(*) AS n FROM sales GROUP BY 1 HAVING upper(city) > 3', 'types'],
  ])('is refused as a vault would refuse it: %s', async (sql, place) => {
    const { code, facts, exitCode } = await inside('contract', 'check', await draftWith(sql));
    expect({ code, exitCode }).toEqual({ code: 'ERR_QUERY_REFUSED', exitCode: 77 });
    expect(facts.place).toContain(place);
  });

  test('says beside which a query withholds groups, or that all accept it', async () => {
    const byCity = 'SELECT city, count(*) AS n FROM sales GROUP BY city';
    const total = { id: 'total', sql: 'SELECT count(*) AS n FROM sales' };
    const of = async (...others: object[]) => {
      const draft = await draftWith(byCity, RULES, others);
      return (await strongroomInside('contract', 'check', draft)).stdout.split('\n');
    };
    const beside = '  withholds groups that would tell of a smaller one beside ';
    const told = await of(total);
    expect(told).toContain(`${beside}total`);
    expect(told).toContain(`${beside}daily-delay`);
    const disclosure = { minimumGroupRows: 30, groupRowsColumn: 'n', differences: 'accepted' };
    const accepted = await of({ ...total, disclosure });
    expect(accepted).not.toContain(`${beside}total`);
    expect(accepted).toContain(
      '  ALL PARTIES ACCEPT that beside daily-delay it may tell of a smaller group',
    );
    const refused = await of({
      ...total,
      sql: 'SELECT max(amount) AS m, count(*) AS n FROM sales',
    });
    expect(refused).toContain('daily-delay: REFUSED ERR_QUERY_DIFFERENCE');
    expect(refused).toContain('  max, beside total');
    expect(refused).toContain('  max, beside daily-delay');
    expect(refused).toContain('  |        ^');
  });

  test('a contract whose query is refused is not made', async () => {
    const draft = await draftWith('SELECT note, count(*) AS n FROM sales GROUP BY 1');
    const made = await inside('contract', 'new', '--draft', draft, '--out', at('contract.json'));
    expect(made).toMatchObject({
      code: 'ERR_QUERY_AGAINST_RULES',
      facts: { place: 'column note' },
    });
  });
});

test('the example of docs/analysis-rules.md is what it says', async () => {
  const page = await readFile(new URL('../../../docs/analysis-rules.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, kind, text]) => [
    kind,
    text,
  ]);
  const [rules, good, shown, bad, refused] = blocks.map(([, text]) => text ?? '');
  const run = async (sql: string | undefined) => {
    const path = await draftWith(String(sql).trim(), JSON.parse(String(rules)));
    return (await strongroomInside('contract', 'check', path, '--party', 'north')).stdout;
  };
  expect(await run(good)).toBe(shown);
  expect(await run(bad)).toBe(refused);
});

describe('rules import', () => {
  const AGGREGATION = {
    aggregateColumns: [
      { columnNames: ['Amount'], function: 'SUM' },
      { columnNames: ['amount', 'person'], function: 'COUNT_DISTINCT' },
    ],
    joinColumns: ['person'],
    joinRequired: 'QUERY_RUNNER',
    allowedJoinOperators: ['AND'],
    dimensionColumns: ['city'],
    scalarFunctions: ['UPPER', 'TRUNC'],
    outputConstraints: [{ columnName: 'person', minimum: 100, type: 'COUNT_DISTINCT' }],
  };
  const imported = async (document: unknown, ...more: string[]) => {
    await writeFile(at('rule.json'), JSON.stringify(document));
    return inside('contract', 'rules', 'import', at('rule.json'), ...more);
  };

  test.each([
    ['bare', AGGREGATION],
    ['as the API takes it', { v1: { aggregation: AGGREGATION } }],
    [
      'as the API shows it',
      { analysisRule: { type: 'AGGREGATION', policy: { v1: { aggregation: AGGREGATION } } } },
    ],
  ])('of an aggregation, %s', async (_name, document) => {
    const { exitCode, data } = await imported(document);
    expect({ exitCode, ...data }).toEqual({
      exitCode: 0,
      weaker: [],
      stricter: [],
      rules: {
        columns: {
          city: { dimension: {} },
          person: {
            joinKey: { matches: 'exact' },
            measure: { functions: ['count_distinct'] },
            contributor: true,
          },
          amount: { measure: { functions: ['sum', 'count_distinct'] } },
        },
        joinRequired: true,
        functions: ['count', 'sum', 'count_distinct', 'upper', 'trunc', 'date_trunc'],
        minimumContributors: { group: 100 },
      },
    });
  });

  test('makes rules that a contract takes', async () => {
    const { data } = await imported(AGGREGATION);
    const { joinRequired, ...rules } = data.rules;
    expect(joinRequired).toBe(true);
    const sql = 'SELECT upper(city) AS c, count(*) AS n, sum(amount) AS x FROM sales GROUP BY 1';
    const checked = await inside('contract', 'check', await draftWith(sql, rules));
    expect(checked).toMatchObject({ exitCode: 0, data: [{ allowed: true }] });
  });

  test('says loudly what it cannot keep, and ends so unless that is accepted', async () => {
    const outputConstraints = [
      ...AGGREGATION.outputConstraints,
      { columnName: 'household', minimum: 40, type: 'COUNT_DISTINCT' },
    ];
    const document = {
      ...{ ...AGGREGATION, outputConstraints, additionalAnalyses: 'REQUIRED' },
      ...{ scalarFunctions: ['SQRT'], allowedJoinOperators: ['OR', 'AND'] },
    };
    const ended = await imported(document);
    expect(ended).toMatchObject({ code: 'ERR_RULES_WEAKER', exitCode: 77 });
    expect(ended.data.weaker).toEqual([
      expect.stringContaining('additionalAnalyses'),
      expect.stringContaining('fewer than 40 of household'),
    ]);
    expect(ended.data.stricter).toEqual([
      expect.stringContaining('AND'),
      expect.stringContaining('SQRT'),
    ]);
    expect(await imported(document, '--accept-weaker')).toMatchObject({ exitCode: 0 });
  });

  test('of a list', async () => {
    const { exitCode, data } = await imported({
      list: { joinColumns: ['person'], listColumns: ['city'] },
    });
    expect(exitCode).toBe(0);
    expect(data.rules).toEqual({
      columns: { person: { joinKey: { matches: 'exact' } }, city: { dimension: {} } },
      joinRequired: true,
    });
    expect(data.stricter).toEqual([expect.stringContaining('no rows are listed')]);
  });

  test('of a custom rule, which needs the columns', async () => {
    const custom = { allowedAnalyses: ['ANY_QUERY'], disallowedOutputColumns: ['note', 'person'] };
    expect(await imported({ custom })).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    const draft = await draftWith('SELECT count(*) AS n FROM sales');
    const from = ['--contract', draft, '--dataset', 'flights-south'];
    const { data } = await imported({ custom }, ...from);
    expect(data).toMatchObject({ weaker: [], stricter: [expect.stringContaining('disallowed')] });
    expect(data.rules.columns).toEqual({
      person: { joinKey: { matches: 'exact' } },
      note: { joinKey: { matches: 'exact' } },
      amount: {
        ...{ joinKey: { matches: 'exact' }, dimension: {} },
        measure: { functions: [...AGGREGATE_NAMES] },
      },
      city: {
        ...{ joinKey: { matches: 'exact' }, dimension: {} },
        measure: { functions: ['count', 'count_distinct'] },
      },
    });
    const strict = {
      allowedAnalyses: [
        'arn:aws:cleanrooms:eu-west-1:111122223333:membership/m/analysistemplate/t',
      ],
      allowedAnalysisProviders: ['111122223333'],
      differentialPrivacy: { columns: [{ name: 'person' }] },
    };
    const ended = await imported({ custom: strict }, ...from);
    expect(ended.data.weaker).toHaveLength(3);
    expect(ended.data.rules.columns.person).toMatchObject({ contributor: true });
  });

  test.each([
    ['another shape', { rules: [] }],
    ['a member that is not known', { ...AGGREGATION, maximum: 3 }],
    ['a function that is not known', { ...AGGREGATION, aggregateColumns: [{ function: 'SUM' }] }],
    ['a name that is none here', { list: { joinColumns: ['a b'], listColumns: [] } }],
  ])('refuses %s', async (_name, document) => {
    expect(await imported(document)).toMatchObject({ code: 'ERR_CONFIG_INVALID', exitCode: 77 });
  });
});
