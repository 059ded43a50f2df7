import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * Real reports, certificates and tokens that lie beside the checkout, each with its source and
 * licence in the folder's README. STRONGROOM_FIXTURES names another place.
 */
const FOLDER =
  process.env['STRONGROOM_FIXTURES'] ??
  join(import.meta.dirname, '..', '..', '..', 'shared', 'fixtures');
const SNP = join(FOLDER, 'snp');

export const hasFixtures = existsSync(join(SNP, 'index.json'));
if (!hasFixtures) {
  process.stderr.write(
    `SKIPPED: no SEV-SNP fixtures at ${SNP}; set STRONGROOM_FIXTURES to the folder that holds snp/\n`,
  );
}

const count = z.int().nullish();
const TcbSchema = z.looseObject({
  fmc: count,
  bl: z.int(),
  tee: z.int(),
  snp: z.int(),
  ucode: z.int(),
});

const IndexSchema = z.looseObject({
  leafCertificates: z.array(
    z.looseObject({
      files: z.array(z.string()),
      type: z.enum(['SEV-VCEK', 'SEV-VLEK']),
      gen: z.enum(['Milan', 'Genoa', 'Turin']),
      chain: z.boolean(),
      notBefore: z.string(),
      notAfter: z.string(),
      ext: TcbSchema.extend({ hwid: z.string().nullish(), csp: z.string().nullish() }),
    }),
  ),
  reports: z.array(
    z.looseObject({
      file: z.string(),
      sig: z.boolean().nullish(),
      gen: z.string().nullish(),
      vlek: z.boolean().nullish(),
      signer: z.array(z.string()).nullish(),
      version: z.int().nullish(),
      debug: z.boolean().nullish(),
      vmpl: count,
      fw: z.string().nullish(),
      fms: z.string().nullish(),
      reported: TcbSchema.nullish(),
      current: TcbSchema.nullish(),
      committed: TcbSchema.nullish(),
      launch: TcbSchema.nullish(),
    }),
  ),
});

type Index = z.infer<typeof IndexSchema>;
export type IndexedReport = Index['reports'][number];

const index: Index | undefined = hasFixtures
  ? IndexSchema.parse(JSON.parse(textOf('index.json')))
  : undefined;

export function indexedReports(): IndexedReport[] {
  return index?.reports ?? [];
}

export function indexedLeaves(): Index['leafCertificates'] {
  return index?.leafCertificates ?? [];
}

export function bytesOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(SNP, path)));
}

export function textOf(path: string): string {
  return readFileSync(join(SNP, path), 'utf8');
}

const REPORT_BYTES = 1184;
const ATTESTATION_MEMBERS = ['report.snpCACI.attestation', 'report.snpCvm.evidence.snpReport'];
const HCL_MEMBERS = ['evidence.hcl_report', 'hcl_report', 'report'];

/** The bytes that the index calls `file`, `file@32` or `file#member`. */
export function reportOf(name: string): Uint8Array {
  const [path = '', member] = name.split('#');
  if (member === undefined) {
    const [file = '', offset] = path.split('@');
    const bytes = bytesOf(file);
    return offset === undefined
      ? bytes
      : bytes.slice(Number(offset), Number(offset) + REPORT_BYTES);
  }
  const document: unknown = JSON.parse(textOf(path));
  if (!member.startsWith('hcl')) return binaryOf(document, ATTESTATION_MEMBERS);
  return binaryOf(document, HCL_MEMBERS).slice(32, 32 + REPORT_BYTES);
}

/** The leaf that the index calls the signer of a report. */
export function leafOf(path: string): Uint8Array {
  if (!path.endsWith('.json')) return firstCertificate(bytesOf(path));
  const document: unknown = JSON.parse(textOf(path));
  const members = [
    'vcek',
    'evidence.vcek',
    'vcekCert',
    'report.snpCACI.platformCertificates',
    'report.snpCvm.platformCertificates',
  ];
  return firstCertificate(binaryOf(document, members));
}

/** DER, from DER or from the first block of PEM. */
export function firstCertificate(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  const block = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(text)?.[1];
  return block === undefined ? bytes : new Uint8Array(Buffer.from(block, 'base64'));
}

function binaryOf(document: unknown, members: readonly string[]): Uint8Array {
  for (const member of members) {
    const value = memberOf(document, member);
    if (Array.isArray(value)) return Uint8Array.from(value.map(Number));
    if (typeof value === 'string' && value.startsWith('-----')) return Buffer.from(value);
    if (typeof value === 'string') return new Uint8Array(Buffer.from(value, 'base64'));
  }
  throw new TypeError(`none of ${members.join(', ')} is there`);
}

function memberOf(document: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  }, document);
}

export function pemOf(der: Uint8Array): string {
  const text = Buffer.from(der)
    .toString('base64')
    .replaceAll(/(.{64})/g, '$1\n');
  return `-----BEGIN CERTIFICATE-----\n${text.trimEnd()}\n-----END CERTIFICATE-----\n`;
}

/** ASK, ARK and ASVK of a product, as AMD's key service hands them out. */
export function authoritiesOf(product: string): string {
  return textOf(`trustee/chains/${product.toLowerCase()}_ask_ark_asvk.pem`);
}
