import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema, DatasetIdSchema } from '@strongroom/protocol/fields';
import {
  AmountSchema,
  type Debit,
  DebitSchema,
  type PrivacyLoss,
} from '@strongroom/protocol/ledger';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, createAuditLog } from '../audit/audit-log.ts';
import { readVersions } from '../requester/versions.ts';
import { openDatabase } from '../storage/database.ts';
import { type Ledger, openLedger } from './ledger.ts';

const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
const contract = ContractIdSchema.parse('c0'.repeat(32));
const flights = DatasetIdSchema.parse('flights');

let folder: string;
let database: DatabaseSync;
let log: AuditLog;
let ledger: Ledger;

const open = () => {
  database = openDatabase(folder);
  log = createAuditLog(database, clock);
  ledger = openLedger(log, log.all(), readVersions(log.all()));
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'));
  open();
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const day = (number: number) => ({ start: number * 1_000, end: number * 1_000 + 1_000 });
function debitOf(number: number, loss: PrivacyLoss | Record<string, PrivacyLoss>): Debit {
  const isOne = 'rho' in loss || 'epsilon' in loss;
  const charges = Object.entries(isOne ? { flights: loss } : loss);
  return DebitSchema.parse({
    ...{ v: 1, contract, query: 'daily', window: day(number) },
    charges: charges.map(([dataset, each]) => ({ dataset, loss: each })),
  });
}
const budget = (limit: PrivacyLoss, dataset = flights) =>
  ledger.setBudgets(contract, [{ dataset, limit }], 'ada');
const debit = (number: number, loss: Parameters<typeof debitOf>[1]) =>
  ledger.debit(debitOf(number, loss), 'worker');
const refusal = (act: () => unknown) => {
  try {
    return act();
  } catch (error) {
    return codeOf(error) ?? error;
  }
};

describe('a budget', () => {
  test('is spent to its last digit and not one further', () => {
    budget({ epsilon: '1', delta: '0.000001' });
    for (let number = 0; number < 10; number += 1) {
      debit(number, { epsilon: '0.1', delta: '0.0000001' });
    }
    const least = { epsilon: '0.000000000001', delta: '0' };
    expect(refusal(() => debit(10, least))).toBe('ERR_BUDGET_EXHAUSTED');
    expect(ledger.accounts(contract)).toEqual([
      {
        dataset: 'flights',
        limit: { epsilon: '1', delta: '0.000001' },
        spent: { epsilon: '1', delta: '0.000001' },
        debits: 10,
      },
    ]);
    budget({ epsilon: '1.000000000001', delta: '0.000001' });
    debit(10, least);
  });

  test('that nobody set lets nothing through', () => {
    expect(refusal(() => debit(0, { rho: '0' }))).toBe('ERR_BUDGET_UNSET');
    budget({ rho: '5' });
    expect(refusal(() => debit(0, { epsilon: '0', delta: '0' }))).toBe('ERR_BUDGET_UNSET');
    const other = ContractIdSchema.parse('d1'.repeat(32));
    const elsewhere = { ...debitOf(0, { rho: '1' }), contract: other };
    expect(refusal(() => ledger.debit(elsewhere, undefined))).toBe('ERR_BUDGET_UNSET');
    expect(log.size()).toBe(1);
  });

  test('that was lowered below what is spent lets nothing through', () => {
    budget({ rho: '5' });
    debit(0, { rho: '3' });
    budget({ rho: '2' });
    expect(refusal(() => debit(1, { rho: '0.1' }))).toBe('ERR_BUDGET_EXHAUSTED');
    // Nothing costs nothing only while nothing is overdrawn.
    expect(refusal(() => debit(1, { rho: '0' }))).toBe('ERR_BUDGET_EXHAUSTED');
  });

  test('keeps its measure once something was spent', () => {
    budget({ rho: '5' });
    budget({ epsilon: '1', delta: '0' });
    debit(0, { epsilon: '0.5', delta: '0' });
    expect(refusal(() => budget({ rho: '5' }))).toBe('ERR_REQUEST_INVALID');
  });

  test('of rho gets a delta beside it when something needs one', () => {
    budget({ rho: '5' });
    debit(0, { rho: '1' });
    expect(refusal(() => debit(1, { rho: '1', delta: '0.1' }))).toBe('ERR_BUDGET_UNSET');
    expect(refusal(() => budget({ epsilon: '5', delta: '1' }))).toBe('ERR_REQUEST_INVALID');
    budget({ rho: '5', delta: '0.15' });
    debit(1, { rho: '1', delta: '0.1' });
    expect(refusal(() => debit(2, { rho: '1', delta: '0.1' }))).toBe('ERR_BUDGET_EXHAUSTED');
    debit(2, { rho: '1' });
    expect(ledger.accounts(contract)).toMatchObject([{ spent: { rho: '3', delta: '0.1' } }]);
  });
});

describe('a debit', () => {
  test('comes once, however often it is asked for; with other amounts it is refused', () => {
    budget({ rho: '5' });
    const entry = debit(0, { rho: '1' });
    expect(debit(0, { rho: '1' })).toBe(entry);
    for (const rho of ['0.9', '1.1', '0']) {
      expect(refusal(() => debit(0, { rho }))).toBe('ERR_DEBIT_CHANGED');
    }
    expect(debit(1, { rho: '1' })).toBe(entry + 1);
    expect(ledger.accounts(contract)).toMatchObject([{ spent: { rho: '2' }, debits: 2 }]);
  });

  test('of the same rows by another query or version is another one, of the same account', () => {
    const amended = ContractIdSchema.parse('c1'.repeat(32));
    const shared = openLedger(log, log.all(), { lineageOf: () => contract });
    shared.setBudgets(contract, [{ dataset: flights, limit: { rho: '2.5' } }], 'ada');
    const asked = debitOf(0, { rho: '1' });
    const others = [{ query: 'renamed' }, { contract: amended }, {}].map((other) =>
      DebitSchema.parse({ ...asked, ...other }),
    );
    shared.debit(asked, 'worker');
    const [renamed, version, again] = others.map((each) =>
      refusal(() => shared.debit(each, 'worker')),
    );
    expect([typeof renamed, version, typeof again]).toEqual([
      'number',
      'ERR_BUDGET_EXHAUSTED',
      'number',
    ]);
    expect(shared.accounts(amended)).toMatchObject([{ spent: { rho: '2' }, debits: 2 }]);
  });

  test('of several datasets is whole or not at all', () => {
    budget({ rho: '5' });
    budget({ rho: '1' }, DatasetIdSchema.parse('strikes'));
    const asked = () => debit(0, { flights: { rho: '1' }, strikes: { rho: '2' } });
    expect(refusal(asked)).toBe('ERR_BUDGET_EXHAUSTED');
    expect(ledger.accounts(contract)).toMatchObject([{ spent: {} }, { spent: {} }]);
    debit(0, { flights: { rho: '1' }, strikes: { rho: '1' } });
    expect(ledger.accounts(contract)).toMatchObject([
      { spent: { rho: '1' } },
      { spent: { rho: '1' } },
    ]);
  });

  test('that cannot be written down is none', () => {
    budget({ rho: '1' });
    database.exec('PRAGMA query_only = ON');
    expect(() => debit(0, { rho: '1' })).toThrow();
    database.exec('PRAGMA query_only = OFF');
    expect(ledger.accounts(contract)).toMatchObject([{ spent: {}, debits: 0 }]);
    debit(0, { rho: '1' });
  });
});

test('after a restart everything is as it was: sums, limits, and what was debited', () => {
  const amount = fc.bigInt({ min: 0n, max: 10n ** 13n }).map(amountOf);
  const step = fc.tuple(fc.nat(30), amount);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const before = ledger.accounts(contract)[0];
      budget({ rho: AmountSchema.parse('100') });
      const outcomes = steps.map(([number, rho]) => refusal(() => debit(number, { rho })));
      const accounts = ledger.accounts(contract);
      database.close();
      open();
      expect(ledger.accounts(contract)).toEqual(accounts);
      const again = steps.map(([number, rho]) => refusal(() => debit(number, { rho })));
      // What was refused stays so; its window may have been debited by less in between.
      const numbers = (each: readonly unknown[]) =>
        each.map((one) => typeof one === 'number' && one);
      expect(numbers(again)).toEqual(numbers(outcomes));
      expect(ledger.accounts(contract)).toEqual(accounts);
      const spent = unitsOf(accounts[0]?.spent['rho'] ?? '0');
      expect(spent >= unitsOf(before?.spent['rho'] ?? '0') && spent <= unitsOf('100')).toBe(true);
    }),
    { numRuns: 25 },
  );
});
