import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import { codeOf } from '@strongroom/protocol/errors';
import type { DatasetId, QueryId } from '@strongroom/protocol/fields';
import type { Privacy } from '@strongroom/protocol/privacy';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { seededRandom } from '@strongroom/testkit/seeded-random';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { ProvenVaults } from '../../services/enclave-worker/test/proven-vaults.ts';
import { ACTS, OwnLedger, PrivateWorld } from './private-world.ts';

/** Budgets, crashes and noise: each window has one result, and no owner pays for another. */

const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'person', type: 'utf8', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const RULES: AnalysisRules = {
  columns: {
    at: { dimension: {} },
    person: { contributor: true },
    place: { dimension: { values: ['JFK', 'SFO'] } },
  },
};
const PLANS = ['north', 'south'].map((id) => ({
  ...{ id, relation: 'visits', columns: COLUMNS, eventTime: 'at', rules: RULES },
}));
const PRIVACY: Privacy = {
  mechanism: 'laplace',
  loss: { epsilon: '0.5', delta: '0' },
  groupsPerContributor: 1,
  rowsPerGroup: 3,
  confidence: '0.9',
};
const SECOND = 1_000;
const WINDOWS = 2;
const window = { kind: 'tumbling' as const, sizeMs: SECOND };
const SQL = 'SELECT place, count(*) AS n FROM visits GROUP BY place';
const common = { sql: SQL, relations: ['visits'], window, latenessMs: 0 };
const QUERIES = [
  { ...common, id: 'each' as QueryId, privacy: PRIVACY },
  { ...common, id: 'total' as QueryId, privacy: { ...PRIVACY, continual: { windows: 2 } } },
  { ...common, id: 'exact' as QueryId, sql: 'SELECT count(*) AS n FROM visits' },
];
const OWNERS = ['owner-north', 'owner-south'];

let computation: Computation;
let topics: Map<string, DoorRecord[]>;
beforeAll(async () => {
  computation = await agreeOn(PLANS, QUERIES, 1);
  topics = new Map();
  for (const [index, { id }] of PLANS.entries()) {
    const stream = new TestStream(computation, id);
    const records: DoorRecord[] = [];
    for (let at = 0; at < WINDOWS; at += 1) {
      records.push(await stream.seal(rowsOf(id, at)));
      records.push(await stream.manifest((at + 1) * SECOND, at === WINDOWS - 1 && index >= 0));
    }
    topics.set(id, records);
  }
}, 60_000);

function rowsOf(dataset: string, second: number): Row[] {
  return Array.from({ length: 3 + second }, (_none, index) => ({
    at: BigInt(second * SECOND + index) * 1_000n,
    person: `${dataset} ${index}`,
    place: index % 2 === 0 ? 'JFK' : 'SFO',
  }));
}

function ledgersWith(epsilon: string): OwnLedger[] {
  return OWNERS.map((owner) => {
    const own = new OwnLedger(computation, owner);
    setBudget(own, epsilon);
    return own;
  });
}

function setBudget({ ledger, owner }: OwnLedger, epsilon: string): void {
  const dataset = owner.replace('owner-', '') as DatasetId;
  const limit = { epsilon, delta: '0' };
  ledger.setBudgets(computation.contractId, [{ dataset, limit }], undefined);
}

function spentOf({ ledger }: OwnLedger): string | undefined {
  return ledger.accounts(computation.contractId)[0]?.spent['epsilon'];
}

/** Every result that anybody could have opened, by its place: all that was ever said there. */
async function said(world: PrivateWorld): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const record of world.seen) {
    if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
    const { seal, plaintext } = await world.openResult(record);
    const place = `${seal.query} ${seal.window?.start}`;
    const text = Buffer.from(plaintext).toString('base64');
    found.set(place, (found.get(place) ?? new Set()).add(text));
  }
  return found;
}

const LONG = process.env['STRONGROOM_LONG'] === '1';
const SCHEDULES = LONG ? 1_000 : 24;
/** Each window of `each`, and one period of `total`. */
const WHOLE = '1.5';

describe('a worker that dies at any time', () => {
  test(`${SCHEDULES} schedules: one result a window, paid once, and no budget overdrawn`, {
    timeout: LONG ? 7_200_000 : 600_000,
  }, async ({ annotate }) => {
    const figures = { crashes: new Map<string, number>(), stopped: 0, results: 0, debits: 0 };
    const texts = new Map<string, Set<string>>();
    for (let seed = 0; seed < SCHEDULES; seed += 1) {
      const random = seededRandom(seed);
      const budget = random.pick([WHOLE, WHOLE, '1', '0.7']);
      const ledgers = ledgersWith(budget);
      const world = new PrivateWorld(computation, topics, ledgers, random, 0.03);
      const code = await world.run();
      if (code !== undefined) figures.stopped += 1;
      expect(code, `seed ${seed}`).toBe(budget === WHOLE ? undefined : 'ERR_BUDGET_EXHAUSTED');
      const before = await said(world);
      for (const own of ledgers) {
        expect(Number(spentOf(own))).toBeLessThanOrEqual(Number(budget));
        const paid = [...before.keys()].filter((place) => place.startsWith('each'));
        const periods = [...before.keys()].some((place) => place.startsWith('total')) ? 1 : 0;
        expect(own.debits).toBeGreaterThanOrEqual(paid.length + periods);
      }
      // The owners raise their budgets; what was prepared leaves, and the rest after it.
      for (const own of ledgers) setBudget(own, WHOLE);
      expect(await world.run(), `seed ${seed}`).toBeUndefined();
      const after = await said(world);
      expect([...after.values()].map(({ size }) => size)).toEqual(Array(3 * WINDOWS).fill(1));
      expect(ledgers.map(spentOf)).toEqual([WHOLE, WHOLE]);
      expect(ledgers.map(({ debits }) => debits)).toEqual([WINDOWS + 1, WINDOWS + 1]);
      for (const [place, all] of after) {
        for (const text of all) texts.set(place, (texts.get(place) ?? new Set()).add(text));
      }
      figures.results += after.size;
      for (const { debits } of ledgers) figures.debits += debits;
      for (const [act, count] of world.crashes) {
        figures.crashes.set(act, (figures.crashes.get(act) ?? 0) + count);
      }
    }
    expect([...figures.crashes.keys()].sort()).toEqual([...ACTS].sort());
    await annotate(JSON.stringify({ ...figures, crashes: Object.fromEntries(figures.crashes) }));
    // The noise is a function of the rows and the owners' secrets: of all schedules one result.
    expect([...texts.values()].every(({ size }) => size === 1)).toBe(true);
  });
});

describe('nothing with noise leaves', () => {
  const codeFrom = (promise: Promise<unknown>) => promise.then(() => undefined, codeOf);

  test('without the receipt of every owner for exactly its debit', async () => {
    const vaults = new ProvenVaults(computation);
    const vault = await vaults.open();
    try {
      await vault.restore([]);
      await vault.announce();
      for (const [name, records] of topics) {
        await vault.accept(
          name,
          records.map((record, offset) => ({ ...record, offset })),
        );
      }
      const { departure } = await vault.closeWindows();
      const { debits = [], records, prepared } = departure;
      expect([records, debits.map(({ owner }) => owner)]).toEqual([[], OWNERS]);
      expect(prepared).toBeDefined();
      const ledgers = ledgersWith('9');
      const honest = await Promise.all(
        debits.map(({ jws }, at) => ledgers[at]?.debit(jws) ?? expect.fail('a ledger')),
      );
      const [north, south] = honest;
      if (!north || !south) expect.fail('two owners');
      const depart = (...receipts: typeof honest) => codeFrom(vault.leases.depart([], receipts));
      const budget = { owner: south.owner, receipt: await ledgers[1]?.receipt(0) };
      const forged = { ...south, receipt: { ...(south.receipt as object), entry: '{}' } };
      for (const wrong of [
        [],
        [north],
        [north, { ...north, owner: south.owner }],
        [north, budget],
        [north, forged],
        [north, { ...south, receipt: null }],
      ]) {
        expect(await depart(...wrong)).toBe('ERR_DEBIT_UNPROVEN');
      }
      expect(await depart(north, south)).toBeUndefined();
    } finally {
      vault.close();
    }
  });

  test('and a seal does not say how many rows there were', async () => {
    const world = new PrivateWorld(computation, topics, ledgersWith('9'), seededRandom(1), 0);
    await world.run();
    const hidden = new Map<string, unknown>();
    for (const record of world.committed) {
      if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
      const { seal } = await world.openResult(record);
      hidden.set(seal.query, [seal.inputs.map(({ rows }) => rows), seal.suppressedGroups]);
    }
    expect(hidden.get('each')).toEqual([[null, null], 0]);
    expect(hidden.get('exact')).toEqual([[4, 4], 0]);
  });
});
