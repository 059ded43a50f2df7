import { EnclaveSchema } from '@strongroom/protocol/contract';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { describe, expect, test } from 'vitest';
import { diffContracts } from './contract-diff.ts';

const ISSUER = 'https://attest.example';
const FLOOR = { bootLoader: 4, tee: 0, snp: 22, microcode: 0x54 };
const publicKey = (modulus: string) => ({ kty: 'RSA', n: modulus.repeat(512), e: 'AQAB' });

function contractOf(id: string, changes: object = {}) {
  const enclave = EnclaveSchema.parse({
    platform: 'amd',
    measurements: [{ name: 'build 1', sha384: 'a1'.repeat(48) }],
    minimumTcb: { Genoa: FLOOR },
    authorities: [{ issuer: ISSUER, keys: [publicKey('n')] }],
    ...changes,
  });
  return { contract: { enclave }, contractId: ContractIdSchema.parse(id.repeat(64)) };
}

const diff = (changes: object, before: object = {}) =>
  diffContracts(contractOf('a', before), contractOf('b', changes));

describe('diffContracts', () => {
  test('does not count the id, which every contract has for itself', () => {
    expect(diff({})).toEqual({ relation: 'same', changes: [] });
    expect(diff({ platform: 'simulated' }, { platform: 'simulated' }).relation).toBe('same');
  });

  test('says what a contract weakens', () => {
    const { relation, changes } = diff({ minimumTcb: { Genoa: { ...FLOOR, microcode: 0x50 } } });
    expect(relation).toBe('weaker');
    expect(changes).toEqual([
      'on "Genoa" the floor of the version of the microcode (x-ms-sevsnpvm-microcode-svn) falls ' +
        'from 84 (0x54) to 80 (0x50): weaker',
    ]);
    expect(diff({ measurements: [{ name: 'other', sha384: 'a1'.repeat(48) }] }).relation).toBe(
      'same',
    );
  });

  test('does not call a contract the same whose keys of an authority are others', () => {
    const { relation, changes } = diff({
      authorities: [{ issuer: ISSUER, keys: [publicKey('m')] }],
    });
    expect(relation).toBe('undecided');
    expect(changes).toEqual([
      expect.stringMatching(
        /^enclave\.authorities\[https:\/\/attest\.example\]\.keys, which no pol/,
      ),
    ]);
    const more = [{ issuer: 'https://new.example', keys: [publicKey('m')] }];
    const both = { authorities: [{ issuer: ISSUER, keys: [publicKey('n')] }, ...more] };
    expect(diff(both).relation).toBe('weaker');
  });
});
