import {
  type AclFilter,
  type AclOperationLabel,
  AclOperations,
  AclPermissionTypes,
  type Admin,
  type Acl as ClientAcl,
  ResourcePatternTypes,
  type ResourceTypeLabel,
  ResourceTypes,
} from '@platformatic/kafka';
import { type Acl, type AssignedRight, aclOf } from './acl.ts';
import { byAdminRight } from './admin-client.ts';

/** ACLs between Kafka's words and the client's numbers. */

/** @throws LogError, with SECURITY_DISABLED as its reason where no authorizer is set */
export async function describeAcls(admin: Admin): Promise<Acl[]> {
  const filter = everyAclOn('ANY');
  const found = await byAdminRight({ right: 'Describe', cluster: CLUSTER }, () =>
    admin.describeAcls({ filter }),
  );
  return found.flatMap(({ resourceType, resourceName, resourcePatternType, acls }) =>
    acls.map(({ principal, host, operation, permissionType }) => ({
      principal,
      host,
      resource: wordOf(ResourceTypes, resourceType),
      name: resourceName,
      pattern: resourcePatternType === ResourcePatternTypes.PREFIXED ? 'Prefixed' : 'Literal',
      operation: wordOf(AclOperations, operation),
      permission: permissionType === AclPermissionTypes.DENY ? 'Deny' : 'Allow',
    })),
  );
}

/** Whoever has it, on whichever of these resources. */
export function everyAclOn(resource: ResourceTypeLabel): AclFilter {
  return {
    resourceType: ResourceTypes[resource],
    resourceName: null,
    resourcePatternType: ResourcePatternTypes.ANY,
    principal: null,
    host: null,
    operation: AclOperations.ANY,
    permissionType: AclPermissionTypes.ANY,
  };
}

const CLUSTER = 'kafka-cluster';

export async function createAcls(admin: Admin, rights: readonly AssignedRight[]): Promise<void> {
  if (rights.length === 0) return;
  const creations = rights.map(clientAclOf);
  await byAdminRight({ right: 'Alter', cluster: CLUSTER }, () => admin.createAcls({ creations }));
}

/** As the client wants it; also to take it away. */
export function clientAclOf(right: AssignedRight): ClientAcl {
  const { principal, host, name } = aclOf(right);
  return {
    principal,
    host,
    resourceType: ResourceTypes[RESOURCES[right.resource]],
    resourceName: name,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    operation: AclOperations[OPERATIONS[right.operation]],
    permissionType: AclPermissionTypes.ALLOW,
  };
}

const RESOURCES: Readonly<Record<AssignedRight['resource'], ResourceTypeLabel>> = {
  Topic: 'TOPIC',
  Group: 'GROUP',
  TransactionalId: 'TRANSACTIONAL_ID',
};
const OPERATIONS: Readonly<Record<AssignedRight['operation'], AclOperationLabel>> = {
  Read: 'READ',
  Write: 'WRITE',
  Describe: 'DESCRIBE',
};

/** `TRANSACTIONAL_ID` is `TransactionalId`, as Kafka's own tools write it. */
function wordOf(labels: Readonly<Record<string, number>>, value: number): string {
  const [label = 'UNKNOWN'] = Object.entries(labels).find(([, each]) => each === value) ?? [];
  return label
    .split('_')
    .map((part) => `${part.charAt(0)}${part.slice(1).toLowerCase()}`)
    .join('');
}
