import type { Right } from '@strongroom/protocol/log-topics';

/** ACLs in Kafka's own words, and what one set of them lacks or has beyond another. */

export interface Acl {
  readonly principal: string;
  readonly resource: string;
  readonly name: string;
  readonly pattern: 'Literal' | 'Prefixed';
  readonly operation: string;
  readonly permission: 'Allow' | 'Deny';
  readonly host: string;
}

/** Who a role is to the cluster; one principal may have several roles, and a role several. */
export interface Assignment {
  readonly role: string;
  readonly principal: string;
}

export type AssignedRight = Right & Assignment;

export function assign(
  rights: readonly Right[],
  assignments: readonly Assignment[],
): AssignedRight[] {
  const assigned = assignments.flatMap(({ role, principal }) =>
    rights.filter((right) => right.role === role).map((right) => ({ ...right, principal })),
  );
  const known = new Map(assigned.map((right) => [keyOf(right), right]));
  return [...known.values()];
}

function keyOf({ principal, resource, name, operation }: AssignedRight): string {
  return [principal, resource, name, operation].join('\n');
}

export function aclOf({ principal, resource, name, operation }: AssignedRight): Acl {
  const everywhere = { pattern: 'Literal', permission: 'Allow', host: EVERY_HOST } as const;
  return { principal, resource, name, operation, ...everywhere };
}

const EVERY_HOST = '*';
const EVERYBODY = 'User:*';
const EVERY_NAME = '*';

export interface AclVerdict {
  /** Needed, and given by nothing that is there. */
  readonly missing: readonly AssignedRight[];
  /** Given to a named principal, or to everybody, where no role needs it. */
  readonly beyond: readonly Acl[];
  /** Forbidden, whatever else allows it. */
  readonly denied: readonly Acl[];
}

/**
 * Judges what concerns the named principals: what others have is for others to say. On resources
 * that are not the contract's, only what gives more than one name (`*`, a prefix) is seen.
 */
export function judgeAcls(
  needed: readonly AssignedRight[],
  all: readonly Right[],
  found: readonly Acl[],
): AclVerdict {
  const principals = new Set(needed.map(({ principal }) => principal));
  const concerning = found.filter(
    (acl) =>
      (principals.has(acl.principal) || acl.principal === EVERYBODY) &&
      (acl.resource === 'Cluster' || all.some((right) => isAbout(acl, right))),
  );
  return {
    missing: needed.filter((right) => !concerning.some((acl) => gives(acl, right))),
    beyond: concerning.filter(
      (acl) => acl.permission === 'Allow' && !needed.some((right) => isExactly(acl, right)),
    ),
    denied: concerning.filter(({ permission }) => permission === 'Deny'),
  };
}

/** Whether an ACL's pattern holds the resource. */
function isAbout({ resource, name, pattern }: Acl, right: Right): boolean {
  if (resource !== right.resource) return false;
  if (pattern === 'Prefixed') return right.name.startsWith(name);
  return name === EVERY_NAME || name === right.name;
}

function gives(acl: Acl, right: AssignedRight): boolean {
  return (
    acl.permission === 'Allow' &&
    acl.host === EVERY_HOST &&
    (acl.principal === right.principal || acl.principal === EVERYBODY) &&
    isAbout(acl, right) &&
    (acl.operation === 'All' ||
      acl.operation === right.operation ||
      (right.operation === 'Describe' && BRINGS_DESCRIBE.has(acl.operation)))
  );
}

const BRINGS_DESCRIBE: ReadonlySet<string> = new Set(['Read', 'Write', 'Delete', 'Alter']);

function isExactly(acl: Acl, right: AssignedRight): boolean {
  return (
    acl.pattern === 'Literal' &&
    acl.principal === right.principal &&
    acl.resource === right.resource &&
    acl.name === right.name &&
    acl.operation === right.operation
  );
}
