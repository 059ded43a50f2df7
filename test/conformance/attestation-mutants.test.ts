import type { AppraisalPolicy } from '@strongroom/attestation/appraise';
import { reportDataOf } from '@strongroom/attestation/binding';
import type { LaunchOptions } from '@strongroom/attestation/insecure';
import { serializeTcb, type Tcb } from '@strongroom/attestation/snp/tcb';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import type { Evidence } from '@strongroom/protocol/evidence';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { beforeAll, expect, test } from 'vitest';
import { pemOf } from './attestation-fixtures.ts';
import {
  CLAIMS,
  derOf,
  HOST_DATA,
  IMAGE,
  POLICY,
  PRODUCTS,
  type Product,
  type Simulated,
  simulated,
  splitChain,
  verdictOf,
} from './attestation-simulated.ts';

/**
 * Structured changes of good evidence: one field of the report, signed again by the right chip or
 * not; bytes of a certificate; the make-up of the chain. Each mutant breaks what a contract demands
 * or what verification needs, so none may be accepted. The seed is printed when one is.
 */

const LONG = process.env['STRONGROOM_LONG'] === '1';
const MUTANTS = LONG ? 100_000 : 10_000;
const SEED = 20_261_125;

const ID_KEY = new Uint8Array(48).fill(0x1d);
const STRICT: AppraisalPolicy = {
  ...POLICY,
  endorsementKinds: ['vcek', 'vlek'],
  minimumFirmware: Object.fromEntries(
    PRODUCTS.map((product) => [product, { major: 1, minor: 55, build: 54 }]),
  ),
  idBlock: {
    idKeyDigests: [Buffer.from(ID_KEY).toString('hex')],
    authorKeyDigests: [Buffer.from(ID_KEY).toString('hex')],
    minimumGuestSvn: 7,
    familyId: '00'.repeat(16),
    imageId: '00'.repeat(16),
  },
  platformInfo: { required: ['alias-check', 'ecc'], forbidden: ['tsme'] },
};

/** A guest whose reports can be changed before each signature, without a new certificate. */
interface Base {
  readonly name: string;
  readonly product: Product;
  readonly evidence: Evidence;
  resign(change: (report: Uint8Array) => void): Promise<Evidence>;
}

let sim: Simulated;
let bases: Base[];

beforeAll(async () => {
  sim = await simulated();
  bases = [];
  for (const product of PRODUCTS) {
    for (const version of [2, 3, 5] as const) bases.push(await baseOf(product, version, 'vcek'));
    bases.push(await baseOf(product, 5, 'vlek'));
  }
}, 60_000);

async function baseOf(
  product: Product,
  version: 2 | 3 | 5,
  signer: 'vcek' | 'vlek',
): Promise<Base> {
  let change: (report: Uint8Array) => void = () => {};
  const options: LaunchOptions = {
    ...{ image: IMAGE, hostData: HOST_DATA, product, version, signer },
    idBlock: { idKeyDigest: ID_KEY, authorKeyDigest: ID_KEY, guestSvn: 7 },
    mutate: (report) => change(report),
  };
  const guest = sim.platform.launch(options);
  const resign = async (next: (report: Uint8Array) => void): Promise<Evidence> => {
    change = next;
    const quote = await guest.quote(reportDataOf(CLAIMS));
    return {
      report: encodeBase64url(quote.report),
      certificateChain: quote.certificateChain,
      runtimeClaims: encodeBase64url(CLAIMS),
    };
  };
  const name = `${product} version ${version} ${signer}`;
  return { name, product, resign, evidence: await resign(() => {}) };
}

const TCB_OF: Record<Product, Tcb> = {
  Milan: { fmc: null, bootLoader: 4, tee: 0, snp: 29, microcode: 222 },
  Genoa: { fmc: null, bootLoader: 10, tee: 0, snp: 28, microcode: 86 },
  Turin: { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 },
};

type Change = (report: Uint8Array, random: SeededRandom, product: Product) => void;
const view = (report: Uint8Array) => new DataView(report.buffer, report.byteOffset);
const flipIn =
  (offset: number, bytes: number): Change =>
  (report, random) => {
    const at = offset + random.below(bytes);
    report[at] = (report[at] ?? 0) ^ (1 << random.below(8));
  };
const lowerTcbAt =
  (offset: number): Change =>
  (report, random, product) => {
    const tcb = TCB_OF[product];
    const parts = (['bootLoader', 'snp', 'microcode'] as const).filter((part) => tcb[part] > 0);
    const part = random.pick(parts);
    const lower = { ...tcb, [part]: random.below(tcb[part]) };
    report.set(serializeTcb(lower, product), offset);
  };

/** Fields that a genuine chip could sign and that must be refused all the same. */
const CHANGES: Record<string, Change> = {
  version: (report, random) => view(report).setUint32(0, random.pick([0, 1, 4, 6, 2 ** 31]), true),
  guestSvn: (report, random) => view(report).setUint32(4, random.below(7), true),
  debug: (report) => view(report).setUint8(0xa, 0x0b),
  migration: (report) => view(report).setUint8(0xa, 0x07),
  'policy bit 17': (report) => view(report).setUint8(0xa, 0x01),
  'policy above': (report, random) => view(report).setUint8(0xc + random.below(4), 0x80),
  familyId: flipIn(0x10, 16),
  imageId: flipIn(0x20, 16),
  vmpl: (report, random) => view(report).setUint32(0x30, 1 + random.below(2 ** 31), true),
  'signature algorithm': (report, random) =>
    view(report).setUint32(0x34, random.pick([0, 2, 3, 2 ** 31]), true),
  'current TCB': lowerTcbAt(0x38),
  'current TCB, reserved': (report) => view(report).setUint8(0x38 + 5, 1),
  'alias check': (report) => view(report).setUint8(0x40, 0x05),
  tsme: (report) => view(report).setUint8(0x40, 0x27),
  'key info': (report, random) =>
    view(report).setUint32(0x48, random.pick([2, 3, 7, 8, 0x1c, 0x1d, 0x20, 2 ** 31]), true),
  'author flag': (report) => {
    report[0x48] = (report[0x48] ?? 0) & ~1;
  },
  'reserved 0x4c': flipIn(0x4c, 4),
  reportData: flipIn(0x50, 64),
  measurement: flipIn(0x90, 48),
  hostData: flipIn(0xc0, 32),
  idKeyDigest: flipIn(0xe0, 48),
  authorKeyDigest: flipIn(0x110, 48),
  'migration agent': flipIn(0x160, 32),
  'reported TCB': lowerTcbAt(0x180),
  'reported TCB, any byte': flipIn(0x180, 8),
  'behind the CPU': (report, random) => view(report).setUint8(0x18b + random.below(21), 1),
  chipId: flipIn(0x1a0, 64),
  'committed TCB': lowerTcbAt(0x1e0),
  'current firmware': (report, random) => view(report).setUint8(0x1e8, random.below(54)),
  'committed firmware': (report, random) => view(report).setUint8(0x1ed, random.below(55)),
  'reserved 0x1eb': flipIn(0x1eb, 1),
  'reserved 0x1ef': flipIn(0x1ef, 1),
  'launch TCB': lowerTcbAt(0x1f0),
  'reserved 0x208': flipIn(0x208, 152),
  'padding of r': flipIn(0x2d0, 24),
  'padding of s': flipIn(0x318, 24),
  tail: flipIn(0x330, 368),
};

type Made = { readonly what: string; readonly evidence: Evidence };

async function resigned(base: Base, random: SeededRandom): Promise<Made> {
  const what = random.pick(Object.keys(CHANGES));
  const change = CHANGES[what];
  const evidence = await base.resign((report) => change?.(report, random, base.product));
  // A VLEK speaks for no chip, so a chip id is nothing that its report could be held to.
  if (what === 'chipId' && base.name.endsWith('vlek')) return unsigned(base, random);
  return { what: `${what}, signed again`, evidence };
}

async function unsigned(base: Base, random: SeededRandom): Promise<Made> {
  const report = Buffer.from(base.evidence.report, 'base64url');
  const changes = 1 + random.below(3);
  const at = Array.from({ length: changes }, () => random.below(report.length));
  for (const offset of at) report[offset] = (report[offset] ?? 0) ^ (1 + random.below(255));
  if (report.equals(Buffer.from(base.evidence.report, 'base64url'))) return unsigned(base, random);
  const evidence = { ...base.evidence, report: report.toString('base64url') };
  return { what: `bytes ${at.join(', ')}`, evidence };
}

async function otherCertificate(base: Base, random: SeededRandom): Promise<Made> {
  const blocks = splitChain(base.evidence.certificateChain);
  const index = random.below(3);
  const certificate = derOf(blocks[index] ?? '');
  const at = random.below(certificate.length);
  certificate[at] = (certificate[at] ?? 0) ^ (1 + random.below(255));
  blocks[index] = pemOf(certificate);
  const evidence = { ...base.evidence, certificateChain: blocks.join('') };
  return { what: `certificate ${index}, byte ${at}`, evidence };
}

async function otherChain(base: Base, random: SeededRandom): Promise<Made> {
  const blocks = splitChain(base.evidence.certificateChain);
  const other = random.pick(bases.filter((each) => each.product !== base.product));
  const theirs = splitChain(other.evidence.certificateChain);
  const index = random.below(3);
  const [what, chain] = random.pick([
    [`without certificate ${index}`, blocks.filter((_, each) => each !== index)],
    [
      `certificate ${index} of ${other.name}`,
      blocks.map((each, at) => (at === index ? (theirs[at] ?? '') : each)),
    ],
    [`the chain of ${other.name}`, theirs],
    ['two leaves', [...blocks, theirs[0] ?? '']],
    ['a block of text', [...blocks, 'text\n']],
    ['a block cut short', [...blocks.slice(0, 2), (blocks[2] ?? '').slice(0, -40)]],
  ] as const);
  // Two leaves of one name are ambiguous only when both are of the kind that signed.
  const harmless = what === 'two leaves' && other.name.slice(-4) !== base.name.slice(-4);
  if (harmless) return otherChain(base, random);
  return { what, evidence: { ...base.evidence, certificateChain: chain.join('') } };
}

async function otherClaims(base: Base, random: SeededRandom): Promise<Made> {
  const claims = Uint8Array.from([...CLAIMS, 32]).subarray(0, random.below(CLAIMS.length + 2));
  if (claims.length === CLAIMS.length) return otherClaims(base, random);
  const runtimeClaims = encodeBase64url(claims);
  return { what: 'claims', evidence: { ...base.evidence, runtimeClaims } };
}

/** Of nine mutants three are signed again, three are not, and the rest is around the report. */
const KINDS = [
  ...[resigned, resigned, resigned],
  ...[unsigned, unsigned, unsigned],
  ...[otherCertificate, otherChain, otherClaims],
];

test(
  `of ${MUTANTS} mutants none is accepted, and each refusal is one of ours`,
  async () => {
    for (const base of bases) {
      expect([base.name, verdictOf(base.evidence, sim, STRICT)]).toEqual([base.name, 'ok']);
    }
    const random = seededRandom(SEED);
    const answers = new Map<string, number>();
    const accepted: string[] = [];
    for (let index = 0; index < MUTANTS; index += 1) {
      const base = random.pick(bases);
      const made = await random.pick(KINDS)(base, random);
      const verdict = verdictOf(made.evidence, sim, STRICT);
      if (verdict === 'ok') accepted.push(`seed ${SEED}, ${index}: ${base.name}, ${made.what}`);
      const answer = verdict.split(' ')[0] ?? '';
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
    expect(accepted).toEqual([]);
    expect([...answers.keys()].sort()).toEqual([
      'ERR_CERTIFICATE_CHAIN',
      'ERR_EVIDENCE_MALFORMED',
      'ERR_REPORT_MALFORMED',
      'ERR_REPORT_SIGNATURE',
      'ERR_ROOT_KIND',
      'no:',
    ]);
  },
  LONG ? 900_000 : 120_000,
);
