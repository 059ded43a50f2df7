import { appraiseEvidence } from '@strongroom/attestation/appraise';
import type { LaunchOptions } from '@strongroom/attestation/insecure';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { parseCertificateTable } from '@strongroom/attestation/snp/certificate-table';
import { EXTENSIONS, readEndorsement } from '@strongroom/attestation/snp/endorsement';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { parseCertificate } from '@strongroom/attestation/x509/certificate';
import type { CertificateFacts } from '@strongroom/attestation/x509/write-certificate';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  authoritiesOf,
  bytesOf,
  hasFixtures,
  leafOf,
  pemOf,
  reportOf,
} from './attestation-fixtures.ts';
import {
  POLICY,
  PRODUCTS,
  type Simulated,
  simulated,
  splitChain,
  verdictOf,
  withReport,
} from './attestation-simulated.ts';

/**
 * The list of cases that a verifier of SEV-SNP evidence must get right, collected from the suites
 * and the mistakes of others; each test bears its number. Numbers that are not here belong to
 * Azure's forms of evidence and to tokens.
 */

const MARCH_2026 = Date.parse('2026-03-01T00:00:00Z');
const JUNE_2025 = Date.parse('2025-06-01T00:00:00Z');
const TEV = 'tee-attestation-verification';
const NO_FLOOR = { bootLoader: 0, tee: 0, snp: 0, microcode: 0 };

let sim: Simulated;
beforeAll(async () => {
  sim = await simulated();
}, 60_000);

const real = (report: string, leaf: string, product: string): Evidence => ({
  report: Buffer.from(reportOf(report)).toString('base64url'),
  certificateChain: pemOf(leafOf(leaf)) + authoritiesOf(product),
  runtimeClaims: '',
});
const golden = (product: string, leaf = `${product}_vcek.pem`): Evidence =>
  real(
    `${TEV}/${product}_attestation_report.bin`,
    `${TEV}/${leaf}`,
    `${product[0]?.toUpperCase()}${product.slice(1)}`,
  );

/** Of real evidence: whose claims are not ours, whatever it binds. */
function realVerdict(evidence: Evidence, more: object = {}, now = MARCH_2026): string {
  try {
    const verified = verifyEvidence(evidence, { roots: AMD_ROOTS, clock: { now: () => now } });
    const { measurement, hostData } = verified.facts.report;
    const verdict = appraiseEvidence(verified, {
      platform: 'amd',
      minimumTcb: { Milan: NO_FLOOR, Genoa: NO_FLOOR, Turin: NO_FLOOR },
      measurements: [Buffer.from(measurement).toString('hex')],
      hostData: Buffer.from(hostData).toString('hex'),
      ...more,
    });
    const claims = verdict.accepted ? [] : verdict.mismatches.map(({ claim }) => claim);
    const found = claims.filter((claim) => claim !== 'reportData');
    return found.length === 0 ? `ok ${verified.facts.product}` : `no: ${found.join(' ')}`;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${error.code} ${error.facts['check'] ?? ''}`.trim();
  }
}

const VLEK = () => real('trustee/snp/test-vlek-report.bin', 'trustee/snp/test-vlek.der', 'Milan');

describe.runIf(hasFixtures)('real evidence', () => {
  test.each<[string, string, () => Evidence, string]>([
    ['1', 'Milan version 3', () => golden('milan'), 'ok Milan'],
    ['2', 'a re-issued VCEK', () => golden('milan', 'milan_vcek_reissue.pem'), 'ok Milan'],
    ['3', 'Genoa version 3 with TSME', () => golden('genoa'), 'ok Genoa'],
    ['4', 'Turin version 5', () => golden('turin'), 'ok Turin'],
    [
      '5',
      'Bergamo version 5',
      () =>
        real(
          'attestation-rs/snp/live-evidence-genoa.report.bin',
          'attestation-rs/snp/live-evidence-genoa.vcek.der',
          'Genoa',
        ),
      'ok Genoa',
    ],
    [
      '6',
      'Milan version 2, its product from the chain',
      () => real('automata/output.report.bin', 'automata/output.vcek.der', 'Milan'),
      'ok Milan',
    ],
    [
      '7',
      'a debug policy',
      () => real('go-sev-guest/attestation.bin', 'go-sev-guest/vcek.testcer', 'Milan'),
      'no: debug',
    ],
    [
      '8',
      'provisional microcode',
      () => real('trustee/az-snp-vtpm/hcl-report.bin@32', 'trustee/az-snp-vtpm/vcek.pem', 'Milan'),
      'no: provisionalFirmware',
    ],
    ['10', 'a VLEK that has expired', VLEK, 'ERR_CERTIFICATE_CHAIN expired'],
    [
      '15',
      'a VCEK of another chip with the same versions',
      () => real('automata/output.report.bin', 'automata/other_chip.vcek.der', 'Milan'),
      'ERR_CERTIFICATE_CHAIN chip-id',
    ],
  ])('%s: %s', (_number, _name, make, expected) => {
    expect(realVerdict(make())).toBe(expected);
  });

  test('4: the versions of a Turin stand in its own order', () => {
    const clock = { now: () => MARCH_2026 };
    const { facts } = verifyEvidence(golden('turin'), { roots: AMD_ROOTS, clock });
    const tcb = { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 };
    expect(facts.tcb).toEqual({ reported: tcb, current: tcb, committed: tcb, launch: tcb });
    expect(facts.platformInfo.bits.has('iommu-write-safe')).toBe(true);
    expect(facts.report.mitigations).toEqual({ launch: 0x3fn, current: 0x3fn });
    expect(facts.report.chipId.subarray(8).every((byte) => byte === 0)).toBe(true);
  });

  test('8, 9: what is provisional, a lower privilege or a VLEK passes where it is named', () => {
    const provisional = real(
      'trustee/az-snp-vtpm/hcl-report.bin@32',
      'trustee/az-snp-vtpm/vcek.pem',
      'Milan',
    );
    expect(realVerdict(provisional, { provisionalFirmware: 'accepted' })).toBe('ok Milan');
    expect(realVerdict(VLEK(), {}, JUNE_2025)).toBe('no: signer vmpl provisionalFirmware');
    const named = {
      guestPolicy: { vmpl: 1 },
      endorsementKinds: ['vlek'],
      providers: ['CN=cc-us-east-2.amazonaws.com'],
      provisionalFirmware: 'accepted',
    };
    expect(realVerdict(VLEK(), named, JUNE_2025)).toBe('ok Milan');
    expect(realVerdict(VLEK(), { ...named, providers: ['CN=other'] }, JUNE_2025)).toBe(
      'no: provider',
    );
  });

  test('11, 14: ASK for ASVK, ASVK for ASK, ARK for ASK, ASK of another product', () => {
    const [ask = '', ark = '', asvk = ''] = splitChain(authoritiesOf('Milan'));
    const [genoaAsk = ''] = splitChain(authoritiesOf('Genoa'));
    const chain = (leaf: string, ...rest: string[]) => pemOf(leafOf(leaf)) + rest.join('');
    const missing = 'ERR_CERTIFICATE_CHAIN missing';
    const vlek = 'trustee/snp/test-vlek.der';
    const vcek = `${TEV}/milan_vcek.pem`;
    const milan = (certificateChain: string) =>
      realVerdict({ ...golden('milan'), certificateChain });
    const swapped = { ...VLEK(), certificateChain: chain(vlek, ask, ark) };
    expect(realVerdict(swapped, {}, JUNE_2025)).toBe(missing);
    expect(milan(chain(vcek, asvk, ark))).toBe(missing);
    expect(milan(chain(vcek, ark, ark))).toBe(missing);
    expect(milan(chain(vcek, genoaAsk, ark))).toBe(missing);
    expect(milan(chain(vcek, ask, ark))).toBe('ok Milan');
  });

  test('13: two spellings of a chip id in forged VCEKs', () => {
    for (const spelling of ['legacy', 'new']) {
      const leaf = bytesOf(`trustee/snp/test-vcek-invalid-${spelling}.der`);
      const { hardwareId } = readEndorsement(parseCertificate(leaf), 'vcek');
      expect(hardwareId).toEqual(Uint8Array.from({ length: 64 }, (_, index) => index));
      const certificateChain = pemOf(leaf) + authoritiesOf('Milan');
      const verdict = realVerdict({ ...golden('milan'), certificateChain });
      expect(verdict).toMatch(/^ERR_CERTIFICATE_CHAIN/);
    }
  });

  test('17: every length but one is refused by its length', () => {
    const report = reportOf(`${TEV}/milan_attestation_report.bin`);
    const long = new Uint8Array(4_000);
    long.set(report);
    const lengths = [...Array(1_184).keys(), 1_185, 2_000, 4_000];
    for (const length of lengths) {
      const cut = Buffer.from(long.subarray(0, length)).toString('base64url');
      expect([length, realVerdict({ ...golden('milan'), report: cut })]).toEqual([
        length,
        'ERR_REPORT_MALFORMED length',
      ]);
    }
  });

  test('28: a report that binds nothing where a binding is expected', () => {
    const clock = { now: () => MARCH_2026 };
    const verified = verifyEvidence(golden('milan'), { roots: AMD_ROOTS, clock });
    const verdict = appraiseEvidence(verified, { ...POLICY, platform: 'amd' });
    const claims = verdict.accepted ? [] : verdict.mismatches.map(({ claim }) => claim);
    expect(claims).toContain('reportData');
  });
});

const MALFORMED = 'ERR_REPORT_MALFORMED';
const CHAIN = 'ERR_CERTIFICATE_CHAIN';
const SIGNATURE = 'ERR_REPORT_SIGNATURE';
const set = (offset: number, ...bytes: number[]): Partial<LaunchOptions> => ({
  mutate: (report) => report.set(bytes, offset),
});
const leafWith = (type: string, ...value: number[]): Partial<LaunchOptions> => ({
  mutateLeaf: (facts) => withExtension(facts, type, Uint8Array.from(value)),
});
const leafWithout = (type: string): Partial<LaunchOptions> => ({
  mutateLeaf: (facts) => ({
    ...facts,
    extensions: new Map([...facts.extensions].filter(([each]) => each !== type)),
  }),
});
const withExtension = (facts: CertificateFacts, type: string, value: Uint8Array) => ({
  ...facts,
  extensions: new Map([...facts.extensions, [type, { critical: false, value }]]),
});
const wrapChipId: Partial<LaunchOptions> = {
  mutateLeaf: (facts) => {
    const raw = facts.extensions.get(EXTENSIONS.hardwareId)?.value ?? new Uint8Array(0);
    return withExtension(facts, EXTENSIONS.hardwareId, Uint8Array.of(4, raw.length, ...raw));
  },
};

type Case = [number: number, name: string, options: Partial<LaunchOptions>, expected: string];

const SIGNED_AGAIN: Case[] = [
  ...[0x4c, 0x4d, 0x4e, 0x4f, 0x1eb, 0x1ef, 0x2d0, 0x332].map(
    (at): Case => [18, `reserved byte 0x${at.toString(16)}`, set(at, 1), `${MALFORMED} reserved`],
  ),
  [18, 'reserved byte 0x18b of version 3', set(0x18b, 1), `${MALFORMED} reserved`],
  [18, 'reserved 0x188 of version 2', { version: 2, ...set(0x188, 1) }, `${MALFORMED} reserved`],
  [18, 'reserved 0x1f8 of version 3', set(0x1f8, 1), `${MALFORMED} reserved`],
  [18, 'reserved 0x209 of version 5', { version: 5, ...set(0x209, 1) }, `${MALFORMED} reserved`],
  [19, 'policy without bit 17', { guestPolicy: 0x10000n }, `${MALFORMED} policy-form`],
  [19, 'policy with bit 26', { guestPolicy: 0x4030000n }, `${MALFORMED} policy-form`],
  [19, 'policy with bit 63', { guestPolicy: (1n << 63n) | 0x30000n }, `${MALFORMED} policy-form`],
  ...[0, 1, 6, 7, 255].map(
    (version): Case => [20, `version ${version}`, set(0, version), `${MALFORMED} version`],
  ),
  [20, 'version 4', { version: 4 }, `${MALFORMED} version`],
  [20, 'version 2 with a high byte', { version: 2, ...set(3, 1) }, `${MALFORMED} version`],
  [21, 'signature algorithm 0', set(0x34, 0), `${MALFORMED} signature-algorithm`],
  [21, 'signature algorithm 2', set(0x34, 2), `${MALFORMED} signature-algorithm`],
  [21, 'a masked chip key', { masked: 'chip-key' }, `${SIGNATURE} not-signed`],
  [21, 'signing key 2', set(0x48, 2 << 2), `${MALFORMED} key-info`],
  [21, 'signing key 7', set(0x48, 7 << 2), `${SIGNATURE} not-signed`],
  [21, 'key info with bit 5', set(0x48, 1 << 5), `${MALFORMED} key-info`],
  [22, 'a report that the host asked for', { hostRequested: true }, `${MALFORMED} vmpl`],
  [22, 'privilege level 4', { vmpl: 4 }, `${MALFORMED} vmpl`],
  [25, 'firmware 1.55.9', firmware(1, 55, 9), 'ok'],
  [25, 'firmware 2.0.0', firmware(2, 0, 0), 'ok'],
  [25, 'firmware 1.54.19', firmware(1, 54, 19), 'no: firmware.current firmware.committed'],
  [26, 'a guest that may migrate', { guestPolicy: 0x70000n }, 'no: migration'],
  [26, 'a migration agent', { migrationAgent: new Uint8Array(32) }, 'no: migrationAgent'],
  [28, 'another second half of REPORT_DATA', set(0x8f, 1), 'no: reportData'],
  [29, 'an extension too few', leafWithout(EXTENSIONS.microcode), `${CHAIN} endorsement`],
  [29, 'an INTEGER of 3 bytes', leafWith(EXTENSIONS.snp, 2, 3, 0, 0, 28), `${CHAIN} endorsement`],
  [29, 'a negative INTEGER', leafWith(EXTENSIONS.snp, 2, 1, 0x9c), `${CHAIN} endorsement`],
  [29, 'an INTEGER of 256', leafWith(EXTENSIONS.snp, 2, 2, 1, 0), `${CHAIN} endorsement`],
  [29, 'a longer INTEGER', leafWith(EXTENSIONS.snp, 2, 2, 0, 28), `${CHAIN} endorsement`],
  [
    29,
    'an unknown product',
    leafWith(EXTENSIONS.productName, 22, 4, ...Buffer.from('Rome')),
    `${CHAIN} endorsement`,
  ],
  [
    30,
    'a chip id of 8 bytes on Genoa',
    leafWith(EXTENSIONS.hardwareId, ...new Uint8Array(8)),
    `${CHAIN} endorsement`,
  ],
  [
    30,
    'a chip id of 64 bytes on Turin',
    { product: 'Turin', ...leafWith(EXTENSIONS.hardwareId, ...new Uint8Array(64)) },
    `${CHAIN} endorsement`,
  ],
  [30, 'a chip id in an OCTET STRING', wrapChipId, 'ok'],
  [30, 'a chip id of Turin in an OCTET STRING', { product: 'Turin', ...wrapChipId }, 'ok'],
  [
    31,
    'a chip id of Turin under Milan, version 2',
    { product: 'Milan', version: 2, mutate: (report) => report.fill(0, 0x1a8, 0x1e0) },
    `${CHAIN} product-of-chip-id`,
  ],
  [
    31,
    'a CPU of Genoa under Milan, version 3',
    { product: 'Milan', ...set(0x189, 0x11) },
    `${CHAIN} product-of-report`,
  ],
  [32, 'a masked chip id under a VCEK', { masked: 'chip-id' }, `${CHAIN} chip-id`],
  [32, 'a masked chip id under a VLEK', { signer: 'vlek' }, 'no: signer'],
];

function firmware(major: number, minor: number, build: number): Partial<LaunchOptions> {
  const one = { major, minor, build };
  return { firmware: { current: one, committed: one } };
}

describe('signed by the simulator', () => {
  test.each(SIGNED_AGAIN)('%i: %s', async (_number, _name, options, expected) => {
    const firmwareFloor = { major: 1, minor: 54, build: 20 };
    const minimumFirmware = { Milan: firmwareFloor, Genoa: firmwareFloor, Turin: firmwareFloor };
    const evidence = await sim.evidenceFor(options);
    expect(verdictOf(evidence, sim, { ...POLICY, minimumFirmware })).toBe(expected);
  });

  test('12: a VCEK report that calls itself signed by a VLEK, with a VLEK', async () => {
    const report = await sim.evidenceFor(set(0x48, 1 << 2));
    const { certificateChain } = await sim.evidenceFor({ signer: 'vlek' });
    const evidence = { ...report, certificateChain };
    expect(verdictOf(evidence, sim)).toBe(`${SIGNATURE} signature`);
  });

  test('21: r = 0, s = 0, r = n, s = n', async () => {
    const n =
      'ffffffffffffffffffffffffffffffffffffffffffffffff' +
      'c7634d81f4372ddf581a0db248b0a77aecec196accc52973';
    const order = Buffer.from(n, 'hex').reverse();
    const evidence = await sim.evidenceFor();
    for (const offset of [0x2a0, 0x2e8]) {
      for (const value of [new Uint8Array(48), order]) {
        const changed = withReport(evidence, (report) => report.set(value, offset));
        expect(verdictOf(changed, sim)).toBe(`${SIGNATURE} range`);
      }
      const nearly = order.map((byte, index) => (index === 0 ? byte - 1 : byte));
      const other = withReport(evidence, (report) => report.set(nearly, offset));
      expect(verdictOf(other, sim)).toBe(`${SIGNATURE} signature`);
    }
  });

  test('27: keys of an ID block', async () => {
    const idKeyDigest = new Uint8Array(48).fill(1);
    const wanted = '01'.repeat(48);
    const demand = { idKeyDigests: [wanted], authorKeyDigests: [wanted], minimumGuestSvn: 2 };
    const answer = async (options: Partial<LaunchOptions>) =>
      verdictOf(await sim.evidenceFor(options), sim, { ...POLICY, idBlock: demand });
    const idBlock = { idKeyDigest, authorKeyDigest: idKeyDigest, guestSvn: 2 };
    expect(await answer({ idBlock })).toBe('ok');
    expect(await answer({ idBlock: { ...idBlock, guestSvn: 1 } })).toBe('no: guestSvn');
    const other = new Uint8Array(48).fill(2);
    expect(await answer({ idBlock: { ...idBlock, idKeyDigest: other } })).toBe('no: idKeyDigest');
    const noFlag = set(0x48, 0);
    expect(await answer({ idBlock, ...noFlag })).toBe('no: authorKeyWithoutFlag authorKeyDigest');
  });

  test('29: an extension that occurs twice', async () => {
    const evidence = await sim.evidenceFor({
      mutateLeaf: (facts) => {
        const extensions = [...facts.extensions];
        const twice = extensions.filter(([type]) => type === EXTENSIONS.snp);
        return { ...facts, extensions: repeated([...extensions, ...twice]) };
      },
    });
    expect(verdictOf(evidence, sim)).toBe(`${CHAIN} certificate-form`);
  });

  test('33: revocation lists', async () => {
    const evidence = await sim.evidenceFor();
    const list = sim.platform.revocationList.bind(sim.platform);
    const at = (...revocationLists: Uint8Array[]) =>
      verdictOf(evidence, { ...sim, revocationLists }, { ...POLICY, revocationList: 'required' });
    expect(at(list('Genoa'))).toBe('ok');
    expect(at(list('Milan'))).toBe(`${CHAIN} crl-missing`);
    expect(at(list('Genoa', { nextUpdate: 1_000_000 }))).toBe(`${CHAIN} crl-expired`);
    expect(at(list('Genoa', { revoked: ['ask'] }))).toBe(`${CHAIN} revoked`);
    const required = { ...sim, requireRevocationList: true };
    expect(verdictOf(evidence, required)).toBe(`${CHAIN} crl-missing`);
    expect(verdictOf(evidence, sim, { ...POLICY, revocationList: 'required' })).toBe(
      'no: revocation',
    );
  });

  test('34: of the roots and authorities of all products the right ones are taken', async () => {
    const chains = new Map<string, string[]>();
    for (const product of PRODUCTS) {
      const { certificateChain } = await sim.evidenceFor({ product });
      chains.set(product, splitChain(certificateChain).slice(1));
    }
    const all = [...chains.values()].flat().join('');
    for (const product of PRODUCTS) {
      const evidence = await sim.evidenceFor({ product });
      const [leaf = ''] = splitChain(evidence.certificateChain);
      expect(verdictOf({ ...evidence, certificateChain: leaf + all }, sim)).toBe('ok');
    }
  });

  test('35: certificate tables', () => {
    const vcek = '8d75da6364e66445adc5f4b93be8accd';
    const ask = '79b3b74aacbbe44fa02f05aef327c782';
    const table = (entries: [string, number, number][], bytes: number, end = true) => {
      const made = Buffer.alloc(bytes);
      for (const [index, [guid, offset, length]] of entries.entries()) {
        made.write(guid, index * 24, 'hex');
        made.writeUInt32LE(offset, index * 24 + 16);
        made.writeUInt32LE(length, index * 24 + 20);
      }
      if (!end) made.fill(1, entries.length * 24);
      return () => parseCertificateTable(new Uint8Array(made));
    };
    expect(
      Object.keys(
        table(
          [
            [vcek, 72, 8],
            [ask, 80, 8],
          ],
          88,
        )(),
      ),
    ).toEqual(['vcek', 'ask']);
    const refused = [
      table(
        [
          [vcek, 24, 8],
          [ask, 80, 8],
        ],
        88,
      ),
      table(
        [
          [vcek, 72, 0xfffffff0],
          [ask, 80, 8],
        ],
        88,
      ),
      table(
        [
          [vcek, 72, 12],
          [ask, 80, 8],
        ],
        88,
      ),
      table(
        [
          [vcek, 72, 8],
          [ask, 80, 8],
        ],
        88,
        false,
      ),
      table(
        [
          [vcek, 72, 8],
          [vcek, 80, 8],
        ],
        88,
      ),
    ];
    for (const parse of refused) {
      expect(parse).toThrow(expect.objectContaining({ code: 'ERR_EVIDENCE_MALFORMED' }));
    }
  });
});

/** A map that a writer walks through with one entry twice, as no real map can hold it. */
function repeated<Value>(entries: readonly [string, Value][]): ReadonlyMap<string, Value> {
  const map = new Map(entries);
  return Object.assign(map, { [Symbol.iterator]: () => entries[Symbol.iterator]() });
}
