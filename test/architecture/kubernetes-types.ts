import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from './kubernetes-rules.ts';
import { ROOT } from './source-files.ts';

/**
 * Holds manifests to the types of Kubernetes' API, as generated from its OpenAPI document: each one
 * becomes a literal of its kind's type, where the compiler refuses a member that the kind does not
 * have, one of another type, and one that is missing. JSON Schemas of the API let unknown members
 * pass, which is how a misspelt security setting goes unnoticed.
 */

const MODULES: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'policy/v1': 'policy/v1',
  'networking.k8s.io/v1': 'networking/v1',
};

/** By the name of each set of manifests: what is wrong with it, as the compiler says it. */
export function typeErrors(
  sets: Readonly<Record<string, readonly Manifest[]>>,
): Readonly<Record<string, readonly string[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-kubernetes-'));
  try {
    const names = Object.keys(sets);
    for (const [index, manifests] of Object.values(sets).entries()) {
      writeFileSync(join(folder, `set${index}.ts`), moduleOf(manifests));
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG));
    const lines = compile(folder).split('\n');
    return Object.fromEntries(
      names.map((name, index) => [
        name,
        lines.filter((line) => line.startsWith(`set${index}.ts(`)).map(withoutPlace),
      ]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const CONFIG = {
  compilerOptions: {
    noEmit: true,
    strict: true,
    module: 'esnext',
    moduleResolution: 'bundler',
    types: [],
    paths: { 'kubernetes-types/*': [join(ROOT, 'node_modules/kubernetes-types/*')] },
  },
};

function moduleOf(manifests: readonly Manifest[]): string {
  const lines = manifests.map((manifest, index) => {
    const from = MODULES[manifest.apiVersion];
    if (from === undefined) return `const m${index}: ${JSON.stringify(manifest.apiVersion)} = 0;`;
    const type = `import('kubernetes-types/${from}').${manifest.kind}`;
    return `export const m${index}: ${type} = ${JSON.stringify(manifest)};`;
  });
  return `${lines.join('\n')}\n`;
}

function compile(folder: string): string {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  try {
    return execFileSync(tsc, ['-p', folder, '--pretty', 'false'], {
      cwd: folder,
      encoding: 'utf8',
    });
  } catch (error) {
    // Exit code 2: there are errors, on stdout.
    return String((error as { stdout?: unknown }).stdout ?? error);
  }
}

function withoutPlace(line: string): string {
  return line.replace(/^[^:]*: error /, '');
}
