import { type AppraisalPolicy, appraiseEvidence } from '@strongroom/attestation/appraise';
import { parseVcekUrl, vcekUrl } from '@strongroom/attestation/endorsements/kds-url';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import {
  checkChainFields,
  checkChainSignatures,
  selectChain,
} from '@strongroom/attestation/snp/chain';
import { readEndorsement } from '@strongroom/attestation/snp/endorsement';
import type { Tcb } from '@strongroom/attestation/snp/tcb';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { commonNameOf, parseCertificate } from '@strongroom/attestation/x509/certificate';
import { parsePemCertificates } from '@strongroom/attestation/x509/pem';
import { describe, expect, test } from 'vitest';
import {
  authoritiesOf,
  hasFixtures,
  type IndexedReport,
  indexedLeaves,
  indexedReports,
  leafOf,
  pemOf,
  reportOf,
  textOf,
} from './attestation-fixtures.ts';

/** Every indexed report and certificate against what the index says of it. */

const MARCH_2026 = Date.parse('2026-03-01T00:00:00Z');
const JUNE_2025 = Date.parse('2025-06-01T00:00:00Z');

type IndexedTcb = NonNullable<IndexedReport['reported']>;
const tcbOf = (from: IndexedTcb | null | undefined): Tcb | undefined =>
  from
    ? {
        fmc: from.fmc ?? null,
        ...{ bootLoader: from.bl, tee: from.tee, snp: from.snp, microcode: from.ucode },
      }
    : undefined;

const genuine = indexedReports().filter(({ sig }) => sig === true);
const NO_FLOOR = { bootLoader: 0, tee: 0, snp: 0, microcode: 0 };

function verified(indexed: IndexedReport) {
  const [signer = ''] = indexed.signer ?? [];
  const evidence = {
    report: Buffer.from(reportOf(indexed.file)).toString('base64url'),
    certificateChain: pemOf(leafOf(signer)) + authoritiesOf(indexed.gen ?? ''),
    runtimeClaims: '',
  };
  const now = indexed.vlek ? JUNE_2025 : MARCH_2026;
  return verifyEvidence(evidence, { roots: AMD_ROOTS, clock: { now: () => now } });
}

function judge(indexed: IndexedReport, more: Partial<AppraisalPolicy> = {}) {
  const evidence = verified(indexed);
  const { measurement, hostData } = evidence.facts.report;
  return appraiseEvidence(evidence, {
    platform: 'amd',
    minimumTcb: { Milan: NO_FLOOR, Genoa: NO_FLOOR, Turin: NO_FLOOR },
    measurements: [Buffer.from(measurement).toString('hex')],
    hostData: Buffer.from(hostData).toString('hex'),
    ...more,
  });
}

function mismatchesOf(indexed: IndexedReport, more: Partial<AppraisalPolicy> = {}): string[] {
  const verdict = judge(indexed, more);
  const claims = verdict.accepted ? [] : verdict.mismatches.map(({ claim }) => claim);
  return claims.filter((claim) => claim !== 'reportData');
}

describe.runIf(hasFixtures)('an indexed report', () => {
  test.each(genuine)('$file holds what the index read from it', (indexed) => {
    const { facts } = verified(indexed);
    expect(facts.product).toBe(indexed.gen);
    expect(facts.report.version).toBe(indexed.version);
    expect(facts.report.vmpl).toBe(indexed.vmpl);
    expect(facts.guestPolicy.debugAllowed).toBe(indexed.debug);
    for (const which of ['reported', 'current', 'committed', 'launch'] as const) {
      expect(facts.tcb[which]).toEqual(tcbOf(indexed[which]));
    }
    const { major, minor, build } = facts.report.currentFirmware;
    expect(`${major}.${minor}.${build}`).toBe(indexed.fw);
  });

  test.each(genuine)('$file gets the verdict that follows from it', (indexed) => {
    const same = JSON.stringify(indexed.current) === JSON.stringify(indexed.committed);
    expect(mismatchesOf(indexed)).toEqual([
      ...(indexed.vlek ? ['signer'] : []),
      ...(indexed.vmpl === 0 ? [] : ['vmpl']),
      ...(indexed.debug ? ['debug'] : []),
      ...(same ? [] : ['provisionalFirmware']),
    ]);
  });

  test.each(genuine.filter(({ vlek }) => vlek !== true))(
    "45: $file has one address at AMD's key distribution service",
    (indexed) => {
      const { product, report, tcb } = verified(indexed).facts;
      const address = { product, chipId: report.chipId, tcb: tcb.reported };
      const url = vcekUrl(address);
      expect(url).toMatch(
        product === 'Turin' ? /\/[0-9a-f]{16}\?fmcSPL=/ : /\/[0-9a-f]{128}\?blSPL=/,
      );
      expect(parseVcekUrl(url)).toEqual(address);
    },
  );

  test.each(genuine)('$file is held to floors part by part', (indexed) => {
    const {
      bootLoader = 0,
      tee = 0,
      snp = 0,
      microcode = 0,
      fmc = null,
    } = tcbOf(indexed.reported) ?? {};
    const own = { bootLoader, tee, snp, microcode, ...(fmc === null ? {} : { fmc }) };
    const claims = (floor: object) =>
      mismatchesOf(indexed, {
        minimumTcb: { [indexed.gen ?? '']: floor },
        provisionalFirmware: 'accepted',
      }).filter((claim) => claim.startsWith('tcb.reported'));
    expect(claims(own)).toEqual([]);
    for (const part of ['bootLoader', 'tee', 'snp', 'microcode'] as const) {
      expect(claims({ ...own, [part]: own[part] + 1 })).toEqual([`tcb.reported.${part}`]);
    }
  });
});

/** Where today's machines stand, and why floors are each owner's choice. */
const STANDING: [name: string, file: string, presets: string, open: readonly string[]][] = [
  [
    'Milan of Azure',
    'attestation-rs/az_snp/live-evidence.json#hcl@32',
    'badram entrysign',
    ['RMPocalypse', 'IOMMU writes', 'BreakFAST', 'Heracles', 'BadFuse'],
  ],
  [
    'Milan before EntrySign was closed',
    'automata/output.report.bin',
    '',
    [
      ...['CacheWarp', 'BadRAM', 'EntrySign', 'RMPocalypse'],
      ...['IOMMU writes', 'BreakFAST', 'Heracles', 'BadFuse'],
    ],
  ],
  [
    'Genoa of Azure',
    'tee-attestation-verification/genoa_attestation_report.bin',
    'badram entrysign',
    ['RMPocalypse', 'IOMMU writes', 'StackWarp', 'Fabricked', 'Heracles'],
  ],
  [
    'Genoa without SMT, whose guest would allow it',
    'trustee/az-snp-vtpm/evidence-genoa.json#hcl@32',
    'badram entrysign',
    ['RMPocalypse', 'IOMMU writes', 'StackWarp', 'Fabricked', 'Heracles'],
  ],
  [
    'Bergamo',
    'attestation-rs/snp/live-evidence-genoa.report.bin',
    'badram entrysign rmpocalypse',
    ['IOMMU writes', 'Fabricked', 'Heracles'],
  ],
  [
    'Turin',
    'tee-attestation-verification/turin_attestation_report.bin',
    'badram entrysign rmpocalypse 2026-05',
    ['Heracles'],
  ],
];

describe.runIf(hasFixtures)('a preset of floors and the open advisories', () => {
  test.each(STANDING)('%s', (_name, file, presets, open) => {
    const indexed = genuine.find((each) => each.file === file);
    if (!indexed) throw new TypeError(`the index has no ${file}`);
    const passed = (['badram', 'entrysign', 'rmpocalypse', '2026-05'] as const).filter(
      (floorPreset) => mismatchesOf(indexed, { floorPreset }).length === 0,
    );
    expect(passed.join(' ')).toBe(presets);
    expect(judge(indexed).openAdvisories.map(({ name }) => name)).toEqual(open);
  });
});

describe.runIf(hasFixtures)('an indexed certificate', () => {
  test.each(indexedLeaves())('$files is read as the index says', (indexed) => {
    const kind = indexed.type === 'SEV-VCEK' ? 'vcek' : 'vlek';
    for (const file of indexed.files) {
      const leaf = parseCertificate(leafOf(file));
      expect(commonNameOf(leaf.subject)).toBe(indexed.type);
      expect([leaf.notBefore, leaf.notAfter]).toEqual([
        Date.parse(indexed.notBefore),
        Date.parse(indexed.notAfter),
      ]);
      const endorsement = readEndorsement(leaf, kind);
      expect(endorsement.product).toBe(indexed.gen);
      expect(endorsement.tcb).toEqual(tcbOf(indexed.ext));
      const hardwareId = endorsement.hardwareId && Buffer.from(endorsement.hardwareId);
      expect(hardwareId?.toString('hex')).toBe(indexed.ext.hwid ?? undefined);
      expect(endorsement.cspId).toBe(indexed.ext.csp ?? null);
    }
  });

  test.each(indexedLeaves())('$files has a chain: $chain', (indexed) => {
    const kind = indexed.type === 'SEV-VCEK' ? 'vcek' : 'vlek';
    const day = Date.parse(indexed.notBefore) + 86_400_000;
    const judged = () => {
      const leaf = leafOf(indexed.files[0] ?? '');
      const all = [leaf, ...parsePemCertificates(authoritiesOf(indexed.gen))];
      const chain = selectChain(all, kind, AMD_ROOTS);
      checkChainFields(chain, AMD_ROOTS, day);
      checkChainSignatures(chain);
    };
    if (indexed.chain) expect(judged).not.toThrow();
    else expect(judged).toThrow(expect.objectContaining({ code: 'ERR_CERTIFICATE_CHAIN' }));
  });

  test.each([
    ['Milan', 'go-sev-guest/trust/ask_ark_milan.pem'],
    ['Milan', 'go-sev-guest/trust/ask_ark_milan_vlek.pem'],
    ['Genoa', 'go-sev-guest/trust/ask_ark_genoa.pem'],
    ['Genoa', 'go-sev-guest/trust/ask_ark_genoa_vlek.pem'],
    ['Turin', 'go-sev-guest/trust/ask_ark_turin_vcek.pem'],
    ['Turin', 'go-sev-guest/trust/ask_ark_turin_vlek.pem'],
    ['Turin', 'virtee-sev/cert_chain_turin'],
  ])('authorities of %s are those of %s', (product, file) => {
    const known = parsePemCertificates(authoritiesOf(product)).map((der) => pemOf(der));
    for (const der of parsePemCertificates(textOf(file))) expect(known).toContain(pemOf(der));
  });
});
