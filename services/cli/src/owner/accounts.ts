import type { AuditEntry } from '@strongroom/protocol/audit';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';
import {
  BudgetSchema,
  type Debit,
  DebitSchema,
  type PrivacyLoss,
} from '@strongroom/protocol/ledger';
import { z } from 'zod';
import type { AccountFacts, DebitFacts } from './facts.ts';

/**
 * The budgets of a contract out of the audit log, which is the ledger: each debit is an entry. The
 * account of a dataset goes on over all versions of the contract.
 */

const BudgetsEntrySchema = z.looseObject({ contract: z.string(), budgets: z.array(BudgetSchema) });
const DebitEntrySchema = z.looseObject({ debit: DebitSchema });

interface Balance {
  limit: PrivacyLoss;
  readonly spent: Map<string, bigint>;
  debits: number;
}

export interface Books {
  readonly accounts: readonly AccountFacts[];
  /** The newest first. */
  readonly debits: readonly DebitFacts[];
}

/** @param versions ids of all versions of the contract */
export function booksOf(entries: readonly AuditEntry[], versions: ReadonlySet<string>): Books {
  const balances = new Map<string, Balance>();
  const debits: DebitFacts[] = [];
  for (const entry of entries) {
    if (entry.event === 'budgets-set') takeBudgets(entry, versions, balances);
    if (entry.event !== 'budget-debited') continue;
    const { debit } = DebitEntrySchema.parse(entry);
    if (!versions.has(debit.contract)) continue;
    spend(debit, balances);
    debits.push(debitFacts(entry, debit));
  }
  const accounts = [...balances].map(([dataset, balance]) => accountFacts(dataset, balance));
  return { accounts, debits: debits.reverse() };
}

function takeBudgets(
  entry: AuditEntry,
  versions: ReadonlySet<string>,
  balances: Map<string, Balance>,
): void {
  const { contract, budgets } = BudgetsEntrySchema.parse(entry);
  if (!versions.has(contract)) return;
  for (const { dataset, limit } of budgets) {
    const known = balances.get(dataset);
    if (known) known.limit = limit;
    else balances.set(dataset, { limit, spent: new Map(), debits: 0 });
  }
}

function spend({ charges }: Debit, balances: ReadonlyMap<string, Balance>): void {
  for (const { dataset, loss } of charges) {
    const balance = balances.get(dataset);
    if (!balance) continue;
    balance.debits += 1;
    for (const [name, amount] of Object.entries(loss)) {
      balance.spent.set(name, (balance.spent.get(name) ?? 0n) + unitsOf(amount));
    }
  }
}

function accountFacts(dataset: string, { limit, spent, debits }: Balance): AccountFacts {
  const measures = Object.entries(limit).map(([name, amount]) => {
    const [all, used] = [unitsOf(amount), spent.get(name) ?? 0n];
    const left = used > all ? 0n : all - used;
    return {
      ...{ name, limit: amount, spent: amountOf(used), left: amountOf(left) },
      share: all === 0n ? Number(used > 0n) : Number((used * 1_000n) / all) / 1_000,
    };
  });
  return { dataset, debits, measures };
}

function debitFacts({ sequence, at }: AuditEntry, { query, window, charges }: Debit): DebitFacts {
  const texts = charges.map(({ dataset, loss }) => {
    const amounts = Object.entries(loss).map(([name, amount]) => `${name} ${amount}`);
    return `${dataset}: ${amounts.join(', ')}`;
  });
  return { sequence, at, query, window, charges: texts };
}
