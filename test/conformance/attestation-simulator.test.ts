import { type LaunchOptions, SCENARIOS, VARIANTS } from '@strongroom/attestation/insecure';
import type { Evidence } from '@strongroom/protocol/evidence';
import { azureVmOf, evidenceOf } from '@strongroom/testkit/test-platform';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  CLAIMS,
  HOST_DATA,
  IMAGE,
  POLICY,
  type Simulated,
  simulated,
  verdictOf,
} from './attestation-simulated.ts';

/**
 * The simulator makes by one call each what a verifier has to know how to refuse or to read, and
 * most of which no public recording shows.
 */

const Genoa = { bootLoader: 10, tee: 0, snp: 28, microcode: 86 };
const policy = {
  ...POLICY,
  floorPreset: '2026-05' as const,
  minimumFirmware: { Genoa: { major: 1, minor: 55, build: 0 } },
};

let sim: Simulated;
beforeAll(async () => {
  sim = await simulated();
}, 60_000);

const launch = (options: Partial<LaunchOptions> = {}) =>
  sim.platform.launch({ image: IMAGE, hostData: HOST_DATA, ...options });

const REFUSALS: Record<keyof typeof SCENARIOS, RegExp> = {
  debug: /^no: debug$/,
  'other-vmpl': /^no: vmpl$/,
  'host-requested': /^ERR_REPORT_MALFORMED vmpl$/,
  'old-tcb': /^no: tcb\.reported\.bootLoader tcb\.reported\.snp /,
  'provisional-firmware': /^no: provisionalFirmware$/,
  'old-firmware': /^no: firmware\.current firmware\.committed$/,
  'wrong-chip': /^ERR_CERTIFICATE_CHAIN chip-id$/,
  'expired-chain': /^ERR_CERTIFICATE_CHAIN expired$/,
  'version-4': /^ERR_REPORT_MALFORMED version$/,
  'migration-allowed': /^no: migration$/,
  'migration-agent': /^no: migrationAgent$/,
  'masked-chip-key': /^ERR_REPORT_SIGNATURE not-signed$/,
  'masked-chip-id': /^ERR_CERTIFICATE_CHAIN chip-id$/,
  'provider-key': /^no: signer$/,
  'no-alias-check': /^no: floorPreset\.aliasCheck$/,
};

describe('the simulator', () => {
  test.each(Object.entries(SCENARIOS))(
    'makes %s, which is refused for it',
    async (name, options) => {
      const expected = new Map(Object.entries(REFUSALS)).get(name);
      const evidence = await evidenceOf(launch(options), CLAIMS);
      expect(verdictOf(evidence, { roots: sim.roots }, policy)).toMatch(expected ?? /^$/);
    },
  );

  test.each(Object.entries(VARIANTS))('makes %s, which is accepted', async (_name, options) => {
    const evidence = await evidenceOf(launch(options), CLAIMS);
    expect(verdictOf(evidence, { roots: sim.roots }, policy)).toBe('ok');
  });

  const measured = (vm: Evidence) => ({
    ...policy,
    measurements: [
      { sha384: String(POLICY.measurements[0]), pcrs: { 11: vm.vtpm?.pcrs[11] ?? '' } },
    ],
  });

  test.each(Object.entries(VARIANTS))('puts %s behind a virtual TPM', async (_name, options) => {
    const vm = await evidenceOf(azureVmOf(launch(options)), CLAIMS);
    expect(verdictOf(vm, { roots: sim.roots }, measured(vm))).toBe('ok');
  });

  test('puts what is refused behind a virtual TPM, where it is refused too', async () => {
    const vm = await evidenceOf(azureVmOf(launch({ product: 'Turin', debug: true })), CLAIMS);
    expect(verdictOf(vm, { roots: sim.roots }, measured(vm))).toBe('no: debug');
  });

  test.each(['Milan', 'Genoa', 'Turin'] as const)('makes lists for a %s', async (product) => {
    const evidence = await evidenceOf(launch({ product }), CLAIMS);
    const verdict = (list: Uint8Array) =>
      verdictOf(evidence, { roots: sim.roots, revocationLists: [list] }, policy);
    expect(verdict(sim.platform.revocationList(product))).toBe('ok');
    expect(verdict(sim.platform.revocationList(product, { revoked: ['ask'] }))).toBe(
      'ERR_CERTIFICATE_CHAIN revoked',
    );
  });
});

test('the floors of these tests are those that the simulator meets exactly', async () => {
  const above = { ...policy, minimumTcb: { Genoa: { ...Genoa, snp: 29 } } };
  const evidence = await evidenceOf(launch(), CLAIMS);
  expect(verdictOf(evidence, { roots: sim.roots }, policy)).toBe('ok');
  expect(verdictOf(evidence, { roots: sim.roots }, { ...policy, ...above })).toMatch(
    /tcb\.reported\.snp/,
  );
});
