import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type Right, rightsOf } from '@strongroom/protocol/log-topics';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { readJsonFile } from '@strongroom/runtime/files';
import { shellWord } from '@strongroom/runtime/shell-word';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { leafCommand, printNotice, printResult } from '../leaf-command.ts';
import { brokersOption, kafkaConfigOption } from '../option-values.ts';
import {
  type Acl,
  type AclVerdict,
  type AssignedRight,
  type Assignment,
  aclOf,
  assign,
  judgeAcls,
} from './acl.ts';
import { createAcls, describeAcls } from './acl-admin.ts';
import { asAdmin } from './admin-client.ts';
import { demandRoles, principalOption, rolesWithout } from './role-principals.ts';
import { kafkaTool } from './tool-command.ts';

/** `strongroom kafka acls`: the least rights of everybody, from the contract. */
export function addAclsCommand(kafka: Command): void {
  leafCommand(
    kafka,
    'acls',
    'the least rights that each role of a contract needs, as ACLs',
    'strongroom kafka acls --contract contract.json\n' +
      '  strongroom kafka acls --contract contract.json --principal worker=User:worker \\\n' +
      '    --principal producer:north=User:north > acls.sh\n' +
      '  strongroom kafka acls --contract contract.json --principal worker=User:worker \\\n' +
      '    --check --kafka-config admin.properties',
    { exits: { 1: 'rights are missing, denied, or more than any role needs' } },
  )
    .requiredOption('--contract <file>', 'signed contract')
    .option('--namespace <name>', 'prefix of the topics', '')
    .addOption(principalOption())
    .option('--apply', 'give what is missing; nothing is ever taken away')
    .option('--check', 'compare with what the cluster has')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .addHelpText(
      'after',
      '\nWithout --apply or --check it asks nobody, and prints commands of kafka-acls.sh, which\n' +
        'read BOOTSTRAP and the properties file ADMIN_CONFIG. Roles get no right to create\n' +
        'topics: `strongroom kafka topics --apply` makes them.',
    )
    .action(showAcls);
}

interface AclsOptions {
  readonly contract: string;
  readonly namespace: string;
  readonly principal?: readonly Assignment[];
  readonly apply?: boolean;
  readonly check?: boolean;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly json?: boolean;
}

async function showAcls(options: AclsOptions): Promise<void> {
  const { principal: assignments = [], namespace, json } = options;
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  demandRoles(contract, assignments);
  const rights = rightsOf(contract, contractId, namespace);
  const needed = assign(rights, assignments);
  if (options.apply || options.check) {
    if (needed.length === 0) throw new StrongroomError('ERR_USAGE', { problem: '--principal' });
    await compare(options, contractId, rights, needed);
    return;
  }
  if (needed.length === 0) {
    printResult(json, { contract: contractId, rights }, rightsTable(rights));
    return;
  }
  const without = rolesWithout(contract, assignments);
  if (without.length > 0) printNotice(`without a principal: ${without.join(', ')}`);
  const commands = commandsFor(needed);
  printResult(json, { contract: contractId, rights: needed, commands }, commands.join('\n'));
}

async function compare(
  options: AclsOptions,
  contractId: string,
  rights: readonly Right[],
  needed: readonly AssignedRight[],
): Promise<void> {
  const connection = await readKafkaConnection(options, 'strongroom-kafka-acls');
  const { created, verdict } = await asAdmin(connection, async (admin) => {
    const before = judgeAcls(needed, rights, await describeAcls(admin));
    if (!options.apply) return { created: [], verdict: before };
    await createAcls(admin, before.missing);
    return { created: before.missing, verdict: { ...before, missing: [] } };
  });
  const facts = { contract: contractId, created, ...verdict };
  printResult(options.json, facts, verdictLines(needed.length, created, verdict).join('\n'));
  const { missing, beyond, denied } = verdict;
  if (missing.length + beyond.length + denied.length > 0) process.exitCode = 1;
}

function verdictLines(
  needed: number,
  created: readonly AssignedRight[],
  { missing, beyond, denied }: AclVerdict,
): string[] {
  const isRight = missing.length + beyond.length + denied.length === 0;
  return [
    ...created.map((right) => `given    ${said(aclOf(right))}`),
    ...missing.map((right) => `missing  ${said(aclOf(right))} (${right.role})`),
    ...denied.map((acl) => `denied   ${said(acl)}`),
    ...beyond.map((acl) => `beyond   ${said(acl)}`),
    ...(isRight ? [`${needed} rights, no more and no less`] : []),
    ...(missing.length > 0 ? ['', 'Give what is missing: --apply'] : []),
    ...(beyond.length > 0 ? ['', 'Take away what nobody needs:', ...beyond.map(removal)] : []),
  ];
}

function said({ principal, operation, resource, name, pattern, host }: Acl): string {
  const prefix = pattern === 'Prefixed' ? ' (prefix)' : '';
  const from = host === '*' ? '' : ` from ${host}`;
  return `${principal} ${operation} ${resource} ${name}${prefix}${from}`;
}

const TOOL = kafkaTool('kafka-acls.sh');

/** One command for each principal and resource. */
function commandsFor(needed: readonly AssignedRight[]): string[] {
  const groups = new Map<string, AssignedRight[]>();
  for (const right of needed) {
    const { principal, resource, name } = right;
    const place = [principal, resource, name].join('\n');
    groups.set(place, [...(groups.get(place) ?? []), right]);
  }
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (!first) return [];
    const operations = [first, ...others].map(({ operation }) => `--operation ${operation}`);
    const who = `--add --allow-principal ${shellWord(first.principal)}`;
    return [`${TOOL} ${who} ${operations.join(' ')} ${place(first.resource, first.name)}`];
  });
}

function removal({ principal, operation, resource, name, pattern, host }: Acl): string {
  const at = pattern === 'Prefixed' ? ' --resource-pattern-type prefixed' : '';
  const from = host === '*' ? '' : ` --allow-host ${shellWord(host)}`;
  const who = `--remove --allow-principal ${shellWord(principal)}${from}`;
  return `${TOOL} ${who} --operation ${operation} ${place(resource, name)}${at}`;
}

const FLAGS: Readonly<Record<string, string>> = {
  Topic: '--topic',
  Group: '--group',
  TransactionalId: '--transactional-id',
};

function place(resource: string, name: string): string {
  const flag = FLAGS[resource];
  return flag === undefined ? '--cluster' : `${flag} ${shellWord(name)}`;
}

function rightsTable(rights: readonly Right[]): string {
  const rows = rights.map(({ role, operation, resource, name }) => [
    ...[role, operation, resource, name],
  ]);
  const widths = [0, 1, 2].map((at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows
    .map((row) => row.map((word, at) => word.padEnd(widths[at] ?? 0)).join('  '))
    .join('\n');
}
