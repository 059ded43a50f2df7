/**
 * `npm test`: the static checks, then every vitest project; `npm run check`: the static checks
 * only; `npm run test:long`: the same tests with larger budgets. Arguments go to vitest and leave
 * the static checks out: `npm test -- packages/sealing`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { add, type Counts, closeRun, countOf, countVitest, NO_COUNTS } from './counts.ts';

const ROOT = dirname(import.meta.dirname);
const BIN = join(ROOT, 'node_modules', '.bin');

const STATIC_CHECKS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types of the sources', 'tsc', '-b'],
  ['types of the tests', 'tsc', '-p', 'tsconfig.tests.json'],
  ['format and lint', 'biome', 'check', '--error-on-warnings'],
  ['dead files, exports and dependencies', 'knip', '--no-progress'],
];

/** Debian's software token and OpenSC's tool, for the master key of key release in a PKCS#11 token. */
const TOKEN_TOOLS = ['softhsm2', 'opensc'];

const flags = process.argv.slice(2);
const forVitest = flags.filter((flag) => flag !== '--long' && flag !== '--static');
const onlyStatic = flags.includes('--static');

let counts: Counts = NO_COUNTS;
if (forVitest.length === 0) counts = add(counts, runStaticChecks());
if (!onlyStatic) counts = add(counts, runVitest(forVitest, flags.includes('--long')));
closeRun(counts);

function runStaticChecks(): Counts {
  return STATIC_CHECKS.map(([name, command, ...args]) => {
    const started = performance.now();
    const done = spawnSync(join(BIN, command), args, { cwd: ROOT, stdio: 'inherit' });
    const held = done.status === 0;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${held ? 'ok  ' : 'FAIL'} ${name} (${command}, ${seconds} s)\n`);
    return countOf(held);
  }).reduce(add, NO_COUNTS);
}

/** Where it can: as root on Debian. Elsewhere that test says that it did not run. */
function installTokenTools(): void {
  const there = (tool: string) => spawnSync('which', [tool], { stdio: 'ignore' }).status === 0;
  if (['softhsm2-util', 'pkcs11-tool'].every(there)) return;
  if (process.getuid?.() !== 0 || !there('apt-get')) return;
  const install = ['install', '-y', '--no-install-recommends', ...TOKEN_TOOLS];
  const quiet = {
    stdio: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  } as const;
  if (spawnSync('apt-get', install, quiet).status === 0) return;
  spawnSync('apt-get', ['update'], quiet);
  spawnSync('apt-get', install, quiet);
}

function runVitest(args: readonly string[], long: boolean): Counts {
  installTokenTools();
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const done = spawnSync(join(BIN, 'vitest'), ['run', ...reporters, ...args], {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...process.env, ...(long ? { STRONGROOM_LONG: '1' } : {}) },
    });
    return countVitest(report, done.status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
