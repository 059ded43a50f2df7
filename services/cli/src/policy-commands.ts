import {
  compileReleasePolicy,
  demandLines,
  diffLines,
  explainToken,
  releasePolicyFor,
  type TokenExplanation,
  tokenLines,
} from '@strongroom/attestation/release-policy';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Command, Option } from 'commander';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';
import { type ClaimsOptions, diffFiles, readClaims } from './policy-files.ts';

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
    { exits: { 77: 'the key would not be released' } },
  )
    .requiredOption('--policy <file>', 'release policy')
    .addOption(
      new Option(
        '--token <file>',
        'attestation token or proof; its signature is NOT checked here',
      ).conflicts('claims'),
    )
    .option('--suppose-guards', 'as if own verification accepted and all authorities agreed')
    .option('--claims <file>', 'claims as a JSON object, taken as they are')
    .action(explain);
  leafCommand(
    policy,
    'diff',
    'say what changes when a policy, or the policy of a contract, follows another',
    'strongroom policy diff old.json new.json --refuse-weaker',
    { exits: { 77: 'weaker or other than before, with --refuse-weaker' } },
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

interface ExplainOptions extends ClaimsOptions {
  readonly policy: string;
  readonly json?: boolean;
}

async function explain(options: ExplainOptions): Promise<void> {
  const policy = compileReleasePolicy(await readTextFile(options.policy));
  const demands = demandLines(policy);
  const tokens = (await readClaims(options)).map((claims) => explainToken(policy, claims));
  const [first, ...others] = tokens;
  if (!first) {
    printResult(options.json, { demands }, demands.join('\n'));
    return;
  }
  const granted = tokens.some((token) => token.granted);
  const word = granted ? 'The key would be released' : 'The key would NOT be released';
  const supposed = options.supposeGuards ? ', and its guards were supposed to agree' : '';
  const note = `(signature and age of the token were not checked${supposed})`;
  const judged = tokens.flatMap((token) => ['', ...tokenLines(token)]);
  const text = [...demands, ...judged, '', `${word} ${note}.`].join('\n');
  printResult(options.json, { demands, granted, tokens }, text);
  if (!granted) throw denial([first, ...others]);
}

/** Names what the token that comes nearest misses. */
function denial(tokens: readonly [TokenExplanation, ...TokenExplanation[]]): StrongroomError {
  const missed = ({ claims }: TokenExplanation) => claims.filter(({ met }) => !met);
  const nearest = tokens.reduce((best, each) =>
    missed(each).length < missed(best).length ? each : best,
  );
  const mismatches = missed(nearest).map(({ claim }) => claim);
  return new StrongroomError('ERR_POLICY_DENIED', { mismatches });
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
