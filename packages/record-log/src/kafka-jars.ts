import { type SpawnOptions, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LogError } from './log-error.ts';

/**
 * Jars as Maven resolves them from a pom.xml, Kafka's from deploy/kafka, in a cache folder that is
 * named by the hash of that file. Whatever settings, mirrors and credentials Maven has are used.
 */

/** Kafka 4's broker needs it. */
const JAVA_VERSION_MIN = 17;

/** deploy/kafka: the same distance from src/ and from dist/. */
export function kafkaSettingsPath(file: string): string {
  return fileURLToPath(new URL(`../../../deploy/kafka/${file}`, import.meta.url));
}

/** The `java` to run. Rejects with ERR_KAFKA_UNAVAILABLE: none, or too old. */
export async function findJava(): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const candidates = [...(home === undefined ? [] : [join(home, 'bin', 'java')]), 'java'];
  let found = 'no-java';
  for (const java of candidates) {
    const lines: string[] = [];
    const ended = await run(java, ['-version'], (line) => lines.push(line));
    if (ended !== 0) continue;
    const major = javaVersion(lines.join('\n'));
    if (major >= JAVA_VERSION_MIN) return java;
    found = `java-${major}-is-too-old`;
  }
  throw new LogError('ERR_KAFKA_UNAVAILABLE', { reason: found });
}

/** 17 of `openjdk version "17.0.15"`, 8 of `java version "1.8.0_392"`, 0 of anything else. */
export function javaVersion(text: string): number {
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return Number(first === '1' ? second : (first ?? 0));
}

/** The folder with Kafka's jars; filled at the first use. Rejects with ERR_KAFKA_UNAVAILABLE. */
export async function kafkaJars(onProgress: (line: string) => void): Promise<string> {
  const what = 'Apache Kafka with Maven (some 45 MB, only the first time)';
  return await mavenJars({ name: 'kafka', pom: kafkaSettingsPath('pom.xml'), what }, onProgress);
}

export interface JarSet {
  /** Of the cache folder, before the hash. */
  readonly name: string;
  /** The path of its pom.xml. */
  readonly pom: string;
  /** Told while Maven resolves it. */
  readonly what: string;
}

/** The folder with a set's jars; filled at the first use. Rejects with ERR_KAFKA_UNAVAILABLE. */
export async function mavenJars(set: JarSet, onProgress: (line: string) => void): Promise<string> {
  const pom = await readFile(set.pom);
  const version = createHash('sha256').update(pom).digest('hex').slice(0, 16);
  const cache = cacheFolder();
  const folder = join(cache, `${set.name}-${version}`);
  if (await exists(folder)) return folder;

  await mkdir(cache, { recursive: true });
  // Whole or not at all: another process may be filling its own at the same time.
  const filling = join(cache, `.${set.name}-${randomUUID()}`);
  try {
    await downloadJars(set, filling, onProgress);
    await rename(filling, folder);
  } catch (error) {
    await rm(filling, { recursive: true, force: true });
    if (!(await exists(folder))) throw error;
  }
  return folder;
}

/** Where what is downloaded once stays, each in a folder named by what is in it. */
export function cacheFolder(): string {
  const configured = process.env['XDG_CACHE_HOME'] ?? '';
  const base = configured === '' ? join(homedir(), '.cache') : configured;
  return join(base, 'strongroom');
}

const FILES_PER_LINE = 10;

async function downloadJars(
  { pom, what }: JarSet,
  folder: string,
  onProgress: (line: string) => void,
): Promise<void> {
  onProgress(`resolving ${what}`);
  let files = 0;
  const ended = await run('mvn', mavenArguments(pom, folder), (line) => {
    if (!line.includes('Downloaded from')) return;
    files += 1;
    if (files % FILES_PER_LINE === 0) onProgress(`Maven has downloaded ${files} files`);
  });
  if (ended === undefined) throw new LogError('ERR_KAFKA_UNAVAILABLE', { reason: 'no-maven' });
  if (ended !== 0 || !(await exists(folder))) {
    throw new LogError('ERR_KAFKA_UNAVAILABLE', { reason: 'maven-failed', exit: ended });
  }
}

function mavenArguments(pom: string, folder: string): string[] {
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime'];
  return ['--batch-mode', '--file', pom, ...goal, `-DoutputDirectory=${folder}`];
}

/** The exit code; undefined when there is no such program. Every line of its output is shown. */
export function run(
  program: string,
  args: readonly string[],
  onLine: (line: string) => void,
  options: SpawnOptions = {},
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', onLine);
    }
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => resolve(code ?? 1));
  });
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
