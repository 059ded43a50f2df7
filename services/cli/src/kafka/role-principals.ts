import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { rolesOf } from '@strongroom/protocol/log-topics';
import { InvalidArgumentError, Option } from 'commander';
import type { Assignment } from './acl.ts';

/** `ROLE=User:NAME`; a principal may hold `=`, as the name of a certificate does. */
const ASSIGNMENT = /^([a-z]+(?::[a-z0-9-]+)?)=([A-Za-z]+:[^\p{Cc}]+)$/u;

export function principalOption(): Option {
  const text = 'who a role is to the cluster; several of both are well';
  return new Option('--principal <role=principal...>', text).argParser(
    (each: string, before: readonly Assignment[] = []) => [...before, assignmentOf(each)],
  );
}

function assignmentOf(text: string): Assignment {
  const [, role, principal] = ASSIGNMENT.exec(text) ?? [];
  if (role !== undefined && principal !== undefined) return { role, principal };
  throw new InvalidArgumentError('ROLE=User:NAME, such as producer:north=User:north-producer');
}

/** @throws ERR_USAGE for a role that the contract does not have */
export function demandRoles(contract: Contract, assignments: readonly Assignment[]): void {
  const roles = rolesOf(contract);
  const unknown = assignments.find(({ role }) => !roles.includes(role));
  if (!unknown) return;
  const problem = `no role ${unknown.role}; the contract has ${roles.join(', ')}`;
  throw new StrongroomError('ERR_USAGE', { problem });
}

/** Roles without a principal: their people would find out when they are refused. */
export function rolesWithout(contract: Contract, assignments: readonly Assignment[]): string[] {
  const given = new Set(assignments.map(({ role }) => role));
  return rolesOf(contract).filter((role) => !given.has(role));
}
