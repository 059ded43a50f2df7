import { consentersOf, newColumnsOf } from '@strongroom/protocol/amendment';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { type Contract, contractBytes, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { demandFollowing, verifyChain } from '@strongroom/sealing/amendment';
import { readContract, type VerifiedContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { changeLines, changesBetween } from './amendment-diff.ts';
import { predecessorIn, stateOf } from './amendment-state.ts';
import { contractFromDraft, withKey } from './contract-draft.ts';
import { leafCommand, printResult } from './leaf-command.ts';
import { uploadContract } from './upload-contract.ts';

/** `strongroom contract propose`, `diff`, `review`, `approve`: from one version to the next. */
export function addAmendmentCommands(contract: Command): void {
  leafCommand(
    contract,
    'propose',
    'make an unsigned amendment from an edited copy of a contract',
    'strongroom contract propose --contract contract.json --template > draft.json\n' +
      '  strongroom contract propose --contract contract.json --draft draft.json \\\n' +
      '    --out next.json\n' +
      '  strongroom contract propose --contract contract.json --out next.json \\\n' +
      '    --key flights-north=rotated.json',
  )
    .requiredOption('--contract <files...>', 'contract file to amend, and all versions before it')
    .option('--template', 'print what the contract says, to be edited')
    .option('--draft <file>', 'edited copy; version and previous are filled in')
    .option('--key <dataset=file...>', 'another key of a dataset: what `key rotate --json` printed')
    .option('--out <file>', 'contract file of the amendment')
    .action(propose);
  leafCommand(
    contract,
    'diff',
    'say in words what changes from one version to another, the most dangerous first',
    'strongroom contract diff contract.json next.json --party north',
  )
    .argument('<old>', 'contract file; signatures are not needed')
    .argument('<new>', 'contract file')
    .option('--party <id>', 'what touches this party first')
    .action(diff);
  leafCommand(
    contract,
    'review',
    'check that an amendment follows the versions before; show what changes and who has signed',
    'strongroom contract review next.json --previous contract.json --party north',
  )
    .argument('<file>', 'contract file of the amendment')
    .requiredOption('--previous <files...>', 'all versions before it, signed')
    .option('--party <id>', 'what touches this party first')
    .action(review);
  leafCommand(
    contract,
    'approve',
    "give an owner's key release service all versions: nothing is given under older ones any more",
    'strongroom contract approve contract.json next.json --vault https://keys.north.example \\\n' +
      '    --token-file admin.token',
  )
    .argument('<files...>', 'all versions, signed, in any order')
    .requiredOption('--vault <url>', "the owner's key release service, or its ledger beside one")
    .requiredOption('--token-file <file>', "administrator's token of that service")
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .action(approve);
}

interface ProposeOptions {
  readonly contract: readonly string[];
  readonly template?: boolean;
  readonly draft?: string;
  readonly key?: readonly string[];
  readonly out?: string;
  readonly json?: boolean;
}

async function propose(options: ProposeOptions): Promise<void> {
  const { out } = options;
  const chain = await verifyChain(await Promise.all(options.contract.map(readJsonFile)));
  const before = predecessorIn(chain);
  if (options.template) {
    const { version: _version, previous: _previous, ...template } = before.contract;
    printResult(options.json, template, JSON.stringify(template, null, 2));
    return;
  }
  const edited = await editedContract(before, options);
  if (edited === undefined || out === undefined) {
    const problem = '--draft or --key, and --out; or --template';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const contract = withSince(before.contract, edited);
  demandFollowing(before, contract);
  const changes = changesBetween(before.contract, contract);
  if (changes.every(({ places }) => places.every((each) => LINK.has(each)))) {
    throw new StrongroomError('ERR_USAGE', { problem: 'the draft changes nothing' });
  }
  const text = JSON.stringify({
    payload: encodeBase64url(contractBytes(contract)),
    signatures: [],
  });
  const { contractId } = await readContract(text);
  await writeFileAtomic(out, `${text}\n`);
  const missing = contract.parties.map(({ id }) => id);
  const consents = consentersOf(before.contract, contract).map(({ id }) => id);
  const facts = { contract: contractId, file: out, missing, consents, changes };
  const lines = [
    ...changeLines(changes),
    '',
    contractId,
    `to be signed by: ${missing.join(', ')}`,
    ...(consents.length === 0
      ? []
      : [`and with the key of the version before: ${consents.join(', ')}`]),
  ];
  printResult(options.json, facts, lines.join('\n'));
}

/** What every amendment has, and no draft. */
const LINK: ReadonlySet<string> = new Set(['version', 'previous']);

async function editedContract(
  { contract, contractId }: Pick<VerifiedContract, 'contract' | 'contractId'>,
  { draft, key = [] }: ProposeOptions,
): Promise<Contract | undefined> {
  const link = { version: contract.version + 1, previous: contractId };
  if (draft === undefined && key.length === 0) return undefined;
  let edited =
    draft === undefined ? { ...contract, ...link } : await contractFromDraft(draft, link);
  for (const each of key) edited = await withKey(edited, each);
  return edited;
}

/** A new column of a dataset that was there says so: sources of before lack it. */
function withSince(before: Contract, after: Contract): Contract {
  const datasets = after.datasets.map((dataset) => {
    const known = before.datasets.find(({ id }) => id === dataset.id);
    const added = known ? newColumnsOf(known, dataset) : [];
    const columns = dataset.columns.map((column) =>
      added.includes(column) && column.nullable ? { since: after.version, ...column } : column,
    );
    return { ...dataset, columns };
  });
  return { ...after, datasets };
}

interface DiffOptions {
  readonly party?: string;
  readonly json?: boolean;
}

async function diff(old: string, now: string, { party, json }: DiffOptions): Promise<void> {
  const [before, after] = [await readContractFile(old), await readContractFile(now)];
  const changes = changesBetween(before.contract, after.contract);
  const facts = { from: before.contractId, to: after.contractId, changes };
  printResult(json, facts, changeLines(changes, party).join('\n'));
}

const readContractFile = async (path: string) => readContract(await readTextFile(path));

interface ReviewOptions extends DiffOptions {
  readonly previous: readonly string[];
}

async function review(path: string, { previous, party, json }: ReviewOptions): Promise<void> {
  const chain = await verifyChain(await Promise.all(previous.map(readJsonFile)));
  const before = predecessorIn(chain);
  const { contract, contractId, signatures } = await readContractFile(path);
  demandFollowing(before, contract);
  const file = SignedContractSchema.safeParse(await readJsonFile(path));
  const state = await stateOf(file.data, signatures, contract, before);
  const changes = changesBetween(before.contract, contract);
  const facts = { contract: contractId, amends: before.contractId, ...state.facts, changes };
  const lines = [
    `version ${contract.version} follows ${before.contractId}, which all have signed`,
    '',
    ...changeLines(changes, party),
    '',
    contractId,
    ...state.lines,
  ];
  printResult(json, facts, lines.join('\n'));
}

interface ApproveOptions {
  readonly vault: string;
  readonly tokenFile: string;
  readonly caFile?: string;
  readonly json?: boolean;
}

async function approve(paths: readonly string[], options: ApproveOptions): Promise<void> {
  const files = await Promise.all(paths.map(readJsonFile));
  const chain = await verifyChain(files);
  for (const { contractId, file } of filesOf(chain, files)) {
    await uploadContract(options, contractId, file);
  }
  const newest = predecessorIn(chain);
  const { version } = newest.contract;
  const facts = { contract: newest.contractId, version, service: options.vault };
  const rest = version === 1 ? '' : '\nnothing is given there under an older version any more';
  const text = `${options.vault} has approved version ${version}, ${newest.contractId}${rest}`;
  printResult(options.json, facts, text);
}

/** In the order of their versions: each is taken behind the one before it. */
function filesOf(chain: Awaited<ReturnType<typeof verifyChain>>, files: readonly unknown[]) {
  const parsed = files.map((file) => SignedContractSchema.parse(file));
  return chain.flatMap(({ contract, contractId }) => {
    const payload = encodeBase64url(contractBytes(contract));
    const file = parsed.find((each) => each.payload === payload);
    return file ? [{ contractId, file }] : [];
  });
}
