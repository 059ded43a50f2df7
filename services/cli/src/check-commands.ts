import type { QueryExplanation } from '@strongroom/analysis/explain';
import { type Contract, datasetOf, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { readContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { checkQueries } from './check-queries.ts';
import { checkText } from './check-text.ts';
import { importCleanRooms } from './clean-rooms-rules.ts';
import { contractFromDraft } from './contract-draft.ts';
import { isObject } from './json.ts';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';

/** `strongroom contract check` and `rules import`: what queries may and can reveal. */
export function addCheckCommands(contract: Command): void {
  leafCommand(
    contract,
    'check',
    'say what each query can and cannot reveal, or why it is refused (exit code 0 or 77)',
    'strongroom contract check contract.json --party north',
    { exits: { 77: 'a query is refused' } },
  )
    .argument('<file>', 'contract file, or a draft of one')
    .option('--party <id>', 'only what is said about this owner’s rows')
    .action(check);
  const rules = nounCommand(contract, 'rules', 'analysis rules of a dataset');
  leafCommand(
    rules,
    'import',
    'print rules made from those of AWS Clean Rooms (exit code 77 if something would be weaker)',
    'strongroom contract rules import analysis-rule.json --contract draft.json --dataset sales',
    { exits: { 77: 'a demand cannot be kept, without --accept-weaker' } },
  )
    .argument('<file>', 'analysis rule: aggregation, list or custom, as JSON')
    .option('--contract <file>', 'contract or draft that has the dataset')
    .option('--dataset <id>', 'whose columns the rules are of')
    .option('--accept-weaker', 'exit code 0 also where a demand cannot be kept')
    .option('--out <file>', 'write the rules to a file instead')
    .action(importRules);
}

interface CheckOptions {
  readonly party?: string;
  readonly json?: boolean;
}

async function check(path: string, options: CheckOptions): Promise<void> {
  const contract = await contractIn(path);
  const { party } = options;
  if (party !== undefined) partyOf(contract, party);
  const isTold = ({ owner }: { readonly owner: string }) => party === undefined || owner === party;
  const found = (await checkQueries(contract)).map((each) => ({
    ...each,
    owners: each.owners.filter(isTold),
  }));
  const told = found.filter(
    ({ owners, refusals }) => refusals[0] || party === undefined || owners[0],
  );
  const facts = told.map(({ query, ...rest }) => ({
    query: query.id,
    allowed: rest.refusals.length === 0,
    readers: query.readers,
    window: query.window,
    minimumGroupRows: query.disclosure.minimumGroupRows,
    ...rest,
  }));
  const texts = told.map((each) => checkText(each, contract));
  printResult(options.json, facts, texts.join('\n\n') || 'no query reads its rows');
  throwRefusal(found);
}

/** @throws the first refusal, as the vault would */
export function throwRefusal(found: readonly QueryExplanation[]): void {
  const refused = found.flatMap(({ refusals }) => refusals)[0];
  if (refused) throw new StrongroomError(refused.code, refused.facts);
}

/** A contract as its parties pass it on, or the draft of one. */
async function contractIn(path: string): Promise<Contract> {
  const document = await readJsonFile(path);
  const isContract = isObject(document) && typeof document['payload'] === 'string';
  if (!isContract) return contractFromDraft(path);
  return (await readContract(await readTextFile(path))).contract;
}

interface ImportOptions {
  readonly contract?: string;
  readonly dataset?: string;
  readonly acceptWeaker?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

async function importRules(path: string, options: ImportOptions): Promise<void> {
  const { contract, dataset, out } = options;
  if ((contract === undefined) !== (dataset === undefined)) {
    throw new StrongroomError('ERR_USAGE', { problem: '--contract and --dataset go together' });
  }
  const columns =
    contract === undefined || dataset === undefined
      ? undefined
      : datasetOf(await contractIn(contract), dataset).columns;
  const { rules, weaker, stricter } = importCleanRooms(await readJsonFile(path), columns);
  for (const each of stricter) printNotice(`stricter than there: ${each}`);
  for (const each of weaker) printNotice(`WEAKER THAN THERE: ${each}`);
  const text = JSON.stringify(rules, null, 2);
  if (out === undefined) printResult(options.json, { rules, weaker, stricter }, text);
  else {
    await writeFileAtomic(out, `${text}\n`);
    printResult(options.json, { file: out, weaker, stricter }, `rules: ${out}`);
  }
  if (weaker.length > 0 && !options.acceptWeaker) {
    throw new StrongroomError('ERR_RULES_WEAKER', { weaker });
  }
}
