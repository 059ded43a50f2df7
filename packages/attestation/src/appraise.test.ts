import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { PRODUCTS } from '@strongroom/protocol/contract';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type AppraisalPolicy,
  AppraisalPolicySchema,
  appraisalPolicyFor,
  appraiseEvidence,
  type Challenge,
  withKillList,
} from './appraise.ts';
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
    ['a higher privilege level than agreed', {}, { guestPolicy: { vmpl: 2 } }, `vmpl ${REFUSED}`],
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

  test('says what was expected of a list, also of an empty one', async () => {
    const found = async (measurements: string[]) => {
      const verdict = await verdictFor({ image: [] }, { measurements });
      return verdict.accepted ? [] : verdict.mismatches.map(({ expected }) => expected);
    };
    expect(await found(['aa', 'bb'])).toEqual(['aa or bb']);
    expect(await found([])).toEqual(['none']);
  });

  test('names all mismatches together, with what was expected and found', async () => {
    const verdict = await verdictFor({ image: [], debug: true, vmpl: 3 });
    if (verdict.accepted) throw new TypeError('a refusal was expected');
    expect(verdict.mismatches.map(({ claim }) => claim)).toEqual(['measurement', 'vmpl', 'debug']);
    expect(verdict.mismatches[1]).toMatchObject({ expected: '0', found: '3' });
  });

  test('accepts what a policy names as acceptable', async () => {
    expect(await mismatches({ vmpl: 1 }, { guestPolicy: { vmpl: 1 } })).toEqual([]);
    expect(await mismatches({ signer: 'vlek' }, { endorsementKinds: ['vlek'] })).toEqual([]);
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

  test('of a product without one is zero for every part', async () => {
    const zero = { bootLoader: 0, tee: 0, snp: 0, microcode: 0, fmc: 0 };
    const tcb = { reported: zero, committed: zero, launch: zero, current: zero };
    const open = { products: [...PRODUCTS], minimumTcb: {} };
    expect(await mismatches({ product: 'Turin', tcb }, open)).toEqual([]);
  });

  test('is not outweighed by a microcode that is newer', async () => {
    const tcb = { snp: 27, microcode: 255 };
    const all = { tcb: { reported: tcb, committed: tcb, launch: tcb, current: tcb } };
    expect(await mismatches(all)).toHaveLength(4);
  });
});

const ID_KEY = new Uint8Array(48).fill(0x1d);
const AUTHOR_KEY = new Uint8Array(48).fill(0xa7);
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const idBlock = { idKeyDigest: ID_KEY, authorKeyDigest: AUTHOR_KEY, guestSvn: 5 };
const pinned = { idKeyDigests: [hexOf(ID_KEY)] };
const abi = (major: number, minor: number) => ({ guestPolicy: { minimumAbi: { major, minor } } });

type Case = [string, Partial<LaunchOptions>, Partial<AppraisalPolicy>, string[]];

describe('a demand of the policy', () => {
  test.each<Case>([
    ['an ID key', { idBlock }, { idBlock: pinned }, []],
    ['an ID key', {}, { idBlock: pinned }, ['idKeyDigest']],
    [
      'an author key',
      { idBlock },
      { idBlock: { ...pinned, authorKeyDigests: [hexOf(AUTHOR_KEY)] } },
      [],
    ],
    [
      'an author key',
      { idBlock: { ...idBlock, authorKeyDigest: ID_KEY } },
      { idBlock: { ...pinned, authorKeyDigests: [hexOf(AUTHOR_KEY)] } },
      ['authorKeyDigest'],
    ],
    [
      'an author key that signed nothing',
      { mutate: (report) => report.set(AUTHOR_KEY, 0x110), idBlock: { idKeyDigest: ID_KEY } },
      { idBlock: { ...pinned, authorKeyDigests: [hexOf(AUTHOR_KEY)] } },
      ['authorKeyWithoutFlag', 'authorKeyDigest'],
    ],
    [
      'no byte of a digest without its flag',
      { mutate: (report) => report.set([1], 0x110) },
      {},
      ['authorKeyWithoutFlag'],
    ],
    ['a GUEST_SVN', { idBlock }, { idBlock: { ...pinned, minimumGuestSvn: 5 } }, []],
    ['a GUEST_SVN', { idBlock }, { idBlock: { ...pinned, minimumGuestSvn: 6 } }, ['guestSvn']],
    ['a family', { idBlock }, { idBlock: { ...pinned, familyId: '00'.repeat(16) } }, []],
    ['a family', { idBlock }, { idBlock: { ...pinned, familyId: '01'.repeat(16) } }, ['familyId']],
    ['an image', { idBlock }, { idBlock: { ...pinned, imageId: '00'.repeat(16) } }, []],
    ['an image', { idBlock }, { idBlock: { ...pinned, imageId: '01'.repeat(16) } }, ['imageId']],
    ['SMT off', {}, { guestPolicy: { forbidden: ['smt'] } }, ['guestPolicy.smt']],
    ['SMT off', { guestPolicy: 0x20000n }, { guestPolicy: { forbidden: ['smt'] } }, []],
    [
      'one socket',
      {},
      { guestPolicy: { required: ['single-socket'] } },
      ['guestPolicy.single-socket'],
    ],
    [
      'one socket',
      { guestPolicy: 0x120000n },
      { guestPolicy: { required: ['single-socket'] } },
      [],
    ],
    ['an ABI', { guestPolicy: 0x30137n }, abi(1, 0x37), []],
    ['an ABI', { guestPolicy: 0x30136n }, abi(1, 0x37), ['guestPolicy.abi']],
    ['an ABI', { guestPolicy: 0x30200n }, abi(1, 0x37), []],
    ['an ABI', { guestPolicy: 0x300ffn }, abi(1, 0), ['guestPolicy.abi']],
    ['the alias check', {}, { platformInfo: { required: ['alias-check'] } }, []],
    [
      'the alias check',
      { platformInfo: 0x5n },
      { platformInfo: { required: ['alias-check'] } },
      ['platformInfo.alias-check'],
    ],
    [
      'no memory key of the host',
      { platformInfo: 0x27n },
      { platformInfo: { forbidden: ['tsme'] } },
      ['platformInfo.tsme'],
    ],
    ['no unknown bit', { platformInfo: 0x125n }, {}, []],
    [
      'no unknown bit',
      { platformInfo: 0x125n },
      { platformInfo: { unknownBits: 'refused' } },
      ['platformInfo.unknown'],
    ],
    ['mitigations', { version: 5 }, { mitigations: { launch: '3f', current: '21' } }, []],
    [
      'mitigations',
      { version: 5, mitigations: { launch: 0x1fn, current: 0x3fn } },
      { mitigations: { launch: '3f', current: '3f' } },
      ['mitigations.launch'],
    ],
    [
      'mitigations that an old report does not tell',
      {},
      { mitigations: { current: '0' } },
      ['mitigations.current'],
    ],
    [
      'a provider',
      { signer: 'vlek' },
      { endorsementKinds: ['vlek'], providers: ['CN=cloud.simulated.invalid'] },
      [],
    ],
    [
      'a provider',
      { signer: 'vlek' },
      { endorsementKinds: ['vlek'], providers: ['CN=other.invalid'] },
      ['provider'],
    ],
    ['a revocation list', {}, { revocationList: 'required' }, ['revocation']],
    ['host data, one of many', {}, { hostData: ['00'.repeat(32), 'ab'.repeat(32)] }, []],
    ['products by name', {}, { products: ['Turin'] }, ['product']],
    ['products by name, without a floor', {}, { products: ['Genoa'], minimumTcb: {} }, []],
  ])('for %s: %#', async (_name, options, more, expected) => {
    const claims = (await mismatches(options, more)).map((each) => each.split(' ')[0]);
    expect(claims).toEqual(expected);
  });

  test('for bits and vectors says in hexadecimal what was found', async () => {
    const verdict = await verdictFor(
      { version: 5, platformInfo: 0xab25n, mitigations: { launch: 0x1fn, current: 0x3fn } },
      { platformInfo: { unknownBits: 'refused' }, mitigations: { launch: '3f' } },
    );
    const found = verdict.accepted ? [] : verdict.mismatches.map((each) => each.found);
    expect(found).toEqual(['ab00', '1f']);
  });

  const firmware = (major: number, minor: number, build: number) => ({
    firmware: { current: { major, minor, build }, committed: { major, minor, build } },
  });
  const FIRMWARE_FLOOR = { minimumFirmware: { Genoa: { major: 1, minor: 54, build: 20 } } };

  test('for firmware is judged as a version: build counts last', async () => {
    expect(await mismatches(firmware(1, 55, 9), FIRMWARE_FLOOR)).toEqual([]);
    expect(await mismatches(firmware(2, 0, 0), FIRMWARE_FLOOR)).toEqual([]);
    expect(await mismatches(firmware(1, 54, 20), FIRMWARE_FLOOR)).toEqual([]);
    for (const old of [firmware(1, 54, 19), firmware(1, 53, 99), firmware(0, 99, 99)]) {
      const both = [`firmware.current ${REFUSED}`, `firmware.committed ${REFUSED}`];
      expect(await mismatches(old, FIRMWARE_FLOOR)).toEqual(both);
    }
  });

  test('for microcode counts each die apart', async () => {
    const bergamo = { cpu: { family: 0x19, model: 0xa0, stepping: 2 } };
    const tcb = { microcode: 27 };
    const old = { ...bergamo, tcb: { reported: tcb, committed: tcb, launch: tcb, current: tcb } };
    const floor = { bootLoader: 10, tee: 0, snp: 28, microcode: 86 };
    const by = (microcodeOf: object) => ({ minimumTcb: { Genoa: { ...floor, microcodeOf } } });
    expect(await mismatches(old)).toHaveLength(4);
    expect(await mismatches(old, by({ Bergamo: 27 }))).toEqual([]);
    expect(await mismatches(old, by({ Bergamo: 28 }))).toHaveLength(4);
    expect(await mismatches(old, by({ 'Genoa-X': 0 }))).toHaveLength(4);
  });
});

describe('the kill list', () => {
  const chipIdOf = async (product: 'Genoa' | 'Turin') => {
    const evidence = await evidenceOf(platform.launch({ ...launched, product }), CLAIMS);
    const report = Buffer.from(evidence.report, 'base64url');
    return report.subarray(0x1a0, 0x1e0).toString('hex');
  };

  test('refuses a chip, by all of its id or by the 8 bytes of a Turin', async () => {
    const [genoa, turin] = [await chipIdOf('Genoa'), await chipIdOf('Turin')];
    const killed = [`killList.chipId ${REFUSED}`];
    expect(await mismatches({}, { killList: { chipIds: [genoa] } })).toEqual(killed);
    expect(await mismatches({}, { killList: { chipIds: [genoa.slice(0, 16)] } })).toEqual([]);
    const all = { products: ['Turin' as const], minimumTcb: {} };
    const short = { ...all, killList: { chipIds: [turin.slice(0, 16)] } };
    expect(await mismatches({ product: 'Turin' }, short)).toEqual(killed);
  });

  test('refuses who shows no chip id, as a killed chip could with another key', async () => {
    const provided = { endorsementKinds: ['vlek' as const] };
    const chipIds = [await chipIdOf('Genoa')];
    expect(await mismatches({ signer: 'vlek' }, { ...provided, killList: { chipIds } })).toEqual([
      `killList.chipId ${REFUSED}`,
    ]);
    const killList = { products: ['Milan' as const] };
    expect(await mismatches({ signer: 'vlek' }, { ...provided, killList })).toEqual([]);
  });

  test('refuses a product and a version, whatever the floors say', async () => {
    expect(await mismatches({}, { killList: { products: ['Genoa'] } })).toEqual([
      `killList.product ${REFUSED}`,
    ]);
    const killed = async (parts: object, options: Partial<LaunchOptions> = {}) =>
      mismatches(options, { killList: { tcbs: [{ product: 'Genoa', ...parts }] } });
    expect(await killed({ snp: 28, microcode: 86 })).toEqual([`killList.tcb ${REFUSED}`]);
    expect(await killed({ snp: 28, microcode: 87 })).toEqual([]);
    const launch = { tcb: { launch: { microcode: 90 } } };
    expect(await killed({ microcode: 90 }, launch)).toEqual([`killList.tcb ${REFUSED}`]);
    const turin = { killList: { tcbs: [{ product: 'Turin' as const, snp: 28 }] } };
    expect(await mismatches({}, turin)).toEqual([]);
  });

  test('grows without a new contract and never shrinks', () => {
    const before = withKillList(POLICY, { products: ['Milan'] });
    const chipIds = ['ab'.repeat(64)];
    const after = withKillList(before, { chipIds, products: ['Turin'] });
    expect(after.killList).toEqual({ chipIds, products: ['Milan', 'Turin'] });
    const tcbs = [{ product: 'Genoa' as const, snp: 22 }];
    const last = withKillList(withKillList(after, { tcbs }), { chipIds: ['cd'.repeat(64)] });
    expect(last.killList).toEqual({
      chipIds: [...chipIds, 'cd'.repeat(64)],
      products: ['Milan', 'Turin'],
      tcbs,
    });
    expect(AppraisalPolicySchema.parse(withKillList(POLICY, {}))).toEqual({
      ...POLICY,
      killList: {},
    });
  });
});

describe('known weaknesses', () => {
  const open = async (options: Partial<LaunchOptions>) =>
    (await verdictFor(options)).openAdvisories.map(({ name }) => name);

  test('are named in every verdict, also in one that accepts', async () => {
    expect(await open({})).toEqual(['IOMMU writes', 'Heracles']);
    expect(await open({ platformInfo: 0x75n })).toEqual([]);
    expect(await open({ product: 'Turin', version: 5 })).toEqual(['Heracles']);
    expect(await open({ product: 'Milan' })).toEqual(['IOMMU writes', 'Heracles', 'BadFuse']);
  });

  test('are judged by the lowest version under which the guest may have run', async () => {
    expect(await open({ platformInfo: 0x75n, tcb: { launch: { snp: 22 } } })).toEqual([
      'EntrySign',
      'RMPocalypse',
      'IOMMU writes',
      'Fabricked',
    ]);
    expect(await open({ platformInfo: 0x75n, tcb: { current: { microcode: 85 } } })).toEqual([
      'RMPocalypse',
      'StackWarp',
    ]);
    const smtOff = { guestPolicy: 0x20000n, tcb: { current: { microcode: 85 } } };
    expect(await open({ platformInfo: 0x75n, ...smtOff })).toEqual(['RMPocalypse']);
    expect(await open({ platformInfo: 0x55n })).toEqual(['BadRAM']);
    const turin = { product: 'Turin' as const, platformInfo: 0x75n };
    expect(await open({ ...turin, tcb: { launch: { snp: 0 } } })).toEqual(['RMPocalypse']);
    expect(await open({ tcb: { launch: { microcode: 0 } }, platformInfo: 0x75n })).toEqual([
      ...['EntrySign', 'RMPocalypse', 'StackWarp'],
    ]);
  });
});

describe('a preset of floors', () => {
  const PRESETS = ['badram', 'entrysign', 'rmpocalypse', '2026-05'] as const;
  const refusing = async (options: Partial<LaunchOptions>) => {
    const found: string[] = [];
    for (const floorPreset of PRESETS) {
      const policy = { floorPreset, products: [...PRODUCTS], minimumTcb: {} };
      if ((await mismatches(options, policy)).length > 0) found.push(floorPreset);
    }
    return found;
  };
  const everywhere = (tcb: Partial<Tcb>) => ({
    tcb: { reported: tcb, committed: tcb, launch: tcb, current: tcb },
  });

  test.each<[string, Partial<LaunchOptions>, number]>([
    ['Genoa of today', {}, 4],
    ['Genoa before Fabricked', everywhere({ snp: 27 }), 3],
    ['Genoa before RMPocalypse', everywhere({ snp: 26 }), 2],
    ['Genoa with microcode before RMPocalypse', everywhere({ microcode: 85 }), 2],
    ['Genoa with microcode before EntrySign', everywhere({ microcode: 83 }), 1],
    ['Genoa before EntrySign', everywhere({ snp: 22 }), 1],
    ['Genoa before BadRAM', everywhere({ snp: 21 }), 0],
    ['Genoa without the alias check', { platformInfo: 0x5n }, 0],
    [
      'Bergamo',
      { cpu: { family: 25, model: 0xa0, stepping: 2 }, ...everywhere({ microcode: 27 }) },
      4,
    ],
    [
      'Bergamo, old',
      { cpu: { family: 25, model: 0xa0, stepping: 2 }, ...everywhere({ microcode: 24 }) },
      1,
    ],
    [
      'Genoa-X',
      { cpu: { family: 25, model: 0x11, stepping: 2 }, ...everywhere({ microcode: 0x51 }) },
      4,
    ],
    ['Milan of today', { product: 'Milan' }, 4],
    ['Milan before BreakFAST', { product: 'Milan', ...everywhere({ snp: 28 }) }, 3],
    [
      'Milan-X',
      {
        product: 'Milan',
        cpu: { family: 25, model: 1, stepping: 2 },
        ...everywhere({ microcode: 0x47 }),
      },
      4,
    ],
    ['Turin of today', { product: 'Turin' }, 4],
    ['Turin before StackWarp', { product: 'Turin', ...everywhere({ microcode: 80 }) }, 3],
    ['Turin before RMPocalypse', { product: 'Turin', ...everywhere({ snp: 3 }) }, 2],
  ])('accepts %s up to its own place', async (_name, options, accepted) => {
    expect(await refusing(options)).toEqual(PRESETS.slice(accepted));
  });
});

describe('the challenge', () => {
  const contract = ContractIdSchema.parse('cd'.repeat(32));
  const nonce = 'A'.repeat(43);
  const claims = canonicalBytes({
    contract,
    keys: [
      { e: 'AQAB', key_ops: ['encrypt'], kid: 'transport', kty: 'RSA', n: `w${'A'.repeat(511)}` },
      { crv: 'Ed25519', key_ops: ['verify'], kid: 'aggregates', kty: 'OKP', x: 'A'.repeat(43) },
    ],
    nonce,
    purpose: 'strongroom/worker/v1',
  });
  const answer = { nonce, issuedAt: 1_000, now: 6_000, ageMsMax: 5_000 };

  async function found(
    challenge: Challenge | undefined,
    bytes: Uint8Array = claims,
    policy: AppraisalPolicy = { ...POLICY, contract },
  ) {
    const evidence = await evidenceOf(platform.launch(launched), bytes);
    const verified = verifyEvidence(evidence, { roots, clock: systemClock });
    const verdict = appraiseEvidence(verified, policy, challenge);
    return verdict.accepted ? [] : verdict.mismatches.map(({ claim }) => claim);
  }

  test('is answered by its nonce, for this contract and in time', async () => {
    expect(await found(answer)).toEqual([]);
    expect(await found({ ...answer, nonce: `B${nonce.slice(1)}` })).toEqual(['nonce']);
    expect(await found({ ...answer, now: 6_001 })).toEqual(['age']);
    expect(await found({ ...answer, now: 999 })).toEqual(['age']);
    const other = new TextDecoder().decode(claims).replace('cdcd', 'cdce');
    expect(await found(answer, new TextEncoder().encode(other))).toEqual(['contract']);
  });

  test('counts for nothing when the report binds other claims', async () => {
    const evidence = await evidenceOf(
      platform.launch({ ...launched, mutate: (report) => report.fill(1, 0x050, 0x051) }),
      claims,
    );
    const verified = verifyEvidence(evidence, { roots, clock: systemClock });
    const verdict = appraiseEvidence(verified, { ...POLICY, contract }, answer);
    const found = verdict.accepted ? [] : verdict.mismatches.map(({ claim }) => claim);
    expect(found).toEqual(['reportData']);
  });

  test('to a running worker and that of a start have claims of their own', async () => {
    const { keys } = JSON.parse(new TextDecoder().decode(claims));
    const purpose = 'strongroom/evidence/v1';
    const onDemand = canonicalBytes({ contract, keys: [keys[1]], nonce, purpose });
    const both = canonicalBytes({ contract, keys, nonce, purpose });
    expect(await found({ ...answer, onDemand: true }, onDemand)).toEqual([]);
    for (const wrong of [claims, both]) {
      expect(await found({ ...answer, onDemand: true }, wrong)).toEqual(['contract', 'nonce']);
    }
    for (const wrong of [onDemand, both]) {
      expect(await found(answer, wrong)).toEqual(['contract', 'nonce']);
      expect(await found(undefined, wrong)).toEqual(['contract']);
    }
  });

  test('may be answered at once, and not with a mark before the claims', async () => {
    expect(await found({ ...answer, now: answer.issuedAt })).toEqual([]);
    const marked = Uint8Array.of(0xef, 0xbb, 0xbf, ...claims);
    expect(await found(answer, marked)).toEqual(['contract', 'nonce']);
  });

  test('and the contract are demanded each for itself', async () => {
    const other = new TextEncoder().encode('{}');
    expect(await found(undefined, other)).toEqual(['contract']);
    expect(await found(answer, other, POLICY)).toEqual(['nonce']);
    expect(await found({ ...answer, now: 6_001 }, claims, POLICY)).toEqual(['age']);
    expect(await found(undefined, other, POLICY)).toEqual([]);
  });

  test.each([
    ['no claims', ''],
    ['other claims', '{"purpose":"test"}'],
    ['bytes that are no text', '\ufffd'],
  ])('is not answered by %s', async (_name, text) => {
    const bytes = text === '\ufffd' ? Uint8Array.of(0xff) : new TextEncoder().encode(text);
    expect(await found(answer, bytes)).toEqual(['contract', 'nonce']);
  });
});

describe('the policy of a contract', () => {
  const enclave = {
    platform: 'simulated' as const,
    measurements: [{ name: 'worker', sha384: 'cd'.repeat(48) }],
    minimumTcb: POLICY.minimumTcb,
  };
  const contractId = 'ef'.repeat(32);

  test('demands platform, products, code and the contract itself', () => {
    expect(appraisalPolicyFor({ enclave }, contractId)).toEqual({
      platform: 'simulated',
      products: ['Genoa'],
      minimumTcb: POLICY.minimumTcb,
      measurements: ['cd'.repeat(48)],
      hostData: contractId,
      contract: contractId,
    });
  });

  test('takes over every demand', () => {
    const demands = {
      products: ['Genoa' as const],
      floorPreset: '2026-05' as const,
      killList: { products: ['Milan' as const] },
      hostData: ['01'.repeat(32)],
      revocationList: 'required' as const,
    };
    const policy = appraisalPolicyFor({ enclave: { ...enclave, ...demands } }, contractId);
    expect(policy).toMatchObject(demands);
  });

  test('accepts Milan only where it is named', () => {
    const of = (more: object) =>
      appraisalPolicyFor({ enclave: { ...enclave, ...more } }, contractId).products;
    expect(of({ platform: 'amd', minimumTcb: {} })).toEqual(['Genoa', 'Turin']);
    expect(of({ minimumTcb: {} })).toEqual([...PRODUCTS]);
    const Milan = { bootLoader: 4, tee: 0, snp: 29, microcode: 222 };
    expect(of({ platform: 'amd', minimumTcb: { Milan } })).toEqual(['Milan']);
    expect(of({ platform: 'amd', minimumTcb: {}, products: ['Milan'] })).toEqual(['Milan']);
  });

  test('is refused when it believes a GUEST_SVN without an ID key', () => {
    const idBlock = { minimumGuestSvn: 3, idKeyDigests: [] };
    const compile = () => appraisalPolicyFor({ enclave: { ...enclave, idBlock } }, contractId);
    expect(compile).toThrow(
      expect.objectContaining({
        code: 'ERR_CONTRACT_MALFORMED',
        facts: { place: 'enclave.idBlock.idKeyDigests' },
      }),
    );
  });
});
