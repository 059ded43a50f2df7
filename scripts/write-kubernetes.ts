/**
 * deploy/kubernetes/rendered: what kustomize makes of each overlay, for review and for the tests,
 * which need no kustomize then:
 *
 *   node --conditions=strongroom:source scripts/write-kubernetes.ts
 *
 * Runs the `kustomize` of KUSTOMIZE, or brings the pinned one through Go. Each file names the
 * SHA-256 of what it was made from, so that a test sees one that is behind its overlay.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';

const ROOT = dirname(import.meta.dirname);
const FOLDER = join(ROOT, 'deploy/kubernetes');
const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.8.1';

export const OVERLAYS: readonly string[] = readdirSync(join(FOLDER, 'overlays')).sort();

export function renderedPath(overlay: string): string {
  return join(FOLDER, 'rendered', `${overlay}.yaml`);
}

/** Says which kustomize, from which bytes, made which bytes: nothing of it is changed by hand. */
export function headerOf(overlay: string, body: string): string {
  const inputs = createHash('sha256');
  for (const path of inputsOf(overlay)) {
    inputs
      .update(`${relative(FOLDER, path)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  const made = createHash('sha256').update(body).digest('hex');
  return [
    `# Written by scripts/write-kubernetes.ts with ${KUSTOMIZE}.`,
    `# from ${inputs.digest('hex')}`,
    `# made ${made}`,
    '',
  ].join('\n');
}

/** Bases count for every overlay: which of them it takes, its kustomization says. */
function inputsOf(overlay: string): string[] {
  return ['base', join('overlays', overlay)].flatMap((folder) =>
    readdirSync(join(FOLDER, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort(),
  );
}

export function render(overlay: string): string {
  const folder = join(FOLDER, 'overlays', overlay);
  const own = process.env['KUSTOMIZE'];
  const [program, ...args] = own === undefined ? ['go', 'run', KUSTOMIZE] : [own];
  const body = execFileSync(program, [...args, 'build', folder], { encoding: 'utf8' });
  return headerOf(overlay, body) + body;
}

if (import.meta.main) {
  for (const overlay of OVERLAYS) writeFileSync(renderedPath(overlay), render(overlay));
}
