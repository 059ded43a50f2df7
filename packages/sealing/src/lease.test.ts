import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { expect, test } from 'vitest';
import { verifyLeaseStatement } from './lease.ts';

/** What an owner's service says, and everything that is not it. */

const service = generateKeyPairSync('rsa', { modulusLength: 3_072 });
const { kty, n, e } = service.publicKey.export({ format: 'jwk' });
const contractId = ContractIdSchema.parse('ab'.repeat(32));
const lease = { url: 'https://west.example', statementKey: { kty, n, e } };
const otherKey = () =>
  generateKeyPairSync('rsa', { modulusLength: 3_072 }).publicKey.export({ format: 'jwk' });
// Only the members that are looked at.
const contract = {
  parties: [
    { id: 'west', keyRelease: { lease } },
    { id: 'east', keyRelease: { releaseKey: { kty, n, e } } },
    { id: 'north', keyRelease: { releaseKey: otherKey() } },
    { id: 'reader' },
  ],
} as unknown as Contract;

function said(changes: object = {}, header: object = {}, key: KeyObject = service.privateKey) {
  const hash = '01'.repeat(32);
  const statement = {
    ...{ v: 1, contract: contractId, owner: 'west', state: 'revoked', holder: null },
    ...{ epoch: 3, from: hash, to: hash, at: 1_700_000_000_000 },
    ...changes,
  };
  const part = (value: object) => Buffer.from(canonicalBytes(value)).toString('base64url');
  const protectedHeader = { alg: 'RS256', kid: 'west', typ: 'strongroom-lease+jws', ...header };
  const input = `${part(protectedHeader)}.${part(statement)}`;
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

const outcome = (jws: string, owner = 'west') =>
  verifyLeaseStatement(jws, { contract, contractId, owner }).then(({ state }) => state, codeOf);

test('the word of the service that the contract pins', async () => {
  expect(await outcome(said())).toBe('revoked');
  expect(await outcome(said({ state: 'ended' }))).toBe('ended');
});

test.each([
  ['of another owner', said({ owner: 'east' })],
  ['about another contract', said({ contract: 'cd'.repeat(32) })],
  ['with a member more', said({ more: 1 })],
  ['in a state that is none', said({ state: 'open' })],
  [
    'signed by another key',
    said({}, {}, generateKeyPairSync('rsa', { modulusLength: 3_072 }).privateKey),
  ],
  ['of another type', said({}, { typ: 'strongroom-audit-head+jws' })],
  ['by another name', said({}, { kid: 'east' })],
  ['of another algorithm', said({}, { alg: 'none' })],
  ['that is no JWS', 'word'],
])('nothing %s', async (_name, jws) => {
  expect(await outcome(jws)).toBe('ERR_LEASE_INVALID');
});

test('of an owner that keeps no lease, that it has ended the contract, no more', async () => {
  const of = (owner: string, state: string) =>
    outcome(said({ owner, state }, { kid: owner }), owner);
  expect(await of('east', 'revoked')).toBe('revoked');
  for (const state of ['held', 'ended']) {
    expect(await of('east', state)).toBe('ERR_LEASE_INVALID');
  }
  expect(await of('north', 'revoked')).toBe('ERR_LEASE_INVALID');
  expect(await of('reader', 'revoked')).toBe('ERR_LEASE_INVALID');
});
