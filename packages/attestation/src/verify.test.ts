import { createHash, X509Certificate } from 'node:crypto';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { LaunchOptions, SimulatedPlatform } from './insecure.ts';
import { simulatedRoots } from './insecure.ts';
import { AMD_ROOTS, type RootPins, RootSet, SIMULATED_MARKER } from './roots.ts';
import { EXTENSIONS } from './snp/endorsement.ts';
import { verifyEvidence } from './verify.ts';
import { toPem } from './x509/pem.ts';
import type { CertificateFacts } from './x509/write-certificate.ts';

const CLAIMS = new TextEncoder().encode('{"purpose":"test"}');
const SPLIT = /(?<=END CERTIFICATE-----\n)/;
const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
const launched = { image: [CLAIMS], hostData: new Uint8Array(32) };

let platform: SimulatedPlatform;
let roots: RootSet;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  platform = shared.platform;
  roots = simulatedRoots(shared.folder);
}, 60_000);

const evidenceFor = (options: Partial<LaunchOptions> = {}) =>
  evidenceOf(platform.launch({ ...launched, ...options }), CLAIMS);

/** "CODE check" of a refusal, or "accepted". */
function answer(evidence: Evidence, more: { roots?: RootSet; now?: number } = {}): string {
  try {
    const clock = { now: () => more.now ?? systemClock.now() };
    verifyEvidence(evidence, { roots: more.roots ?? roots, clock });
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${codeOf(error)} ${error.facts['check'] ?? ''}`.trim();
  }
  return 'accepted';
}

const answerFor = async (options: Partial<LaunchOptions>) => answer(await evidenceFor(options));
const setByte = (offset: number, byte: number) => ({
  mutate: (report: Uint8Array) => {
    report[offset] = byte;
  },
});

describe('genuine evidence', () => {
  test.each(
    PRODUCTS.flatMap((product) =>
      ([2, 3, 5] as const).flatMap((version) =>
        (['vcek', 'vlek'] as const).map((signer) => [product, version, signer] as const),
      ),
    ),
  )('of %s, version %i, %s is accepted', async (product, version, signer) => {
    const evidence = await evidenceFor({ product, version, signer });
    const { facts } = verifyEvidence(evidence, { roots, clock: systemClock });
    expect(facts).toMatchObject({ platform: 'simulated', product, signer });
    expect(facts.tcb.reported.fmc === null).toBe(product !== 'Turin');
    expect(facts.runtimeClaims).toEqual(CLAIMS);
  });

  test('is accepted in any order of certificates, and with what it does not need', async () => {
    const blocks = async (options: Partial<LaunchOptions>) =>
      (await evidenceFor(options)).certificateChain.split(SPLIT);
    const evidence = await evidenceFor();
    const chain = await blocks({});
    const more = await blocks({ product: 'Milan', signer: 'vlek' });
    const shuffled = [...chain.toReversed(), ...more, ...chain.slice(0, 1)].join('');
    expect(answer({ ...evidence, certificateChain: shuffled })).toBe('accepted');
  });
});

describe('the root', () => {
  test('of a simulated platform is nothing to AMD, whatever the report', async () => {
    const evidence = await evidenceFor();
    expect(answer(evidence, { roots: AMD_ROOTS })).toBe('ERR_ROOT_KIND');
    expect(() => verifyEvidence(evidence, { roots: AMD_ROOTS, clock: systemClock })).toThrow(
      expect.objectContaining({ facts: { expected: 'amd', found: 'simulated' } }),
    );
  });

  test('is not reached without the marker, nor under a name of AMD', async () => {
    const without = (facts: CertificateFacts) => ({
      ...facts,
      extensions: new Map([...facts.extensions].filter(([type]) => type !== SIMULATED_MARKER)),
    });
    expect(await answerFor({ mutateLeaf: without })).toBe('ERR_ROOT_KIND');
    const amd = (facts: CertificateFacts) => ({
      ...without(facts),
      issuer: AMD_ROOTS.names.ask('Genoa'),
      subject: AMD_ROOTS.names.vcek,
    });
    const evidence = await evidenceFor({ mutateLeaf: amd });
    const [leaf = ''] = evidence.certificateChain.split(SPLIT);
    const alone = { ...evidence, certificateChain: leaf };
    expect(answer(alone, { roots: AMD_ROOTS })).toBe('ERR_CERTIFICATE_CHAIN missing');
  });

  test('of another deployment, or pinned for another product, is not trusted', async () => {
    const spki = new X509Certificate(
      (await evidenceFor()).certificateChain.split(SPLIT)[2] ?? '',
    ).publicKey.export({ format: 'der', type: 'spki' });
    const pin = createHash('sha256').update(spki).digest('hex');
    const trusting = (pins: RootPins) => ({ roots: new RootSet('simulated', pins) });
    const evidence = await evidenceFor();
    expect(answer(evidence, trusting({ Genoa: ['00'.repeat(32), pin] }))).toBe('accepted');
    for (const pins of [{}, { Genoa: ['00'.repeat(32)] }, { Milan: [pin], Turin: [pin] }]) {
      expect(answer(evidence, trusting(pins))).toBe('ERR_CERTIFICATE_CHAIN root-not-pinned');
    }
  });

  test.each([
    ['expired', 60 * 24 * 3_600_000],
    ['not-yet-valid', -60 * 24 * 3_600_000],
  ])('is %s at another time', async (check, shift) => {
    const now = systemClock.now() + shift;
    expect(answer(await evidenceFor(), { now })).toBe(`ERR_CERTIFICATE_CHAIN ${check}`);
  });
});

describe('the chain', () => {
  const split = (chain: string) => chain.split(SPLIT);

  test('is refused when a part is missing or of another product', async () => {
    const genoa = await evidenceFor();
    const [leaf, , root] = split(genoa.certificateChain);
    const [milanLeaf, milanAuthority] = split(
      (await evidenceFor({ product: 'Milan' })).certificateChain,
    );
    const given = (...parts: (string | undefined)[]) =>
      answer({ ...genoa, certificateChain: parts.join('') });
    expect(given(leaf, root)).toBe('ERR_CERTIFICATE_CHAIN missing');
    expect(given(leaf, milanAuthority, root)).toBe('ERR_CERTIFICATE_CHAIN missing');
    expect(given(milanLeaf, milanAuthority, root)).toBe('ERR_CERTIFICATE_CHAIN missing');
  });

  test('of a VLEK does not carry a VCEK, nor the other way round', async () => {
    const report = await evidenceFor({ signer: 'vlek' });
    const { certificateChain } = await evidenceFor({ signer: 'vcek' });
    const missing = 'ERR_CERTIFICATE_CHAIN missing';
    expect(answer({ ...report, certificateChain })).toBe(missing);
    const other = { ...(await evidenceFor()), certificateChain: report.certificateChain };
    expect(answer(other)).toBe(missing);
    expect(await answerFor(setByte(0x048, 1 << 2))).toBe(missing);
  });

  test('of two leaves with one name is refused as ambiguous', async () => {
    const first = await evidenceFor();
    const second = await evidenceFor({ tcb: { reported: { snp: 1 } } });
    const certificateChain = first.certificateChain + split(second.certificateChain)[0];
    expect(answer({ ...first, certificateChain })).toBe('ERR_CERTIFICATE_CHAIN ambiguous');
  });

  test('with a changed leaf is refused by its signature', async () => {
    const evidence = await evidenceFor();
    const [leaf = '', ...rest] = split(evidence.certificateChain);
    const der = Buffer.from(leaf.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1;
    const certificateChain = [toPem(der), ...rest].join('');
    expect(answer({ ...evidence, certificateChain })).toBe('ERR_CERTIFICATE_CHAIN signature');
  });

  test.each([
    ['report', 'report'],
    ['runtimeClaims', 'runtime-claims'],
    ['uvmEndorsement', 'uvm-endorsement'],
  ])('is refused when %s is no base64url, and not read without it', async (member, check) => {
    const evidence = { ...(await evidenceFor()), [member]: 'AB==' };
    expect(answer(evidence)).toBe(`ERR_EVIDENCE_MALFORMED ${check}`);
  });

  test.each([
    ['nothing', ''],
    ['text before it', 'hello\n'],
    ['junk in its base64', '-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n'],
  ])('is refused with %s', async (_name, prefix) => {
    const evidence = await evidenceFor();
    const certificateChain = prefix === '' ? '' : prefix + evidence.certificateChain;
    expect(answer({ ...evidence, certificateChain })).toMatch(/^ERR_EVIDENCE_MALFORMED pem-/);
  });

  test('of too many certificates or letters is refused before it is read', async () => {
    const evidence = await evidenceFor();
    const blocks = split(evidence.certificateChain);
    const eight = [...blocks, ...blocks, ...blocks.slice(0, 2)].join('');
    expect(answer({ ...evidence, certificateChain: eight })).toBe('accepted');
    expect(answer({ ...evidence, certificateChain: eight + blocks[0] })).toBe('ERR_LIMIT_EXCEEDED');
    expect(answer({ ...evidence, certificateChain: `\n\n${blocks.join('\n')}` })).toBe('accepted');
    const padding = '\n'.repeat(32_768 - evidence.certificateChain.length);
    const whole = evidence.certificateChain + padding;
    expect(answer({ ...evidence, certificateChain: whole })).toBe('accepted');
    expect(answer({ ...evidence, certificateChain: `${whole}\n` })).toBe('ERR_LIMIT_EXCEEDED');
    const many = evidence.certificateChain.repeat(3);
    expect(answer({ ...evidence, certificateChain: many })).toBe('ERR_LIMIT_EXCEEDED');
    const long = evidence.certificateChain + '\n'.repeat(40_000);
    expect(answer({ ...evidence, certificateChain: long })).toBe('ERR_LIMIT_EXCEEDED');
  });
});

describe('the endorsement certificate', () => {
  const INTEGER = (...bytes: number[]) => Uint8Array.of(2, bytes.length, ...bytes);
  const change = (type: string, value: Uint8Array | null) => (facts: CertificateFacts) => {
    const extensions = new Map(facts.extensions);
    if (value === null) extensions.delete(type);
    else extensions.set(type, { critical: false, value });
    return { ...facts, extensions };
  };
  const bad = 'ERR_CERTIFICATE_CHAIN endorsement';

  test.each([
    ['no version of the SNP part', EXTENSIONS.snp, null, bad],
    ['no chip id', EXTENSIONS.hardwareId, null, bad],
    ['another version', EXTENSIONS.snp, INTEGER(27), 'ERR_CERTIFICATE_CHAIN tcb-of-leaf'],
    ['a version of three bytes', EXTENSIONS.snp, INTEGER(0, 0, 28), bad],
    ['a negative version', EXTENSIONS.microcode, INTEGER(0x86), bad],
    ['a version of 256', EXTENSIONS.snp, INTEGER(1, 0), bad],
    ['a version that is not the shortest', EXTENSIONS.snp, INTEGER(0, 28), bad],
    ['bytes behind a version', EXTENSIONS.snp, Uint8Array.of(2, 1, 28, 0), bad],
    ['an unknown product', EXTENSIONS.productName, Uint8Array.of(22, 4, 82, 111, 109, 101), bad],
    [
      'another product',
      EXTENSIONS.productName,
      Uint8Array.of(22, 5, ...Buffer.from('Milan')),
      'ERR_CERTIFICATE_CHAIN product-of-leaf',
    ],
    [
      'a wrapped chip id of 8 bytes',
      EXTENSIONS.hardwareId,
      Uint8Array.of(4, 8, ...new Uint8Array(8)),
      bad,
    ],
    ['an unknown structure', EXTENSIONS.structVersion, INTEGER(2), bad],
    ['a spare part in use', EXTENSIONS.spl5, INTEGER(1), bad],
    ["Turin's first part", EXTENSIONS.fmc, INTEGER(1), bad],
    ['a chip id of 8 bytes', EXTENSIONS.hardwareId, new Uint8Array(8), bad],
    ['another chip id', EXTENSIONS.hardwareId, new Uint8Array(64), 'ERR_CERTIFICATE_CHAIN chip-id'],
    ['a cloud provider', EXTENSIONS.cspId, Uint8Array.of(22, 1, 65), bad],
  ])('is refused with %s', async (_name, type, value, expected) => {
    expect(await answerFor({ mutateLeaf: change(type, value) })).toBe(expected);
  });

  test('of a Turin has no part that other products keep spare', async () => {
    const spare = { product: 'Turin' as const, mutateLeaf: change(EXTENSIONS.spl4, INTEGER(0)) };
    expect(await answerFor(spare)).toBe(bad);
  });

  test('may wrap its chip id into an OCTET STRING', async () => {
    const wrap = (facts: CertificateFacts) => {
      const raw = facts.extensions.get(EXTENSIONS.hardwareId)?.value ?? new Uint8Array(0);
      return change(EXTENSIONS.hardwareId, Uint8Array.of(4, 64, ...raw))(facts);
    };
    expect(await answerFor({ mutateLeaf: wrap })).toBe('accepted');
  });

  test('is refused as an authority and with a critical extension that nobody knows', async () => {
    const authority = change('2.5.29.19', Uint8Array.of(0x30, 3, 1, 1, 0xff));
    expect(await answerFor({ mutateLeaf: authority })).toBe(
      'ERR_CERTIFICATE_CHAIN leaf-is-authority',
    );
    const critical = (facts: CertificateFacts) => ({
      ...facts,
      extensions: new Map([...facts.extensions, ['1.2.3', { critical: true, value: INTEGER(1) }]]),
    });
    expect(await answerFor({ mutateLeaf: critical })).toBe(
      'ERR_CERTIFICATE_CHAIN critical-extension',
    );
  });

  // Offsets of the parts in REPORTED_TCB, the numbers that the simulator reports there.
  test.each([
    ['Genoa', 0x180, [10, 0, 28, 86], [0, 1, 6, 7]],
    ['Milan', 0x180, [4, 0, 29, 222], [0, 1, 6, 7]],
    ['Turin', 0x180, [1, 1, 1, 4, 81], [0, 1, 2, 3, 7]],
  ] as const)('is of exactly the reported versions: %s', async (product, base, parts, at) => {
    for (const [index, part] of parts.entries()) {
      for (const shift of [-1, 0, 1]) {
        if (part + shift < 0) continue;
        const hook = setByte(base + (at[index] ?? 0), part + shift);
        const expected = shift === 0 ? 'accepted' : 'ERR_CERTIFICATE_CHAIN tcb-of-leaf';
        expect([part, shift, await answerFor({ product, ...hook })]).toEqual([
          part,
          shift,
          expected,
        ]);
      }
    }
  });
});

describe('the report', () => {
  const form = (check: string) => `ERR_REPORT_MALFORMED ${check}`;

  test.each([
    ['version 4', setByte(0x000, 4), form('version')],
    ['a reserved byte', setByte(0x04c, 1), form('reserved')],
    ['a reserved byte behind the CPU', setByte(0x18b, 1), form('reserved')],
    ['a byte of the mitigations of version 5', setByte(0x1f8, 1), form('reserved')],
    ['a policy without bit 17', setByte(0x00a, 1), form('policy-form')],
    ['a reserved byte in a TCB', setByte(0x182, 1), form('tcb-form')],
    ['VMPL 4', setByte(0x030, 4), form('vmpl')],
    ['a masked chip key', setByte(0x048, 2), 'ERR_REPORT_SIGNATURE not-signed'],
    ['no signing key', setByte(0x048, 7 << 2), 'ERR_REPORT_SIGNATURE not-signed'],
    ['a CPU of another product', setByte(0x189, 0x01), 'ERR_CERTIFICATE_CHAIN product-of-report'],
    ['an unknown CPU', setByte(0x188, 0x1b), 'ERR_CERTIFICATE_CHAIN product-of-report'],
    ['another chip id', setByte(0x1a0, 0), 'ERR_CERTIFICATE_CHAIN chip-id'],
  ])('is refused with %s, though signed', async (_name, hook, expected) => {
    expect(await answerFor(hook)).toBe(expected);
  });

  test('of version 2 with a chip id in the shape of Turin is refused', async () => {
    const short = { mutate: (report: Uint8Array) => report.fill(0, 0x1a8, 0x1e0) };
    const expected = 'ERR_CERTIFICATE_CHAIN product-of-chip-id';
    expect(await answerFor({ product: 'Milan', version: 2, ...short })).toBe(expected);
  });

  test('of Turin with a ninth byte in its chip id is refused by its shape', async () => {
    const expected = 'ERR_CERTIFICATE_CHAIN product-of-chip-id';
    expect(await answerFor({ product: 'Turin', version: 2, ...setByte(0x1a8, 1) })).toBe(expected);
    expect(await answerFor({ product: 'Turin', ...setByte(0x1df, 1) })).toBe(expected);
  });

  test('that the host asked for is refused', async () => {
    const host = (report: Uint8Array) => report.fill(0xff, 0x030, 0x034).fill(0, 0x050, 0x090);
    expect(await answerFor({ mutate: host })).toBe(form('vmpl'));
  });

  test('with a masked chip id is refused by VCEK and accepted by VLEK', async () => {
    const masked = { mutate: (report: Uint8Array) => report.fill(0, 0x1a0, 0x1e0) };
    expect(await answerFor(masked)).toBe('ERR_CERTIFICATE_CHAIN chip-id');
    expect(await answerFor({ signer: 'vlek' })).toBe('accepted');
  });

  test.each([
    ['r = 0', (bytes: Uint8Array) => bytes.fill(0, 0x2a0, 0x2d0)],
    ['s = 0', (bytes: Uint8Array) => bytes.fill(0, 0x2e8, 0x318)],
    ['s beyond the order', (bytes: Uint8Array) => bytes.fill(0xff, 0x2e8, 0x318)],
  ])('with %s is refused by its range', async (_name, change) => {
    const evidence = await evidenceFor();
    const bytes = new Uint8Array(Buffer.from(evidence.report, 'base64url'));
    const report = Buffer.from(change(bytes)).toString('base64url');
    expect(answer({ ...evidence, report })).toBe('ERR_REPORT_SIGNATURE range');
  });

  test('with one signed bit changed, or the signature of another, is refused', async () => {
    const evidence = await evidenceFor();
    const bytes = new Uint8Array(Buffer.from(evidence.report, 'base64url'));
    const other = Buffer.from((await evidenceFor()).report, 'base64url');
    const changes = [(copy: Uint8Array) => copy.set([(copy[0x90] ?? 0) ^ 1], 0x90)];
    changes.push((copy) => copy.set(other.subarray(0x2a0), 0x2a0));
    for (const change of changes) {
      const copy = bytes.slice();
      change(copy);
      const report = Buffer.from(copy).toString('base64url');
      expect(answer({ ...evidence, report })).toBe('ERR_REPORT_SIGNATURE signature');
    }
  });

  test('with claims over the limit is refused', async () => {
    const evidence = await evidenceFor();
    const claimsOf = (bytes: number) => Buffer.alloc(bytes).toString('base64url');
    expect(answer({ ...evidence, runtimeClaims: claimsOf(16_384) })).toBe('accepted');
    expect(answer({ ...evidence, runtimeClaims: claimsOf(16_385) })).toBe('ERR_LIMIT_EXCEEDED');
    const runtimeClaims = 'AAAA'.repeat(6_000);
    expect(answer({ ...evidence, runtimeClaims })).toBe('ERR_LIMIT_EXCEEDED');
  });

  test('is refused when the claims around it are no base64url', async () => {
    const evidence = await evidenceFor();
    expect(answer({ ...evidence, report: `${evidence.report}=` })).toMatch(/MALFORMED report$/);
    expect(answer({ ...evidence, runtimeClaims: '*' })).toMatch(/MALFORMED runtime-claims$/);
    expect(answer({ ...evidence, report: '' })).toBe(form('length'));
  });

  test('and a leaf with any byte changed make nothing but our errors', async () => {
    const evidence = await evidenceFor();
    const [leaf = '', ...rest] = evidence.certificateChain.split(SPLIT);
    const der = Buffer.from(leaf.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        const certificateChain = [toPem(changed), ...rest].join('');
        expect(answer({ ...evidence, certificateChain })).not.toBe('accepted');
      }),
      { numRuns: 400 },
    );
  });
});
