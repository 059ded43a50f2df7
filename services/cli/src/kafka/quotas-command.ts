import { StrongroomError } from '@strongroom/protocol/errors';
import type { RoleKind } from '@strongroom/protocol/log-topics';
import { readJsonFile } from '@strongroom/runtime/files';
import { shellWord } from '@strongroom/runtime/shell-word';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { leafCommand, printNotice, printResult } from '../leaf-command.ts';
import type { Assignment } from './acl.ts';
import { demandRoles, principalOption } from './role-principals.ts';
import { kafkaTool } from './tool-command.ts';

/** `strongroom kafka quotas`: how much of a cluster one client may take. */
export function addQuotasCommand(kafka: Command): void {
  leafCommand(
    kafka,
    'quotas',
    'how much of the cluster each role may take, as commands of kafka-configs.sh',
    'strongroom kafka quotas --contract contract.json --principal producer:north=User:north',
  )
    .requiredOption('--contract <file>', 'signed contract')
    .addOption(principalOption())
    .addHelpText(
      'after',
      '\nPrints commands only, which read BOOTSTRAP and the properties file ADMIN_CONFIG: the\n' +
        'numbers are a beginning, and depend on the cluster. Whoever computes gets no quota: a\n' +
        "worker that is slowed down is late with everybody's results.",
    )
    .action(showQuotas);
}

interface Quota {
  readonly producerBytes: number;
  readonly consumerBytes: number;
  /** Of one request handler thread. */
  readonly requestPercentage: number;
}

const MIB = 1024 * 1024;
/** Who asks writes a challenge of some hundred bytes now and then. */
const READING = { producerBytes: MIB / 16, consumerBytes: 16 * MIB, requestPercentage: 25 };

const QUOTAS: Readonly<Partial<Record<RoleKind, Quota>>> = {
  producer: { producerBytes: 32 * MIB, consumerBytes: 32 * MIB, requestPercentage: 50 },
  owner: READING,
  analyst: READING,
  auditor: READING,
};

interface QuotasOptions {
  readonly contract: string;
  readonly principal?: readonly Assignment[];
  readonly json?: boolean;
}

async function showQuotas({ contract: file, principal = [], json }: QuotasOptions): Promise<void> {
  const { contract, contractId } = await verifyContract(await readJsonFile(file));
  demandRoles(contract, principal);
  if (principal.length === 0) throw new StrongroomError('ERR_USAGE', { problem: '--principal' });
  const quotas = quotasOf(principal);
  const free = principal.filter((each) => !quotas.has(each.principal));
  const without = [...new Set(free.map((each) => each.principal))];
  if (without.length > 0) printNotice(`without a quota: ${without.join(', ')}`);
  const commands = [...quotas].map(([who, quota]) => commandFor(who, quota));
  const facts = [...quotas].map(([who, quota]) => ({ principal: who, ...quota }));
  printResult(json, { contract: contractId, quotas: facts, commands }, commands.join('\n'));
}

/** Of several roles the largest; none at all where one of them computes. */
function quotasOf(assignments: readonly Assignment[]): Map<string, Quota> {
  const quotas = new Map<string, Quota | undefined>();
  for (const { role, principal } of assignments) {
    const quota = QUOTAS[(role.split(':')[0] ?? '') as RoleKind];
    const before = quotas.get(principal);
    const isFree = quota === undefined || (quotas.has(principal) && before === undefined);
    quotas.set(principal, isFree ? undefined : larger(quota, before));
  }
  return new Map([...quotas].flatMap(([who, quota]) => (quota ? [[who, quota] as const] : [])));
}

function larger(one: Quota, other: Quota = one): Quota {
  return {
    producerBytes: Math.max(one.producerBytes, other.producerBytes),
    consumerBytes: Math.max(one.consumerBytes, other.consumerBytes),
    requestPercentage: Math.max(one.requestPercentage, other.requestPercentage),
  };
}

/** Kafka knows a user by its name without the type. */
function commandFor(principal: string, quota: Quota): string {
  const name = principal.slice(principal.indexOf(':') + 1);
  const config = [
    `producer_byte_rate=${quota.producerBytes}`,
    `consumer_byte_rate=${quota.consumerBytes}`,
    `request_percentage=${quota.requestPercentage}`,
  ].join(',');
  const entity = `--entity-type users --entity-name ${shellWord(name)}`;
  return `${TOOL} --alter ${entity} --add-config ${config}`;
}

const TOOL = kafkaTool('kafka-configs.sh');
