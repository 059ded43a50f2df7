import { StrongroomError } from '@strongroom/protocol/errors';
import { DatasetIdSchema } from '@strongroom/protocol/fields';
import { type Budget, BudgetSchema, PrivacyLossSchema } from '@strongroom/protocol/ledger';
import { readJsonFile } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { z } from 'zod';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';
import { askService } from './owner-service.ts';
import type { VaultOptions } from './vault-client.ts';

/** `strongroom ledger …`: privacy budgets of an owner's datasets, under one contract each. */
export function addLedgerCommands(ledger: Command): void {
  const service = '--vault https://keys.west.example --contract contract.json';
  ledgerCommand(
    ledger,
    'show',
    'print what may be used up, and what was',
    `strongroom ledger show ${service} --token-file audit.token`,
  ).action(show);
  const budget = nounCommand(ledger, 'budget', 'how much of its privacy a dataset may use up');
  ledgerCommand(
    budget,
    'set',
    'set or change the budget of a dataset',
    `strongroom ledger budget set ${service} --token-file admin.token --dataset flights --rho 0.5`,
  )
    .requiredOption('--dataset <id>', 'a dataset of the contract')
    .option('--epsilon <amount>', 'of (epsilon, delta) differential privacy, with --delta')
    .option('--delta <amount>', 'an exact decimal, 12 digits at most behind the point')
    .option('--rho <amount>', 'of zero-concentrated differential privacy, instead of epsilon')
    .action(setBudget);
}

function ledgerCommand(parent: Command, verb: string, text: string, example: string): Command {
  return leafCommand(parent, verb, text, example)
    .requiredOption('--vault <url>', 'key release service, or ledger')
    .requiredOption('--token-file <file>', 'access token of the service')
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .requiredOption('--contract <file>', 'signed contract');
}

interface LedgerOptions extends VaultOptions {
  readonly contract: string;
  readonly json?: boolean;
}

async function show(options: LedgerOptions): Promise<void> {
  const path = `/ledger/${await contractIdIn(options)}`;
  print(options, await askService(options, { method: 'GET', path }));
}

interface BudgetOptions extends LedgerOptions {
  readonly dataset: string;
  readonly epsilon?: string;
  readonly delta?: string;
  readonly rho?: string;
}

async function setBudget(options: BudgetOptions): Promise<void> {
  const budgets = [budgetOf(options)];
  const path = `/ledger/${await contractIdIn(options)}/budgets`;
  print(options, await askService(options, { method: 'PUT', path, body: { budgets } }));
}

function budgetOf({ dataset, epsilon, delta, rho }: BudgetOptions): Budget {
  const given = Object.entries({ epsilon, delta, rho }).filter(
    ([, amount]) => amount !== undefined,
  );
  const limit = PrivacyLossSchema.safeParse(Object.fromEntries(given));
  const id = DatasetIdSchema.safeParse(dataset);
  if (limit.success && id.success) return { dataset: id.data, limit: limit.data };
  const problem =
    '--dataset ID with --epsilon and --delta, or --rho (and --delta); amounts like 0.5';
  throw new StrongroomError('ERR_USAGE', { problem });
}

async function contractIdIn({ contract }: LedgerOptions): Promise<string> {
  return (await verifyContract(await readJsonFile(contract))).contractId;
}

const AccountSchema = BudgetSchema.extend({
  spent: z.record(z.string(), z.string()),
  debits: z.int(),
});
const AnswerSchema = z.strictObject({ accounts: z.array(AccountSchema) });

function print({ json }: LedgerOptions, answer: unknown): void {
  const { accounts } = AnswerSchema.parse(answer);
  const lines = accounts.flatMap(({ dataset, limit, spent, debits }) =>
    Object.entries(limit).map(([name, amount]) =>
      printable(`${dataset}: ${spent[name] ?? '0'} of ${name} ${amount}, ${debits} debits`),
    ),
  );
  printResult(json, accounts, lines.join('\n') || 'no budgets');
}
