import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AppraisalPolicy, appraisalPolicyFor, appraiseEvidence } from './appraise.ts';
import {
  type LaunchOptions,
  measureImage,
  type SimulatedPlatform,
  simulatedRoots,
} from './insecure.ts';
import type { RootSet } from './roots.ts';
import type { Tcb } from './snp/tcb.ts';
import { verifyEvidence } from './verify.ts';

const CLAIMS = new TextEncoder().encode('{"purpose":"test"}');
const IMAGE = [new TextEncoder().encode('worker')];
const launched = { image: IMAGE, hostData: new Uint8Array(32).fill(0xab) };

const POLICY: AppraisalPolicy = {
  platform: 'simulated',
  minimumTcb: { Genoa: { bootLoader: 10, tee: 0, snp: 28, microcode: 86 } },
  measurements: ['00'.repeat(48), measureImage(IMAGE)],
  hostData: 'ab'.repeat(32),
};

let platform: SimulatedPlatform;
let roots: RootSet;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  platform = shared.platform;
  roots = simulatedRoots(shared.folder);
}, 60_000);

async function verdictFor(
  options: Partial<LaunchOptions> = {},
  more: Partial<AppraisalPolicy> = {},
) {
  const evidence = await evidenceOf(platform.launch({ ...launched, ...options }), CLAIMS);
  const verified = verifyEvidence(evidence, { roots, clock: systemClock });
  return appraiseEvidence(verified, { ...POLICY, ...more });
}

/** "claim CODE" of every mismatch. */
async function mismatches(options: Partial<LaunchOptions>, more: Partial<AppraisalPolicy> = {}) {
  const verdict = await verdictFor(options, more);
  return verdict.accepted ? [] : verdict.mismatches.map(({ claim, code }) => `${claim} ${code}`);
}

const REFUSED = 'ERR_APPRAISAL_REFUSED';

describe('appraisal', () => {
  test('accepts what was agreed on', async () => {
    expect((await verdictFor()).accepted).toBe(true);
  });

  test.each<[string, Partial<LaunchOptions>, Partial<AppraisalPolicy>, string]>([
    ['another platform', {}, { platform: 'amd' }, 'platform ERR_ROOT_KIND'],
    ['another product', { product: 'Milan' }, {}, `product ${REFUSED}`],
    ['other code', { image: [CLAIMS] }, {}, 'measurement ERR_MEASUREMENT_MISMATCH'],
    ['other host data', { hostData: new Uint8Array(32) }, {}, `hostData ${REFUSED}`],
    ['a guest that can be debugged', { debug: true }, {}, `debug ${REFUSED}`],
    ['a lower privilege level', { vmpl: 1 }, {}, `vmpl ${REFUSED}`],
    ['a higher privilege level than agreed', {}, { vmpl: 2 }, `vmpl ${REFUSED}`],
    ['a key of a provider', { signer: 'vlek' }, {}, `signer ${REFUSED}`],
    [
      'a guest that may migrate',
      { mutate: (report) => report.fill(0x07, 0x00a, 0x00b) },
      {},
      `migration ${REFUSED}`,
    ],
    [
      'a guest with a migration agent',
      { mutate: (report) => report.fill(0, 0x160, 0x180) },
      {},
      `migrationAgent ${REFUSED}`,
    ],
    [
      'firmware that can be rolled back',
      { tcb: { current: { microcode: 200 } } },
      {},
      `provisionalFirmware ${REFUSED}`,
    ],
    [
      'a firmware build that is not committed',
      { firmware: { current: { major: 1, minor: 55, build: 60 } } },
      {},
      `provisionalFirmware ${REFUSED}`,
    ],
    [
      'claims that the report does not bind',
      { mutate: (report) => report.fill(1, 0x050, 0x051) },
      {},
      'reportData ERR_REPORT_DATA_MISMATCH',
    ],
    [
      'a second half of REPORT_DATA that is not zero',
      { mutate: (report) => report.fill(1, 0x08f, 0x090) },
      {},
      'reportData ERR_REPORT_DATA_MISMATCH',
    ],
  ])('refuses %s', async (_name, options, more, expected) => {
    expect(await mismatches(options, more)).toEqual([expected]);
  });

  test('names all mismatches together, with what was expected and found', async () => {
    const verdict = await verdictFor({ image: [], debug: true, vmpl: 3 });
    if (verdict.accepted) throw new TypeError('a refusal was expected');
    expect(verdict.mismatches.map(({ claim }) => claim)).toEqual(['measurement', 'vmpl', 'debug']);
    expect(verdict.mismatches[1]).toMatchObject({ expected: '0', found: '3' });
  });

  test('accepts what a policy names as acceptable', async () => {
    expect(await mismatches({ vmpl: 1 }, { vmpl: 1 })).toEqual([]);
    expect(await mismatches({ signer: 'vlek' }, { providerKeys: 'accepted' })).toEqual([]);
    const provisional = { tcb: { current: { microcode: 200 } } };
    expect(await mismatches(provisional, { provisionalFirmware: 'accepted' })).toEqual([]);
  });

  test('without a floor for a product does not accept it', async () => {
    expect(await mismatches({}, { minimumTcb: {} })).toEqual([`product ${REFUSED}`]);
  });
});

describe('the floor', () => {
  const accepted = { provisionalFirmware: 'accepted' as const };
  const parts: [keyof Tcb, number][] = [
    ['bootLoader', 9],
    ['snp', 27],
    ['microcode', 85],
  ];

  test.each(parts)('holds for each part alone: %s', async (part, below) => {
    for (const which of ['reported', 'committed', 'launch', 'current'] as const) {
      const low = { tcb: { [which]: { [part]: below, snp: part === 'snp' ? below : 255 } } };
      expect(await mismatches(low, accepted)).toEqual([`tcb.${which}.${part} ${REFUSED}`]);
    }
  });

  test('is not outweighed by a microcode that is newer', async () => {
    const tcb = { snp: 27, microcode: 255 };
    const all = { tcb: { reported: tcb, committed: tcb, launch: tcb, current: tcb } };
    expect(await mismatches(all)).toHaveLength(4);
  });
});

test('a contract demands its platform, products, code and itself as host data', () => {
  const enclave = {
    platform: 'simulated' as const,
    measurements: [{ name: 'worker', sha384: 'cd'.repeat(48) }],
    minimumTcb: POLICY.minimumTcb,
    authorities: [],
  };
  const policy = appraisalPolicyFor({ enclave }, 'ef'.repeat(32));
  expect(policy).toEqual({
    platform: 'simulated',
    minimumTcb: POLICY.minimumTcb,
    measurements: ['cd'.repeat(48)],
    hostData: 'ef'.repeat(32),
  });
});
