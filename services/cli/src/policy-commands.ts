import {
  compileReleasePolicy,
  demandLines,
  diffLines,
  explainToken,
  releasePolicyFor,
  tokenLines,
} from '@strongroom/attestation/release-policy';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Command, Option } from 'commander';
import { readJsonFile } from './contract-draft.ts';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';
import { diffFiles, readClaims } from './policy-files.ts';

/** `strongroom policy …`: release policies in Azure's grammar. */
export function addPolicyCommands(program: Command): void {
  const policy = nounCommand(program, 'policy', 'release policies: who gets a key');
  leafCommand(
    policy,
    'from-contract',
    "print the policy under which a contract's owners release their keys",
    'strongroom policy from-contract --contract contract.json --out policy.json',
  )
    .requiredOption('--contract <file>', 'signed contract')
    .option('--out <file>', 'write it to a file instead')
    .action(fromContract);
  leafCommand(
    policy,
    'explain',
    'say what a policy demands and why a token meets it or not (exit code 0 or 77)',
    'strongroom policy explain --policy policy.json --token token.jwt',
  )
    .requiredOption('--policy <file>', 'release policy')
    .addOption(
      new Option(
        '--token <file>',
        'attestation token; its signature is NOT checked here',
      ).conflicts('claims'),
    )
    .option('--claims <file>', 'claims as a JSON object, taken as they are')
    .action(explain);
  leafCommand(
    policy,
    'diff',
    'say what changes when a policy, or the policy of a contract, follows another',
    'strongroom policy diff old.json new.json --refuse-weaker',
  )
    .argument('<old>', 'policy or contract; signatures are not needed')
    .argument('<new>', 'policy or contract')
    .option('--refuse-weaker', 'exit code 77 unless the new one is the same or stronger')
    .action(diff);
}

interface FromContractOptions {
  readonly contract: string;
  readonly out?: string;
  readonly json?: boolean;
}

async function fromContract(options: FromContractOptions): Promise<void> {
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const policy = releasePolicyFor(contract, contractId);
  const text = JSON.stringify(policy, null, 2);
  if (options.out === undefined) {
    printResult(options.json, policy, text);
    return;
  }
  await writeFileAtomic(options.out, `${text}\n`);
  printResult(options.json, { policy: options.out }, `policy: ${options.out}`);
}

interface ExplainOptions {
  readonly policy: string;
  readonly token?: string;
  readonly claims?: string;
  readonly json?: boolean;
}

async function explain(options: ExplainOptions): Promise<void> {
  const policy = compileReleasePolicy(await readTextFile(options.policy));
  const demands = demandLines(policy);
  const claims = await readClaims(options);
  if (claims === undefined) {
    printResult(options.json, { demands }, demands.join('\n'));
    return;
  }
  const token = explainToken(policy, claims);
  const word = token.granted ? 'The key would be released' : 'The key would NOT be released';
  const note = '(the signature and age of the token were not checked)';
  const lines = [...demands, '', ...tokenLines(token), '', `${word} ${note}.`];
  printResult(options.json, { demands, ...token }, lines.join('\n'));
  if (!token.granted) {
    const mismatches = token.claims.filter(({ met }) => !met).map(({ claim }) => claim);
    throw new StrongroomError('ERR_POLICY_DENIED', { mismatches });
  }
}

interface DiffOptions {
  readonly refuseWeaker?: boolean;
  readonly json?: boolean;
}

async function diff(old: string, now: string, options: DiffOptions): Promise<void> {
  const { notices, ...found } = await diffFiles(old, now);
  for (const notice of notices) printNotice(notice);
  printResult(options.json, found, diffLines(found).join('\n'));
  const { relation } = found;
  if (options.refuseWeaker && relation !== 'same' && relation !== 'stronger') {
    throw new StrongroomError('ERR_POLICY_WEAKER', { relation });
  }
}
