import { encodeBase64url } from '@strongroom/protocol/base64url';
import { contractBytes, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { readContract, verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { contractFromDraft, readJsonFile } from './contract-draft.ts';
import { CONTRACT_EXAMPLE } from './contract-example.ts';
import { contractText } from './contract-text.ts';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';

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
    "add a party's signature to a contract file",
    'strongroom contract sign --contract contract.json --identity north.identity.json',
  )
    .requiredOption('--contract <file>', 'contract file, changed in place')
    .requiredOption('--identity <file>', 'identity file of the party that signs')
    .action(sign);
  leafCommand(
    contract,
    'verify',
    'check that every party has signed; exit code 0 only then',
    'strongroom contract verify contract.json',
  )
    .argument('<file>', 'contract file')
    .action(verify);
  leafCommand(contract, 'show', 'show a contract for reading', 'strongroom contract show c.json')
    .argument('<file>', 'contract file')
    .action(show);
  leafCommand(contract, 'id', 'print the contract id', 'strongroom contract id contract.json')
    .argument('<file>', 'contract file')
    .action(printId);
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
  readonly json?: boolean;
}

async function sign(options: SignOptions): Promise<void> {
  const identity = parseIdentity(await readTextFile(options.identity));
  const before = SignedContractSchema.safeParse(await readJsonFile(options.contract));
  if (!before.success) {
    throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place: 'payload, signatures' });
  }
  const text = JSON.stringify(await signContract(before.data, identity));
  await writeFileAtomic(options.contract, `${text}\n`);
  const { contract, contractId, signatures } = await readContract(text);
  const missing = signatures.filter((each) => each.state !== 'valid').map((each) => each.party);
  const facts = { contract: contractId, party: identity.party, missing };
  const rest = missing.length > 0 ? `still to be signed by: ${missing.join(', ')}` : 'complete';
  const title = printable(contract.title);
  printResult(
    options.json,
    facts,
    `${identity.party} has signed "${title}"\n${contractId}\n${rest}`,
  );
}

async function verify(path: string, options: { json?: boolean }): Promise<void> {
  const { contractId, signers } = await verifyContract(await readJsonFile(path));
  const facts = { contract: contractId, signers };
  printResult(options.json, facts, `${contractId}\nsigned by all: ${signers.join(', ')}`);
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
