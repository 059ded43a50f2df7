import { encodeBase64url } from '@strongroom/protocol/base64url';
import { type Contract, contractBytes, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { demandFollowing, verifyChain } from '@strongroom/sealing/amendment';
import { type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { signAmendment } from '@strongroom/sealing/sign-amendment';
import { readContract, type VerifiedContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { addAmendmentCommands } from './amendment-commands.ts';
import { changeLines, changesBetween } from './amendment-diff.ts';
import { predecessorIn, stateOf } from './amendment-state.ts';
import { addCheckCommands, throwRefusal } from './check-commands.ts';
import { checkQueries } from './check-queries.ts';
import { confirmByTyping } from './confirm.ts';
import { contractFromDraft } from './contract-draft.ts';
import { CONTRACT_EXAMPLE } from './contract-example.ts';
import { contractText } from './contract-text.ts';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';

/** `strongroom contract …`: write it, sign it, check it, read it. */
export function addContractCommands(program: Command): void {
  const contract = nounCommand(program, 'contract', 'who computes what over whose data');
  leafCommand(
    contract,
    'new',
    'make an unsigned contract from a draft',
    'strongroom contract new --example > draft.json\n' +
      '  strongroom contract new --draft draft.json --out contract.json',
  )
    .option('--draft <file>', 'draft: a contract in which keys may be named by file')
    .option('--out <file>', 'contract file')
    .option('--example', 'print a complete draft with comments')
    .action(newContract);
  leafCommand(
    contract,
    'sign',
    "add a party's signature to a contract file; for an amendment, after showing what changes",
    'strongroom contract sign --contract contract.json --identity north.identity.json\n' +
      '  strongroom contract sign --contract next.json --previous contract.json \\\n' +
      '    --identity north.identity.json',
  )
    .requiredOption('--contract <file>', 'contract file, changed in place')
    .requiredOption('--identity <file>', 'identity file of the party that signs')
    .option('--previous <files...>', 'of an amendment: all versions before it, signed')
    .option('--yes', 'of an amendment: do not ask')
    .action(sign);
  leafCommand(
    contract,
    'verify',
    'check that every party has signed every version; exit code 0 only then',
    'strongroom contract verify contract.json next.json',
  )
    .argument('<files...>', 'contract file, and all versions before it, in any order')
    .action(verify);
  leafCommand(contract, 'show', 'show a contract for reading', 'strongroom contract show c.json')
    .argument('<file>', 'contract file')
    .action(show);
  addAmendmentCommands(contract);
  leafCommand(contract, 'id', 'print the contract id', 'strongroom contract id contract.json')
    .argument('<file>', 'contract file')
    .action(printId);
  addCheckCommands(contract);
}

interface NewOptions {
  readonly draft?: string;
  readonly out?: string;
  readonly example?: boolean;
  readonly json?: boolean;
}

async function newContract(options: NewOptions): Promise<void> {
  if (options.example) {
    printResult(options.json, CONTRACT_EXAMPLE, JSON.stringify(CONTRACT_EXAMPLE, null, 2));
    return;
  }
  const { draft, out } = options;
  if (draft === undefined || out === undefined) {
    throw new StrongroomError('ERR_USAGE', { problem: '--draft and --out, or --example' });
  }
  const contract = await contractFromDraft(draft);
  throwRefusal(await checkQueries(contract));
  const unsigned = { payload: encodeBase64url(contractBytes(contract)), signatures: [] };
  const text = JSON.stringify(unsigned);
  const { contractId } = await readContract(text);
  await writeFileAtomic(out, `${text}\n`);
  const parties = contract.parties.map((party) => party.id);
  const facts = { contract: contractId, file: out, missing: parties };
  printResult(options.json, facts, `${contractId}\nto be signed by: ${parties.join(', ')}`);
}

interface SignOptions {
  readonly contract: string;
  readonly identity: string;
  readonly previous?: readonly string[];
  readonly yes?: boolean;
  readonly json?: boolean;
}

async function sign(options: SignOptions): Promise<void> {
  const identity = parseIdentity(await readTextFile(options.identity));
  const before = SignedContractSchema.safeParse(await readJsonFile(options.contract));
  if (!before.success) {
    throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place: 'payload, signatures' });
  }
  const { contract } = await readContract(JSON.stringify(before.data));
  const isFirst = contract.previous === undefined;
  const amendment = isFirst ? undefined : await reviewed(contract, identity, options);
  const signed = amendment
    ? await signAmendment(before.data, { contract, before: amendment }, identity)
    : await signContract(before.data, identity);
  const text = JSON.stringify(signed);
  await writeFileAtomic(options.contract, `${text}\n`);
  const { contractId, signatures } = await readContract(text);
  const state = await stateOf(signed, signatures, contract, amendment);
  const facts = { contract: contractId, party: identity.party, ...state.facts };
  for (const { query, refusals } of await checkQueries(contract)) {
    if (refusals[0]) printNotice(`no vault will run the query ${query.id}: see contract check`);
  }
  const title = printable(contract.title);
  const lines = [`${identity.party} has signed "${title}"`, contractId, ...state.lines];
  printResult(options.json, facts, lines.join('\n'));
}

/**
 * Nobody signs an amendment without the versions before it, and without having seen what changes.
 * @returns the version before
 */
async function reviewed(
  contract: Contract,
  { party }: PartyIdentity,
  { previous = [], yes }: SignOptions,
): Promise<VerifiedContract> {
  if (previous.length === 0) {
    const problem = 'an amendment is signed beside the versions before it: --previous';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const before = predecessorIn(await verifyChain(await Promise.all(previous.map(readJsonFile))));
  demandFollowing(before, contract);
  printNotice(changeLines(changesBetween(before.contract, contract), party).join('\n'));
  const title = printable(contract.title);
  const question = `Sign version ${contract.version} of "${title}" as ${party}?`;
  await confirmByTyping(question, party, yes);
  return before;
}

async function verify(paths: readonly string[], options: { json?: boolean }): Promise<void> {
  const chain = await verifyChain(await Promise.all(paths.map(readJsonFile)));
  const { contract, contractId, signers } = predecessorIn(chain);
  const { version } = contract;
  const versions = chain.map((each) => each.contractId);
  const facts = { contract: contractId, signers, version, versions };
  const all = version === 1 ? [] : [`version ${version}, all of them chained and signed`];
  const lines = [contractId, ...all, `signed by all: ${signers.join(', ')}`];
  printResult(options.json, facts, lines.join('\n'));
}

async function show(path: string, options: { json?: boolean }): Promise<void> {
  const { contract, contractId, signatures } = await readContract(await readTextFile(path));
  const facts = { contractId, signatures, contract };
  printResult(options.json, facts, contractText(contract, contractId, signatures));
}

async function printId(path: string, options: { json?: boolean }): Promise<void> {
  const { contractId } = await readContract(await readTextFile(path));
  printResult(options.json, { contract: contractId }, contractId);
}
