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

  const floors = { Turin: { ...FLOOR, fmc: 1 }, Genoa: { ...FLOOR, microcodeOf: { Bergamo: 9 } } };
  const vm = (pcr: string) => [
    { name: 'vm', sha384: 'a1'.repeat(48), pcrs: { 4: pcr.repeat(64) } },
  ];
  const shownPcrs = (pcr: string) => `"{\\"4\\":\\"${pcr.repeat(54)}"... (72 characters)`;
  test.each<[string, object, object, string]>([
    ['floorPreset', { floorPreset: 'badram' }, {}, 'from "\\"badram\\"" to nothing'],
    ['floorPreset', {}, { floorPreset: 'badram' }, 'from nothing to "\\"badram\\""'],
    [
      'minimumTcb.Turin.fmc',
      { minimumTcb: floors },
      changedFloors({ fmc: 2 }, {}),
      'from "1" to "2"',
    ],
    [
      'minimumTcb.Genoa.microcodeOf',
      { minimumTcb: floors },
      changedFloors({}, { microcodeOf: { Bergamo: 8 } }),
      'from "{\\"Bergamo\\":9}" to "{\\"Bergamo\\":8}"',
    ],
    [
      `measurements[${'a1'.repeat(48)}].pcrs`,
      { measurements: vm('a') },
      { measurements: vm('b') },
      `from ${shownPcrs('a')} to ${shownPcrs('b')}`,
    ],
  ])('names what only own verification sees: %s', (name, old, now, change) => {
    const own = { ownVerification: true };
    const { relation, changes } = diff({ ...now, ...own }, { ...old, ...own });
    expect(relation).toBe('undecided');
    expect(changes).toEqual([`enclave.${name}, which no policy shows, changes ${change}`]);
  });

  function changedFloors(turin: object, genoa: object) {
    return {
      minimumTcb: { Turin: { ...floors.Turin, ...turin }, Genoa: { ...floors.Genoa, ...genoa } },
    };
  }

  test('decides about demands that the policy shows, and keeps what else changes', () => {
    const host = (value: string) => ({ hostData: [value.repeat(64)] });
    expect(diff(host('b'), host('a')).relation).toBe('incomparable');
    expect(diff({ products: ['Genoa', 'Turin'] }, { products: ['Genoa'] }).relation).toBe('weaker');
    const own = { ownVerification: true };
    const { changes } = diff(
      { ...host('b'), ...own, floorPreset: 'badram' },
      { ...host('a'), ...own },
    );
    expect(changes).toHaveLength(2);
    expect(changes[0]).toMatch(/^on "Genoa" data that the host fixed at launch/);
  });
});
