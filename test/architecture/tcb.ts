/**
 * The trusted computing base: every file of ours and every outside package that the enclave loads.
 *
 *   node --conditions=strongroom:source test/architecture/tcb.ts --write
 *
 * writes services/enclave-worker/tcb.json anew. A test compares: what enters the trusted base shows
 * up as a diff that someone approves.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Closure, closureOf, readLockfile } from './closure.ts';
import { ROOT } from './source-files.ts';

export interface TrustedBase {
  /** Paths from the repository's root. */
  readonly files: readonly string[];
  /** Exact versions; two versions of one package stand in one string, separated by a space. */
  readonly packages: Readonly<Record<string, string>>;
  /** What only the simulated platform's entry loads; never in a production image. */
  readonly insecureFiles: readonly string[];
  readonly insecurePackages: Readonly<Record<string, string>>;
}

const WORKER = 'services/enclave-worker';
export const TCB_FILE = `${WORKER}/tcb.json`;
/** The measured processes: the worker and its child, the vault. */
const ENTRIES = [`${WORKER}/src/main.ts`, `${WORKER}/src/vault-main.ts`];
const INSECURE_ENTRY = `${WORKER}/src/main.insecure.ts`;

export function trustedBase(): TrustedBase {
  const lockfile = readLockfile();
  const measured = closureOf(ENTRIES, lockfile);
  const insecure = existsSync(join(ROOT, INSECURE_ENTRY))
    ? closureOf([INSECURE_ENTRY], lockfile)
    : { files: new Set<string>(), packages: new Set<string>() };
  const extra: Closure = {
    files: without(insecure.files, measured.files),
    packages: without(insecure.packages, measured.packages),
  };
  return {
    files: [...measured.files].sort(),
    packages: versionsOf(measured.packages),
    insecureFiles: [...extra.files].sort(),
    insecurePackages: versionsOf(extra.packages),
  };
}

function without(all: ReadonlySet<string>, known: ReadonlySet<string>): Set<string> {
  return new Set([...all].filter((each) => !known.has(each)));
}

function versionsOf(keys: ReadonlySet<string>): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const key of [...keys].sort()) {
    // name@version, or name@version(peer@version): the peers stand in the list themselves.
    const [, name, version] = /^(@?[^@]+)@([^(]+)/.exec(key) ?? [];
    if (name === undefined || version === undefined) throw new Error(`${key} is no package`);
    const earlier = versions[name];
    if (earlier?.split(' ').includes(version)) continue;
    versions[name] = earlier === undefined ? version : `${earlier} ${version}`;
  }
  return versions;
}

export function tcbText(base: TrustedBase): string {
  return `${JSON.stringify(base, null, 2)}\n`;
}

if (import.meta.main) {
  if (process.argv.includes('--write')) writeFileSync(join(ROOT, TCB_FILE), tcbText(trustedBase()));
  else process.stdout.write(tcbText(trustedBase()));
}
