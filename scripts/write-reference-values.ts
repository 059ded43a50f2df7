/**
 * deploy/reference-values/worker.json, from a worker's image that assemble.sh put together:
 *
 *   deploy/images/assemble.sh FOLDER enclave-worker
 *   node --conditions=strongroom:source scripts/write-reference-values.ts FOLDER
 *
 * They are of the sources that `sources` names; whoever has these gets the same values.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { z } from 'zod';
import { treeHash } from '../services/cli/src/tree-hash.ts';

const ROOT = dirname(import.meta.dirname);
export const VALUES_FILE = 'deploy/reference-values/worker.json';

/** Everything that the worker's image is made of, or by; tests and pages of text are not in it. */
const SOURCES = [
  'package.json',
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  '.npmrc',
  'tsconfig*.json',
  'packages',
  'services/enclave-worker',
  'deploy/images/assemble.sh',
  'deploy/images/pack.sh',
  'scripts/image-packages.ts',
  'scripts/write-sbom.ts',
  ...[':(exclude)*.test.ts', ':(exclude,glob)**/test/**', ':(exclude)*.md'],
];

export const ValuesSchema = z.strictObject({
  /** SHA-256 over a line for each source: SHA-256 and path, as sha256sum prints them. */
  sources: z.string().regex(/^[0-9a-f]{64}$/),
  /** As Node names the machine: native packages differ. */
  machine: z.string(),
  /** `strongroom measure --image`: the content, whatever it is packed in. */
  tree: z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/),
  files: z.int(),
  bytes: z.int(),
  /** SHA-256 of the archive that pack.sh makes. */
  archive: z.string().regex(/^[0-9a-f]{64}$/),
  /** What a contract names where this image runs on the simulated platform. */
  simulated: z.string().regex(/^[0-9a-f]{96}$/),
});

export type ReferenceValues = z.infer<typeof ValuesSchema>;

export function referenceValues(image: string): ReferenceValues {
  return {
    sources: sourcesHash(),
    machine: `${process.platform}-${process.arch}`,
    ...treeHash(image),
    archive: archiveHash(image),
    simulated: simulatedMeasurement(image),
  };
}

/** Of what lies there, committed or not, as long as git is told of it. */
function sourcesHash(): string {
  const listed = execFileSync('git', ['ls-files', '-z', '--', ...SOURCES], { cwd: ROOT });
  const hash = createHash('sha256');
  for (const path of listed.toString().split('\0').filter(Boolean).sort()) {
    const content = createHash('sha256')
      .update(readFileSync(join(ROOT, path)))
      .digest('hex');
    hash.update(`${content}  ${path}\n`);
  }
  return hash.digest('hex');
}

export function archiveHash(image: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-archive-'));
  try {
    const archive = join(folder, 'image.tar');
    execFileSync(join(ROOT, 'deploy/images/pack.sh'), [image, archive], { stdio: 'pipe' });
    return createHash('sha256').update(readFileSync(archive)).digest('hex');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function simulatedMeasurement(image: string): string {
  const main = join(image, 'services/enclave-worker/dist/print-measurement.insecure.js');
  const printed: unknown = JSON.parse(execFileSync(process.execPath, [main], { encoding: 'utf8' }));
  return z.looseObject({ measurement: z.string() }).parse(printed).measurement;
}

if (import.meta.main) {
  const [image] = process.argv.slice(2);
  if (image === undefined) throw new Error('write-reference-values.ts FOLDER');
  const text = `${JSON.stringify(referenceValues(image), null, 2)}\n`;
  writeFileSync(join(ROOT, VALUES_FILE), text);
}
