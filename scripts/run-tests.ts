/**
 * `npm test`: the static checks, then every vitest project; `npm run check`: the static checks
 * only; `npm run test:long`: the same tests with larger budgets. Arguments go to vitest and leave
 * the static checks out: `npm test -- packages/sealing`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { add, type Counts, closeRun, countOf, countVitest, NO_COUNTS } from './counts.ts';
import { installSystemPackages } from './system-packages.ts';

const ROOT = dirname(import.meta.dirname);
const BIN = join(ROOT, 'node_modules', '.bin');

const STATIC_CHECKS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types of the sources', 'tsc', '-b'],
  ['types of the tests', 'tsc', '-p', 'tsconfig.tests.json'],
  ['format and lint', 'biome', 'check', '--error-on-warnings'],
  ['dead files, exports and dependencies', 'knip', '--no-progress'],
];

const flags = process.argv.slice(2);
const forVitest = flags.filter((flag) => flag !== '--long' && flag !== '--static');
const onlyStatic = flags.includes('--static');

let counts: Counts = NO_COUNTS;
const packages = onlyStatic ? undefined : installSystemPackages();
if (forVitest.length === 0) counts = add(counts, await runStaticChecks());
await packages;
if (!onlyStatic) counts = add(counts, runVitest(forVitest, flags.includes('--long')));
closeRun(counts);

async function runStaticChecks(): Promise<Counts> {
  let checks = NO_COUNTS;
  for (const [name, command, ...args] of STATIC_CHECKS) {
    const started = performance.now();
    const check = spawn(join(BIN, command), args, { cwd: ROOT, stdio: 'inherit' });
    const [status] = await once(check, 'exit');
    const held = status === 0;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${held ? 'ok  ' : 'FAIL'} ${name} (${command}, ${seconds} s)\n`);
    checks = add(checks, countOf(held));
  }
  return checks;
}

function runVitest(args: readonly string[], long: boolean): Counts {
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
