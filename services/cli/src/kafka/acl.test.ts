import type { Right } from '@strongroom/protocol/log-topics';
import { describe, expect, test } from 'vitest';
import { type Acl, type AssignedRight, aclOf, assign, judgeAcls } from './acl.ts';

const read: Right = { role: 'worker', resource: 'Topic', name: 'c.flights', operation: 'Read' };
const look: Right = { ...read, role: 'auditor', operation: 'Describe' };
const fence: Right = {
  ...{ role: 'worker', resource: 'TransactionalId', name: 'strongroom-worker..c' },
  operation: 'Write',
};
const RIGHTS = [read, look, fence];
const WORKER = { role: 'worker', principal: 'User:CN=worker,O=x' };
const AUDITOR = { role: 'auditor', principal: 'User:auditor' };
const needed = assign(RIGHTS, [WORKER]);
const all = needed.map(aclOf);
const acl = (right: Right, more: Partial<Acl> = {}, principal = WORKER.principal): Acl => ({
  ...aclOf({ ...right, principal }),
  ...more,
});

test('one principal of two roles is given each right once', () => {
  const twice = [WORKER, { ...WORKER }, { role: 'auditor', principal: WORKER.principal }];
  expect(assign(RIGHTS, twice).map(({ operation }) => operation)).toEqual([
    ...['Read', 'Write', 'Describe'],
  ]);
});

describe('what a cluster has is enough', () => {
  test.each<[string, readonly AssignedRight[], readonly Acl[]]>([
    ['as it is generated', needed, all],
    ['by a prefix', needed, [acl(read, { name: 'c.', pattern: 'Prefixed' }), acl(fence)]],
    ['by every name', needed, [acl(read, { name: '*' }), acl(fence)]],
    ['by every operation', needed, [acl(read, { operation: 'All' }), acl(fence)]],
    ['for everybody', needed, [acl(read, { principal: 'User:*' }), acl(fence)]],
    ['Describe by Read', assign(RIGHTS, [AUDITOR]), [acl(read, {}, AUDITOR.principal)]],
  ])('%s', (_, rights, found) => {
    expect(judgeAcls(rights, RIGHTS, found).missing).toEqual([]);
  });
});

describe('what a cluster has is not enough', () => {
  test.each<[string, readonly Acl[]]>([
    ['nothing', []],
    ['another operation', [acl(read, { operation: 'Write' })]],
    ['another name', [acl(read, { name: 'c.flight' })]],
    ['another principal', [acl(read, {}, 'User:other')]],
    ['a prefix that is a name', [acl(read, { name: 'd', pattern: 'Prefixed' })]],
    ['from one host', [acl(read, { host: '10.0.0.1' })]],
    ['a refusal', [acl(read, { permission: 'Deny' })]],
    ['Read by Describe', [acl(read, { operation: 'Describe' })]],
  ])('%s', (_, found) => {
    const { missing } = judgeAcls(needed, RIGHTS, [...found, acl(fence)]);
    expect(missing.map(({ name, operation }) => [name, operation])).toEqual([
      ['c.flights', 'Read'],
    ]);
  });
});

describe('what goes beyond is told', () => {
  test.each<[string, Acl]>([
    ['a right to write', acl(read, { operation: 'Write' })],
    ['every operation', acl(read, { operation: 'All' })],
    ['every topic', acl(read, { name: '*' })],
    ['a prefix', acl(read, { name: 'c', pattern: 'Prefixed' })],
    ['everybody', acl(read, { principal: 'User:*' })],
    ['the cluster', acl(read, { resource: 'Cluster', name: 'kafka-cluster', operation: 'Create' })],
  ])('%s', (_, wide) => {
    expect(judgeAcls(needed, RIGHTS, [...all, wide])).toEqual({
      ...{ missing: [], beyond: [wide], denied: [] },
    });
  });

  test('what others have, or on what is not the contract’s, is not judged', () => {
    const others = [acl(read, {}, 'User:other'), acl(read, { name: 'd.flights' })];
    expect(judgeAcls(needed, RIGHTS, [...all, ...others]).beyond).toEqual([]);
  });

  test('a refusal stands above whatever allows', () => {
    const deny = acl(read, { permission: 'Deny' });
    expect(judgeAcls(needed, RIGHTS, [...all, deny]).denied).toEqual([deny]);
  });
});
