import { EnclaveSchema } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { describe, expect, test } from 'vitest';
import { compileReleasePolicy } from './compile.ts';
import { evaluatePolicy } from './evaluate.ts';
import { DENY_ALL_POLICY, releasePolicyFor } from './from-contract.ts';

const CONTRACT = ContractIdSchema.parse('c'.repeat(64));
const MEASURED = 'a1'.repeat(48);
const ISSUER = 'https://attest.example';
const FLOOR = { bootLoader: 4, tee: 0, snp: 22, microcode: 210 };

function contractOf(changes: object = {}) {
  const key = { kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' };
  const enclave = EnclaveSchema.parse({
    platform: 'amd',
    measurements: [{ name: 'build 1', sha384: MEASURED }],
    minimumTcb: { Genoa: FLOOR },
    authorities: [{ issuer: ISSUER, keys: [key] }],
    ...changes,
  });
  return { enclave };
}

function claimsOf(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    iss: ISSUER,
    'x-ms-attestation-type': 'sevsnpvm',
    'x-ms-sevsnpvm-is-debuggable': false,
    'x-ms-sevsnpvm-migration-allowed': false,
    'x-ms-sevsnpvm-vmpl': 0,
    'x-ms-sevsnpvm-launchmeasurement': MEASURED,
    'x-ms-sevsnpvm-hostdata': CONTRACT,
    'x-ms-sevsnpvm-bootloader-svn': 4,
    'x-ms-sevsnpvm-tee-svn': 0,
    'x-ms-sevsnpvm-snpfw-svn': 22,
    'x-ms-sevsnpvm-microcode-svn': 210,
    'x-strongroom-product': 'Genoa',
    'x-ms-runtime': { contract: CONTRACT, purpose: 'strongroom/worker/v1' },
    ...changes,
  };
}

const SIMULATED = {
  'x-ms-attestation-type': 'sevsnpvm-simulated',
  'x-strongroom-platform': 'simulated',
  'x-ms-sevsnpvm-is-debuggable': true,
};

function judge(contract: ReturnType<typeof contractOf>, claims: Record<string, unknown>) {
  const policy = compileReleasePolicy(JSON.stringify(releasePolicyFor(contract, CONTRACT)));
  return evaluatePolicy(policy, claims);
}
const unmet = (verdict: ReturnType<typeof judge>) =>
  verdict.reasons.filter((reason) => !reason.met).map((reason) => reason.claim);

describe('releasePolicyFor', () => {
  test('grants what the contract agreed to', () => {
    expect(judge(contractOf(), claimsOf()).granted).toBe(true);
    expect(judge(contractOf({ platform: 'simulated' }), claimsOf(SIMULATED)).granted).toBe(true);
  });

  test.each([
    ['iss', 'https://attest.example/'],
    ['x-ms-attestation-type', 'sevsnpvm-simulated'],
    ['x-ms-sevsnpvm-is-debuggable', true],
    ['x-ms-sevsnpvm-migration-allowed', true],
    ['x-ms-sevsnpvm-vmpl', 1],
    ['x-ms-sevsnpvm-launchmeasurement', 'a2'.repeat(48)],
    ['x-ms-sevsnpvm-bootloader-svn', 3],
    ['x-ms-sevsnpvm-snpfw-svn', 21],
    ['x-ms-sevsnpvm-microcode-svn', 209],
    ['x-strongroom-product', 'Milan'],
  ])('refuses a token whose %s is %s, and names it', (claim, value) => {
    expect(unmet(judge(contractOf(), claimsOf({ [claim]: value })))).toEqual([claim]);
    const { [claim]: _removed, ...without } = claimsOf();
    expect(unmet(judge(contractOf(), without))).toEqual([claim]);
  });

  test('refuses another contract and another purpose of the same measured code', () => {
    const other = { contract: 'd'.repeat(64), purpose: 'strongroom/evidence/v1' };
    expect(unmet(judge(contractOf(), claimsOf({ 'x-ms-runtime': other })))).toEqual([
      'x-ms-runtime.contract',
      'x-ms-runtime.purpose',
    ]);
  });

  test('a simulated platform passes only where the contract names it, and no other does', () => {
    expect(judge(contractOf(), claimsOf(SIMULATED)).granted).toBe(false);
    const simulated = contractOf({ platform: 'simulated' });
    expect(judge(simulated, claimsOf()).granted).toBe(false);
    for (const claim of [...Object.keys(SIMULATED).slice(0, 2), 'x-ms-sevsnpvm-hostdata']) {
      const { [claim]: _removed, ...without } = claimsOf(SIMULATED);
      expect(unmet(judge(simulated, without))).toEqual([claim]);
    }
  });

  test('compares floors with those of the product line of the token', () => {
    const both = contractOf({
      minimumTcb: { Genoa: FLOOR, Turin: { bootLoader: 0, tee: 0, snp: 1, microcode: 60 } },
    });
    const turin = {
      'x-strongroom-product': 'Turin',
      'x-ms-sevsnpvm-bootloader-svn': 0,
      'x-ms-sevsnpvm-snpfw-svn': 1,
      'x-ms-sevsnpvm-microcode-svn': 60,
    };
    expect(judge(both, claimsOf(turin)).granted).toBe(true);
    expect(judge(both, claimsOf({ ...turin, 'x-strongroom-product': 'Genoa' })).granted).toBe(
      false,
    );
    expect(judge(both, claimsOf({ 'x-strongroom-product': 'Milan' })).granted).toBe(false);
    const anyLine = contractOf({ minimumTcb: {} });
    expect(judge(anyLine, claimsOf({ 'x-strongroom-product': 'Milan' })).granted).toBe(true);
  });

  test('names the lines that a contract names, with floors or without', () => {
    const named = contractOf({ products: ['Genoa', 'Turin'], minimumTcb: { Genoa: FLOOR } });
    expect(judge(named, claimsOf({})).granted).toBe(true);
    expect(judge(named, claimsOf({ 'x-ms-sevsnpvm-snpfw-svn': 0 })).granted).toBe(false);
    const turin = { 'x-strongroom-product': 'Turin', 'x-ms-sevsnpvm-snpfw-svn': 0 };
    expect(judge(named, claimsOf(turin)).granted).toBe(true);
    expect(judge(named, claimsOf({ 'x-strongroom-product': 'Milan' })).granted).toBe(false);
  });

  test.each([
    ['killList', { killList: { products: ['Milan'] } }],
    ['floorPreset', { floorPreset: '2026-05' }],
    ['platformInfo', { platformInfo: { required: ['alias-check'] } }],
    ['uvm', { uvm: { minimumSvn: 1 } }],
    ['uvm', { uvm: { minimumSvn: 0, feed: 'another' } }],
    [
      'measurements.pcrs',
      { measurements: [{ name: 'vm', sha384: MEASURED, pcrs: { 4: 'aa'.repeat(32) } }] },
    ],
    ['minimumTcb.fmc', { minimumTcb: { Turin: { ...FLOOR, fmc: 1 } } }],
    ['minimumTcb.microcodeOf', { minimumTcb: { Genoa: { ...FLOOR, microcodeOf: {} } } }],
  ])('is not made from a demand that no token shows: %s', (member, demand) => {
    const thrown = thrownBy(() => releasePolicyFor(contractOf(demand), CONTRACT));
    expect(codeOf(thrown)).toBe('ERR_POLICY_MALFORMED');
    expect(thrown).toMatchObject({ facts: { place: `enclave.${member}` } });
  });

  test('names the host data that a contract names, each in an entry of its own', () => {
    const hostData = ['ab'.repeat(32), 'cd'.repeat(32)];
    for (const platform of ['amd', 'simulated'] as const) {
      const contract = contractOf({ platform, hostData });
      const shown = platform === 'amd' ? {} : SIMULATED;
      const granted = (value: unknown) =>
        judge(contract, claimsOf({ ...shown, 'x-ms-sevsnpvm-hostdata': value })).granted;
      expect(hostData.map(granted)).toEqual([true, true]);
      expect([CONTRACT, undefined, '00'.repeat(32), hostData].map(granted)).toEqual(
        Array(4).fill(false),
      );
    }
  });

  test("looks for a confidential VM's claims one level down, and for PCRs in no token", () => {
    const measurements = [{ name: 'vm', sha384: MEASURED, pcrs: { 4: 'aa'.repeat(32) } }];
    const contract = contractOf({ measurements, ownVerification: true });
    const { iss, 'x-ms-runtime': runtime, 'x-strongroom-product': product, ...tee } = claimsOf();
    const outer = { iss, 'x-ms-runtime': runtime, 'x-strongroom-product': product };
    const vm = {
      ...outer,
      'x-ms-attestation-type': 'azurevm',
      'x-ms-isolation-tee': tee,
      'x-strongroom-own-verification': 'accepted',
    };
    expect(judge(contract, vm).granted).toBe(true);
    expect(unmet(judge(contract, { ...vm, 'x-strongroom-own-verification': undefined }))).toEqual([
      'x-strongroom-own-verification',
    ]);
    const debug = { ...tee, 'x-ms-sevsnpvm-is-debuggable': true };
    expect(judge(contract, { ...vm, 'x-ms-isolation-tee': debug }).granted).toBe(false);
    expect(judge(contract, claimsOf({ 'x-strongroom-own-verification': 'accepted' })).granted).toBe(
      false,
    );
  });

  test("demands Azure's own word on a utility VM of any version", () => {
    const contract = contractOf({ uvm: { minimumSvn: 0 } });
    const status = (value: unknown) =>
      judge(contract, claimsOf({ 'x-ms-compliance-status': value })).granted;
    expect(status('azure-compliant-uvm')).toBe(true);
    expect(['azure-compliant-cvm', undefined, ''].map(status)).toEqual([false, false, false]);
  });

  test('demands the guards that only our own key release can attest, and no others', () => {
    const authorities = ['n', 'm', 'k'].map((letter) => ({
      issuer: letter === 'n' ? ISSUER : `https://${letter}.example`,
      keys: [{ kty: 'RSA', n: letter.repeat(512), e: 'AQAB' }],
    }));
    const guards = (changes: object) =>
      releasePolicyFor(contractOf({ authorities, ...changes }), CONTRACT).anyOf.map((entry) =>
        entry.allOf.filter(({ claim }) => /own-verification$|agreeing-authorities$/.test(claim)),
      );
    const own = { claim: 'x-strongroom-own-verification', equals: 'accepted' };
    const two = { claim: 'x-strongroom-agreeing-authorities', greaterOrEquals: 2 };
    expect(guards({})).toEqual([[], [], []]);
    expect(guards({ agreement: 1, ownVerification: false })).toEqual([[], [], []]);
    expect(guards({ agreement: 2 })).toEqual([[two], [two], [two]]);
    expect(guards({ agreement: 2, ownVerification: true })[0]).toEqual([own, two]);
  });

  test('needs no word of Azure on a utility VM whose endorsement the owners read', () => {
    const claimsIn = (changes: object) =>
      releasePolicyFor(contractOf({ uvm: { minimumSvn: 0 }, ...changes }), CONTRACT).anyOf.flatMap(
        (entry) => entry.allOf.map(({ claim }) => claim),
      );
    expect(claimsIn({ ownVerification: true })).not.toContain('x-ms-compliance-status');
    expect(claimsIn({ ownVerification: false })).toContain('x-ms-compliance-status');
  });

  test.each([{ fmc: 1 }, { microcodeOf: {} }])('refuses %j in one floor of several', (floor) => {
    const minimumTcb = { Turin: { ...FLOOR, ...floor }, Genoa: FLOOR };
    const thrown = thrownBy(() => releasePolicyFor(contractOf({ minimumTcb }), CONTRACT));
    expect(codeOf(thrown)).toBe('ERR_POLICY_MALFORMED');
  });

  test('is flat, with one entry an authority and measurement', () => {
    const authorities = [ISSUER, 'https://second.example'].map((issuer) => ({
      issuer,
      keys: [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }],
    }));
    const measurements = ['a', 'b', 'c'].map((name) => ({ name, sha384: name.repeat(96) }));
    const policy = releasePolicyFor(contractOf({ authorities, measurements }), CONTRACT);
    expect(policy.anyOf).toHaveLength(6);
    expect(policy.anyOf.flatMap((entry) => entry.allOf).every((each) => 'claim' in each)).toBe(
      true,
    );
  });

  test('the longest lists of a contract still make a policy; with three lines they do not', () => {
    const authorities = Array.from({ length: 8 }, (_, index) => ({
      issuer: `https://attest-${index}.example`,
      keys: [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }],
    }));
    const measurements = Array.from({ length: 16 }, (_, index) => ({
      name: `build ${index}`,
      sha384: index.toString(16).repeat(96),
    }));
    const long = contractOf({ authorities, measurements });
    const policy = releasePolicyFor(long, CONTRACT);
    expect(() => compileReleasePolicy(JSON.stringify(policy))).not.toThrow();
    const lines = { Milan: FLOOR, Genoa: FLOOR, Turin: FLOOR };
    const longer = contractOf({ authorities, measurements, minimumTcb: lines });
    expect(limitOf(longer)).toMatchObject({ limit: 'POLICY_CONDITIONS_MAX' });
    const issuer = (index: number) => `https://${String(index).repeat(500)}.example`;
    const wide = authorities.map((each, index) => ({ ...each, issuer: issuer(index) }));
    const heavy = contractOf({ authorities: wide, measurements });
    expect(limitOf(heavy)).toMatchObject({ limit: 'POLICY_BYTES_MAX' });
  });
});

function limitOf(contract: ReturnType<typeof contractOf>) {
  const thrown = thrownBy(() => releasePolicyFor(contract, CONTRACT));
  expect(codeOf(thrown)).toBe('ERR_LIMIT_EXCEEDED');
  return thrown instanceof StrongroomError ? thrown.facts : {};
}

test('DENY_ALL_POLICY is a valid policy that no token meets', () => {
  const policy = compileReleasePolicy(JSON.stringify(DENY_ALL_POLICY));
  for (const iss of ['https://nobody.invalid', ISSUER, undefined, '']) {
    expect(evaluatePolicy(policy, claimsOf({ iss })).granted).toBe(false);
  }
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
