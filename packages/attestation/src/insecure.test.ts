import 'reflect-metadata';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppraisalPolicy, appraiseEvidence } from './appraise.ts';
import {
  createSimulatedPlatform,
  type LaunchOptions,
  measureImage,
  SCENARIOS,
  type SimulatedPlatform,
  simulatedRoots,
} from './insecure.ts';
import { parseReport, SIGNED_BYTES } from './report.ts';
import { AMD_ROOTS, RootSet } from './roots.ts';
import type { ReportVersion } from './snp/layout.ts';
import type { Product } from './snp/tcb.ts';
import { verifyEvidence } from './verify.ts';
import { parsePemCertificates } from './x509/pem.ts';

const text = (value: string) => new TextEncoder().encode(value);
const launched = { image: [text('worker')], hostData: new Uint8Array(32).fill(5) };
const REPORT_DATA = new Uint8Array(64).fill(7);

let platform: SimulatedPlatform;
let folder: string;
let work: string;

beforeAll(async () => {
  ({ platform, folder } = await sharedTestPlatform());
  work = mkdtempSync(join(tmpdir(), 'strongroom-simulated-'));
}, 60_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

type Variant = readonly [Product, ReportVersion, 'vcek' | 'vlek'];
const VARIANTS: readonly Variant[] = [
  ['Genoa', 3, 'vcek'],
  ['Genoa', 5, 'vcek'],
  ['Milan', 2, 'vcek'],
  ['Milan', 3, 'vlek'],
  ['Turin', 5, 'vcek'],
  ['Turin', 3, 'vlek'],
];
const GENOA: Variant = ['Genoa', 3, 'vcek'];

async function quoteOf([product, version, signer]: Variant) {
  const { report, certificateChain } = await platform
    .launch({ ...launched, product, version, signer })
    .quote(REPORT_DATA);
  const [leaf = '', authority = '', root = ''] = certificateChain
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((pem) => pem !== '');
  return { report, certificateChain, leaf, authority, root };
}

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) process.stderr.write('SKIPPED: no openssl here to give a second opinion\n');

describe.each(VARIANTS)('simulated %s, version %i, %s', (...variant) => {
  test.runIf(hasOpenssl)('convinces openssl: chain and signature', async () => {
    const { report, leaf, authority, root } = await quoteOf(variant);
    const file = (name: string, content: string | Uint8Array) => {
      writeFileSync(join(work, name), content);
      return join(work, name);
    };
    const [ark, ask, vcek] = [file('ark', root), file('ask', authority), file('vcek', leaf)];
    const chain = ['verify', '-check_ss_sig', '-CAfile', ark, '-untrusted', ask, vcek];
    expect(execFileSync('openssl', chain, { encoding: 'utf8' })).toContain('OK');
    const publicKey = createPublicKey(leaf).export({ format: 'pem', type: 'spki' });
    const { r, s } = parseReport(report).signature;
    const signature = derSignature(r.toReversed(), s.toReversed());
    const check = ['dgst', '-sha384', '-verify', file('public', publicKey.toString())];
    const signed = file('report', report.subarray(0, SIGNED_BYTES));
    const args = [...check, '-signature', file('signature', signature), signed];
    expect(execFileSync('openssl', args, { encoding: 'utf8' })).toContain('Verified OK');
  });

  test('convinces two other X.509 libraries', async () => {
    const { leaf, authority, root } = await quoteOf(variant);
    const [vcek, ask, ark] = [leaf, authority, root].map((pem) => new X509Certificate(pem));
    expect(vcek?.verify(ask?.publicKey ?? createPublicKey(''))).toBe(true);
    expect(ask?.verify(ark?.publicKey ?? createPublicKey(''))).toBe(true);
    expect(ark?.verify(ark.publicKey)).toBe(true);
    const [first, second] = [leaf, authority].map((pem) => new x509.X509Certificate(pem));
    expect(await first?.verify({ publicKey: second, signatureOnly: true })).toBe(true);
    expect(first?.serialNumber).toBe('00');
    const extensions = first?.extensions.map(({ type }) => type) ?? [];
    expect(extensions.includes('1.3.6.1.4.1.3704.1.4')).toBe(variant[2] === 'vcek');
    expect(extensions.includes('1.3.6.1.4.1.3704.1.3.9')).toBe(variant[0] === 'Turin');
  });
});

function derSignature(r: Uint8Array, s: Uint8Array): Uint8Array {
  const number = (bytes: Uint8Array) => {
    const start = bytes.findIndex((byte) => byte !== 0);
    const digits = [...bytes.subarray(start)];
    const signed = (digits[0] ?? 0) > 0x7f ? [0, ...digits] : digits;
    return [2, signed.length, ...signed];
  };
  const body = [...number(r), ...number(s)];
  return Uint8Array.of(0x30, body.length, ...body);
}

describe('simulated platform', () => {
  test('reports what was launched', async () => {
    const report = parseReport((await quoteOf(GENOA)).report);
    expect(report).toMatchObject({ version: 3, vmpl: 0, reportData: REPORT_DATA });
    expect(report.hostData).toEqual(launched.hostData);
    expect(Buffer.from(report.measurement).toString('hex')).toBe(measureImage(launched.image));
  });

  test('has another endorsement key for every other security version, like hardware', async () => {
    const keyOf = async (microcode: number) => {
      const guest = platform.launch({ ...launched, tcb: { reported: { microcode } } });
      const { certificateChain } = await guest.quote(REPORT_DATA);
      const spki = new X509Certificate(certificateChain).publicKey;
      return createHash('sha256')
        .update(spki.export({ format: 'der', type: 'spki' }))
        .digest('hex');
    };
    const [first, second, again] = await Promise.all([keyOf(85), keyOf(86), keyOf(85)]);
    expect(first).not.toBe(second);
    expect(again).toBe(first);
  });

  test('changes a report before it is signed, when a test asks for it', async () => {
    const mutate = (report: Uint8Array) => report.fill(0xaa, 0x90, 0xc0);
    const { report, certificateChain } = await platform
      .launch({ ...launched, mutate })
      .quote(REPORT_DATA);
    const { r, s } = parseReport(report).signature;
    const signature = Buffer.concat([r.toReversed(), s.toReversed()]);
    const { publicKey } = new X509Certificate(certificateChain);
    const options = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
    expect(verify('sha384', report.subarray(0, SIGNED_BYTES), options, signature)).toBe(true);
    expect(report[0x90]).toBe(0xaa);
  });

  test('keeps its private keys for its owner, and none in the public file', () => {
    expect(statSync(join(folder, 'simulated-platform.json')).mode & 0o077).toBe(0);
    const published = readFileSync(join(folder, 'simulated-roots.json'), 'utf8');
    expect(Object.keys(JSON.parse(published))).toEqual(['warning', 'kind', 'arkSpkiSha256']);
  });

  test('is never made anew over one that is there', async () => {
    const made = createSimulatedPlatform(folder, { clock: { now: () => 1e12 } });
    await expect(made.catch(codeOf)).resolves.toBe('ERR_FILE_UNWRITABLE');
  }, 60_000);

  test('names itself on every certificate', async () => {
    const { certificateChain } = await quoteOf(GENOA);
    for (const der of parsePemCertificates(certificateChain)) {
      expect(Buffer.from(der).includes('SIMULATED - NOT HARDWARE')).toBe(true);
    }
  });
});

describe('a scenario', () => {
  const EXPECTED: Record<keyof typeof SCENARIOS, string> = {
    debug: 'debug',
    'other-vmpl': 'vmpl',
    'host-requested': 'ERR_REPORT_MALFORMED vmpl',
    'old-tcb': 'tcb.reported.snp',
    'provisional-firmware': 'provisionalFirmware',
    'old-firmware': 'firmware.current',
    'wrong-chip': 'ERR_CERTIFICATE_CHAIN chip-id',
    'expired-chain': 'ERR_CERTIFICATE_CHAIN expired',
    'version-4': 'ERR_REPORT_MALFORMED version',
    'migration-allowed': 'migration',
    'migration-agent': 'migrationAgent',
    'masked-chip-key': 'ERR_REPORT_SIGNATURE not-signed',
    'masked-chip-id': 'ERR_CERTIFICATE_CHAIN chip-id',
    'provider-key': 'signer',
    'no-alias-check': 'floorPreset.aliasCheck',
  };
  const POLICY: AppraisalPolicy = {
    platform: 'simulated',
    products: ['Genoa'],
    minimumTcb: {},
    floorPreset: '2026-05',
    minimumFirmware: { Genoa: { major: 1, minor: 55, build: 0 } },
    measurements: [measureImage(launched.image)],
    hostData: '05'.repeat(32),
  };
  const claims = text('{}');

  async function answer(options: Partial<LaunchOptions>): Promise<string> {
    const evidence = await evidenceOf(platform.launch({ ...launched, ...options }), claims);
    try {
      const verified = verifyEvidence(evidence, {
        roots: simulatedRoots(folder),
        clock: systemClock,
      });
      const verdict = appraiseEvidence(verified, POLICY);
      return verdict.accepted ? 'accepted' : verdict.mismatches[0].claim;
    } catch (error) {
      if (!(error instanceof StrongroomError)) throw error;
      return `${error.code} ${error.facts['check']}`;
    }
  }

  test.each(Object.entries(EXPECTED))(
    '%s is refused for its reason: %s',
    async (name, expected) => {
      const options = new Map<string, Partial<LaunchOptions>>(Object.entries(SCENARIOS)).get(name);
      expect(await answer(options ?? {})).toBe(expected);
    },
  );

  test('that changes nothing is accepted', async () => {
    expect(await answer({})).toBe('accepted');
  });
});

describe('measurement', () => {
  const page = (byte: number, length = 4_096) => new Uint8Array(length).fill(byte);

  test('has one known value', () => {
    expect(measureImage([text('strongroom')])).toBe(
      // Computed once by a second implementation, in another language.
      '82fd586741c8bb77e136579fa418e17c8bb198a8985925ece49c0e37084e6c95405fd9dda02463d9ed5469d9539708f4',
    );
  });

  test.each([
    ['other bytes', [page(1)], [page(2)]],
    ['another order', [page(1), page(2)], [page(2), page(1)]],
    ['a zero more at the end', [page(1, 100)], [Uint8Array.of(...page(1, 100), 0)]],
    ['the same bytes in two parts', [page(1, 8_192)], [page(1), page(1)]],
    ['an empty part more', [page(1)], [page(1), page(0, 0)]],
    ['nothing against one empty part', [], [page(0, 0)]],
  ])('tells apart %s', (_name, left, right) => {
    expect(measureImage(left)).not.toBe(measureImage(right));
  });
});

describe('root sets', () => {
  const AMD_GENOA = '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831';

  test('of two kinds cannot be mixed', () => {
    const codeFor = (make: () => unknown) => {
      try {
        make();
      } catch (error) {
        return codeOf(error);
      }
      return undefined;
    };
    expect(codeFor(() => new RootSet('amd', { Genoa: ['00'.repeat(32)] }))).toBe('ERR_ROOT_KIND');
    expect(codeFor(() => new RootSet('simulated', { Genoa: [AMD_GENOA] }))).toBe('ERR_ROOT_KIND');
    writeFileSync(
      join(work, 'roots.json'),
      readFileSync(join(folder, 'simulated-roots.json'), 'utf8').replaceAll(
        /"[0-9a-f]{64}"/g,
        `"${AMD_GENOA}"`,
      ),
    );
    expect(codeFor(() => simulatedRoots(join(work, 'roots.json')))).toBe('ERR_ROOT_KIND');
  });

  test('trust a pin for its own product only', () => {
    expect(AMD_ROOTS.trusts('Genoa', AMD_GENOA)).toBe(true);
    expect(AMD_ROOTS.trusts('Milan', AMD_GENOA)).toBe(false);
    expect(AMD_ROOTS.trusts('Genoa', AMD_GENOA.toUpperCase())).toBe(false);
  });
});
