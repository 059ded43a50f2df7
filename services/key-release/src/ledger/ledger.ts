import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema, type DatasetId } from '@strongroom/protocol/fields';
import {
  type Budget,
  BudgetSchema,
  type Debit,
  DebitSchema,
  type PrivacyLoss,
} from '@strongroom/protocol/ledger';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Versions } from '../requester/versions.ts';

/**
 * What results may use up of an owner's datasets, and what they have. The audit log is the ledger:
 * a debit is its entry, so neither exists without the other, and whoever would take one back has
 * to break the log. Sums are kept in memory and added up again from the entries at each start.
 * An account is a dataset's under all versions of a contract: an amendment gives nothing back.
 */
export interface Ledger {
  /** Sets or changes limits; a limit below what is spent lets nothing more through. */
  setBudgets(contract: ContractId, budgets: readonly Budget[], caller: string | undefined): void;
  /**
   * Debits all charges or none. The same debit again changes nothing.
   * @returns the number of the audit entry, which is on the disk
   * @throws ERR_DEBIT_CHANGED, ERR_BUDGET_UNSET, ERR_BUDGET_EXHAUSTED
   */
  debit(debit: Debit, caller: string | undefined): number;
  accounts(contract: ContractId): Account[];
}

interface Account extends Budget {
  /** By the names of the measure; empty before the first debit. */
  readonly spent: Readonly<Record<string, string>>;
  /** Windows that were debited. */
  readonly debits: number;
}

/** An account while the service runs, in units, by the names of its measure. */
interface Balance {
  limit: PrivacyLoss;
  readonly spent: Map<string, bigint>;
  debits: number;
}

interface Books {
  readonly versions: Pick<Versions, 'lineageOf'>;
  /** By the first version of the contract. */
  readonly balances: Map<ContractId, Map<DatasetId, Balance>>;
  /** The digest of what was debited for a result, and the entry that says so. */
  readonly debits: Map<string, { readonly digest: string; readonly sequence: number }>;
}

/** @param entries of the audit log, verified, from the first on */
export function openLedger(
  auditLog: AuditLog,
  entries: Iterable<string>,
  versions: Pick<Versions, 'lineageOf'>,
): Ledger {
  const books: Books = { versions, balances: new Map(), debits: new Map() };
  for (const text of entries) replay(text, books);
  return {
    setBudgets: (contract, budgets, caller) => {
      for (const budget of budgets) demandMeasure(budget, contract, books);
      auditLog.append({ event: 'budgets-set', ...callerFact(caller), contract, budgets });
      for (const budget of budgets) open(budget, contract, books);
    },
    debit: (debit, caller) => {
      const known = books.debits.get(placeOf(debit));
      if (known) return demandSame(debit, known);
      for (const charge of debit.charges) demandCovered(charge, debit.contract, books);
      const sequence = auditLog.append({ event: 'budget-debited', ...callerFact(caller), debit });
      spend(debit, sequence, books);
      return sequence;
    },
    accounts: (contract) =>
      [...(accountsOf(contract, books) ?? [])].map(([dataset, { limit, spent, debits }]) => {
        const amounts = [...spent].map(([name, units]) => [name, amountOf(units)]);
        return { dataset, limit, spent: Object.fromEntries(amounts), debits };
      }),
  };
}

const EntrySchema = z.looseObject({ event: z.string(), sequence: z.int() });
const BudgetsEntrySchema = z.looseObject({
  contract: ContractIdSchema,
  budgets: z.array(BudgetSchema),
});
const DebitEntrySchema = z.looseObject({ debit: DebitSchema });

/** What was written was allowed when it was written: nothing is judged again. */
function replay(text: string, books: Books): void {
  const entry = EntrySchema.parse(JSON.parse(text));
  if (entry.event === 'budgets-set') {
    const { contract, budgets } = BudgetsEntrySchema.parse(entry);
    for (const budget of budgets) open(budget, contract, books);
  }
  if (entry.event === 'budget-debited') {
    spend(DebitEntrySchema.parse(entry).debit, entry.sequence, books);
  }
}

/** What was spent by one measure cannot be weighed by another. */
function demandMeasure({ dataset, limit }: Budget, contract: ContractId, books: Books): void {
  const spent = accountsOf(contract, books)?.get(dataset)?.spent;
  if (!spent || spent.size === 0 || 'rho' in limit === spent.has('rho')) return;
  const expected = `the measure of what was spent: ${[...spent.keys()].join(', ')}`;
  throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'limit', dataset, expected });
}

function accountsOf(contract: ContractId, { versions, balances }: Books) {
  return balances.get(versions.lineageOf(contract));
}

function open({ dataset, limit }: Budget, contract: ContractId, books: Books): void {
  const ofContract = accountsOf(contract, books) ?? new Map<DatasetId, Balance>();
  books.balances.set(books.versions.lineageOf(contract), ofContract);
  const balance = ofContract.get(dataset);
  if (balance) balance.limit = limit;
  else ofContract.set(dataset, { limit, spent: new Map(), debits: 0 });
}

type Charge = Debit['charges'][number];

function demandCovered({ dataset, loss }: Charge, contract: ContractId, books: Books): void {
  const balance = accountsOf(contract, books)?.get(dataset);
  const limits = new Map(Object.entries(balance?.limit ?? {}));
  for (const [name, amount] of Object.entries(loss)) {
    const limit = limits.get(name);
    if (limit === undefined)
      throw new StrongroomError('ERR_BUDGET_UNSET', { dataset, measure: name });
    const left = unitsOf(limit) - (balance?.spent.get(name) ?? 0n);
    if (unitsOf(amount) > left) {
      const facts = {
        dataset,
        measure: name,
        asked: amount,
        left: amountOf(left < 0n ? 0n : left),
      };
      throw new StrongroomError('ERR_BUDGET_EXHAUSTED', facts);
    }
  }
}

function demandSame(debit: Debit, known: { digest: string; sequence: number }): number {
  if (digestOf(debit) === known.digest) return known.sequence;
  throw new StrongroomError('ERR_DEBIT_CHANGED', { query: debit.query, entry: known.sequence });
}

function spend(debit: Debit, sequence: number, books: Books): void {
  books.debits.set(placeOf(debit), { digest: digestOf(debit), sequence });
  for (const { dataset, loss } of debit.charges) {
    const balance = accountsOf(debit.contract, books)?.get(dataset);
    assert(balance, 'a debit without a budget');
    balance.debits += 1;
    for (const [name, amount] of Object.entries(loss)) {
      balance.spent.set(name, (balance.spent.get(name) ?? 0n) + unitsOf(amount));
    }
  }
}

function placeOf({ contract, query, window }: Debit): string {
  return `${contract} ${query} ${window ? `${window.start} ${window.end}` : 'whole'}`;
}

function digestOf(debit: Debit): string {
  return createHash('sha256').update(canonicalBytes(debit)).digest('base64url');
}

function callerFact(caller: string | undefined): { caller?: string } {
  return caller === undefined ? {} : { caller };
}
