import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { importsOf } from './imports.ts';
import { packageFolderOf, ROOT, readText, resolveRelative } from './source-files.ts';

/** What runs when an entry file runs: our files, and outside packages with those they bring. */
export interface Closure {
  readonly files: ReadonlySet<string>;
  /** Keys `name@version` of pnpm-lock.yaml's snapshots. */
  readonly packages: ReadonlySet<string>;
}

interface Lockfile {
  readonly importers: Readonly<Record<string, Dependencies>>;
  readonly snapshots: Readonly<Record<string, LockedPackage>>;
}
interface Dependencies {
  readonly dependencies?: Readonly<Record<string, { readonly version: string }>>;
}
interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export function readLockfile(): Lockfile {
  return parse(readText('pnpm-lock.yaml')) as Lockfile;
}

export function closureOf(entries: readonly string[], lockfile: Lockfile): Closure {
  const files = new Set<string>();
  const packages = new Set<string>();
  const pending = [...entries];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (files.has(path)) continue;
    files.add(path);
    for (const { specifier, typeOnly } of importsOf({ path, text: readText(path) })) {
      if (typeOnly || specifier.startsWith('node:')) continue;
      const ours = fileOf(path, specifier);
      if (ours === undefined) addPackage(lockedAs(path, specifier, lockfile), lockfile, packages);
      else pending.push(ours);
    }
  }
  return { files, packages };
}

/** The file of ours that an import leads to; undefined when it leads to an outside package. */
function fileOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return existing(resolveRelative(from, specifier), from);
  const [, name, rest] = /^@strongroom\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  // Every package of ours exports "./*" from "./src/*.ts" and nothing else.
  return existing(`packages/${name}/src/${rest}.ts`, from);
}

function existing(path: string, from: string): string {
  if (!existsSync(join(ROOT, path))) throw new Error(`${from} loads ${path}, which is not there`);
  return path;
}

/** Snapshot key of a package as the importing workspace package has it. */
function lockedAs(from: string, specifier: string, lockfile: Lockfile): string {
  const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
  const folder = packageFolderOf(from) ?? '.';
  const version = lockfile.importers[folder]?.dependencies?.[name]?.version;
  if (version === undefined) {
    throw new Error(`${from} loads ${name}, which ${folder}/package.json does not depend on`);
  }
  return `${name}@${version}`;
}

/** Whole packages, for every platform: what a dependency brings counts, loaded or not. */
function addPackage(start: string, lockfile: Lockfile, packages: Set<string>): void {
  const pending = [start];
  for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
    if (packages.has(key)) continue;
    const locked = lockfile.snapshots[key];
    if (locked === undefined) throw new Error(`pnpm-lock.yaml has no snapshot of ${key}`);
    packages.add(key);
    const brought = { ...locked.dependencies, ...locked.optionalDependencies };
    for (const [name, version] of Object.entries(brought)) pending.push(`${name}@${version}`);
  }
}
