import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import { type ColumnContract, datasetOf, type Query } from '@strongroom/protocol/contract';
import type { QueryId } from '@strongroom/protocol/fields';
import { createJoinKey, parseJoinKey } from '@strongroom/sealing/join-key';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, expect, test, vi } from 'vitest';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { StreamScene } from '../../services/enclave-worker/test/stream-scene.ts';
import { openSource } from '../../services/producer/src/batch-source.ts';
import { identifySource } from '../../services/producer/src/source-format.ts';
import { openInput } from '../../services/producer/src/source-input.ts';

/**
 * The joins of docs/joins.md through the producer's reading and the whole vault: two owners that
 * write the same phone numbers in different ways, and hash them. What leaves is what one who knew
 * all numbers would count.
 */

vi.setConfig({ testTimeout: 120_000 });

const joinKey = parseJoinKey(createJoinKey().fileJson);
const folder = mkdtempSync(join(tmpdir(), 'strongroom-joins-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const phone = (region: string): ColumnContract => ({
  ...{ name: 'phone', type: 'utf8', nullable: false },
  canonical: { form: 'phone/1', region, hashedWith: joinKey.keyId },
});
const text = (name: string): ColumnContract => ({ name, type: 'utf8', nullable: false });
const rulesOf = (dimension: string, rowsPerKey?: number): AnalysisRules => ({
  columns: {
    phone: {
      contributor: true,
      joinKey: { matches: 'exact', ...(rowsPerKey === undefined ? {} : { rowsPerKey }) },
    },
    [dimension]: { dimension: {} },
  },
  minimumContributors: { group: 2 },
});

const EXAMPLE = /```sql\n([^`]*)```/.exec(
  readFileSync(new URL('../../docs/joins.md', import.meta.url), 'utf8'),
)?.[1];
const SQL = {
  inner: EXAMPLE ?? expect.fail('the page has an example'),
  left: `SELECT c.segment, count(*) AS n, count(v.page) AS seen
    FROM customers c LEFT JOIN visitors v ON c.phone = v.phone GROUP BY c.segment`,
  semi: `SELECT c.segment, count(*) AS n
    FROM customers c SEMI JOIN visitors v ON c.phone = v.phone GROUP BY c.segment`,
  anti: `SELECT c.segment, count(*) AS n FROM customers c
    WHERE c.phone NOT IN (SELECT phone FROM visitors) GROUP BY c.segment`,
};

/** Customers by the end of their number, and how often each visits: with none it is not there. */
const VISITS = {
  gold: { '01': 1, '02': 2, '03': 5, '04': 0, '05': 0 },
  tin: { '06': 3, '07': 1, '08': 0, '09': 0, '10': 0 },
  // One of them has no partner: whoever it is must not follow.
  iron: { '11': 1, '12': 1, '13': 0 },
};
const PER_KEY = 2;
const HOME = [
  (end: string) => `079 123 45 ${end}`,
  (end: string) => `(079) 123-45-${end}`,
  (end: string) => `+41 (0)79 12345${end}`,
];
const ABROAD = [(end: string) => `0041 79 12345 ${end}`, (end: string) => `+41791 2345${end}`];

const everybody = Object.entries(VISITS).flatMap(([segment, people]) =>
  Object.entries(people).map(([end, visits]) => ({ segment, end, visits })),
);
const customers = everybody.map(
  ({ segment, end }, at) => `${HOME[at % HOME.length]?.(end)},${segment}`,
);
const visitors = everybody.flatMap(({ end, visits }, at) =>
  Array.from({ length: visits }, (_none, n) => `${ABROAD[(at + n) % ABROAD.length]?.(end)},a${n}`),
);
// And somebody whom north does not know.
visitors.push('030 123456,a0');

/** As the owner's producer publishes them. */
async function published(computation: Computation, id: string, lines: readonly string[]) {
  const dataset = datasetOf(computation.contract, id);
  const path = join(folder, `${id}.csv`);
  const header = dataset.columns.map(({ name }) => name).join(',');
  writeFileSync(path, `${[header, ...lines].join('\n')}\n`);
  const source = await identifySource(await openInput(path), 'csv');
  const opened = await openSource({ dataset, source, joinKeys: [joinKey] });
  const rows: Row[] = [];
  for await (const { bytes } of opened) {
    for (const row of tableFromIPC(bytes)) rows.push(row.toJSON());
  }
  await opened.close();
  return rows;
}

async function resultsOf(rowsPerKey?: number) {
  const plans = [
    {
      ...{ id: 'north', relation: 'customers', rules: rulesOf('segment') },
      columns: [phone('CH'), text('segment')],
    },
    {
      ...{ id: 'south', relation: 'visitors', rules: rulesOf('page', rowsPerKey) },
      columns: [phone('DE'), text('page')],
    },
  ];
  const queries = Object.entries(SQL).map(([id, sql]) => ({
    ...{ id: id as QueryId, sql, relations: ['customers', 'visitors'], latenessMs: 0 },
    ...{ window: { kind: 'whole' } as Query['window'], differences: 'accepted' as const },
  }));
  const computation = await agreeOn(plans, queries, 1);
  const scene = await new StreamScene(computation).start();
  for (const [id, lines] of Object.entries({ north: customers, south: visitors })) {
    const rows = await published(computation, id, lines);
    expect(JSON.stringify(rows)).not.toMatch(/12345|123 45/);
    const stream = new TestStream(computation, id);
    scene.append(id, 0, await stream.seal(rows), await stream.manifest(null, true));
  }
  await scene.run();
  const all: Record<string, unknown> = {};
  for (const id of Object.keys(SQL)) {
    const [result] = await scene.results(id);
    const rows = result?.rows ?? expect.fail(`${id} has a result`);
    all[id] = Object.fromEntries(rows.map(([segment, ...numbers]) => [segment, numbers]));
  }
  return all;
}

/** What one who knew all numbers would count, of groups that are large enough. */
function truth(most: number) {
  const sums = Object.entries(VISITS).map(([segment, people]) => {
    const visits = Object.values(people).map((count) => Math.min(count, most));
    const known = visits.filter((count) => count > 0);
    const pairs = known.reduce((sum, count) => sum + count, 0);
    return { segment, pairs, known: known.length, unknown: visits.length - known.length };
  });
  const shown = (isLarge: (each: (typeof sums)[number]) => boolean) => sums.filter(isLarge);
  const matched = shown(({ known }) => known >= 2);
  const unmatched = shown(({ unknown }) => unknown >= 2);
  const both = matched.filter((each) => unmatched.includes(each));
  return {
    inner: Object.fromEntries(matched.map(({ segment, pairs }) => [segment, [pairs]])),
    left: Object.fromEntries(
      both.map(({ segment, pairs, unknown }) => [segment, [pairs + unknown, pairs]]),
    ),
    semi: Object.fromEntries(matched.map(({ segment, known }) => [segment, [known]])),
    anti: Object.fromEntries(unmatched.map(({ segment, unknown }) => [segment, [unknown]])),
  };
}

test('numbers that two owners write in their own ways match, and only these', async () => {
  expect(await resultsOf()).toEqual(truth(Number.POSITIVE_INFINITY));
});

test('of each key so many rows are joined as its owner lets', async () => {
  expect(await resultsOf(PER_KEY)).toEqual(truth(PER_KEY));
});
