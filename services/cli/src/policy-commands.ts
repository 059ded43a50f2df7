import {
  compileReleasePolicy,
  evaluatePolicy,
  type Reason,
  releasePolicyFor,
} from '@strongroom/attestation/release-policy';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { isObject, readJsonFile } from './contract-draft.ts';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';

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
    'say claim by claim whether a policy lets a token have a key; exit code 0 only if so',
    'strongroom policy explain --policy policy.json --token token.jwt',
  )
    .requiredOption('--policy <file>', 'release policy')
    .requiredOption('--token <file>', 'attestation token; its signature is NOT checked here')
    .action(explain);
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
  readonly token: string;
  readonly json?: boolean;
}

async function explain(options: ExplainOptions): Promise<void> {
  const policy = compileReleasePolicy(await readTextFile(options.policy));
  const claims = claimsIn((await readTextFile(options.token)).trim());
  const verdict = evaluatePolicy(policy, claims);
  const word = verdict.granted ? 'the key would be released' : 'the key would NOT be released';
  const lines = verdict.reasons.map(reasonLine);
  const note = '(the signature and age of the token were not checked)';
  printResult(options.json, verdict, [...lines, `${word} ${note}`].join('\n'));
  if (!verdict.granted) {
    const mismatches = verdict.reasons.filter(({ met }) => !met).map(({ claim }) => claim);
    throw new StrongroomError('ERR_POLICY_DENIED', { mismatches });
  }
}

const OPERATOR_WORDS: Readonly<Record<Reason['operator'], string>> = {
  equals: 'must be',
  notEquals: 'must not be',
  less: 'must be less than',
  lessOrEquals: 'must be at most',
  greater: 'must be more than',
  greaterOrEquals: 'must be at least',
  exists: 'existence must be',
};

function reasonLine({ claim, operator, expected, found, met }: Reason): string {
  const is = found === null ? 'it is missing' : `it is ${found}`;
  return printable(
    `${met ? 'yes' : 'NO '} ${claim} ${OPERATOR_WORDS[operator]} ${expected}: ${is}`,
  );
}

/** The payload of a compact JWT, read and not believed. */
function claimsIn(jwt: string): Record<string, unknown> {
  const [, payload = ''] = jwt.split('.');
  const bytes = decodeBase64url(payload);
  let claims: unknown;
  try {
    claims = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'form' });
  }
  if (!isObject(claims)) throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'claims' });
  return claims;
}
