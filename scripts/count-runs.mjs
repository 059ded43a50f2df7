// node scripts/count-runs.mjs TESTS_LOG TESTS_EXIT DEMO_LOG DEMO_EXIT
//
// Adds up what `npm test` counted and what the demo's last line says about itself, repeats what was
// skipped and why, prints `N passed, N failed` as its last line and fails when anything did. Plain JavaScript for the same
// reason as bootstrap.mjs: it must be able to report that nothing could be installed.
import { readFileSync } from 'node:fs';

/** The attacks that the demo shows live. */
const REFUSALS = [
  'ERR_MEASUREMENT_MISMATCH',
  'ERR_SEAL_SIGNATURE',
  'ERR_BATCH_REPLAYED',
  'ERR_STREAM_TRUNCATED',
  'ERR_LEASE_FORKED',
  'ERR_NOT_A_READER',
];

const [testsLog, testsExit, demoLog, demoExit] = process.argv.slice(2);

const runs = [
  countTests(lastLine(testsLog), Number(testsExit)),
  countDemo(lastLine(demoLog), Number(demoExit)),
];
const passed = runs.reduce((sum, run) => sum + run.passed, 0);
const failed = runs.reduce((sum, run) => sum + run.failed, 0);
for (const line of skippedIn(readFileSync(testsLog, 'utf8'))) process.stdout.write(`${line}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || runs.some((run) => run.passed === 0) ? 1 : 0;

function countTests(line, exit) {
  const found = /^(\d+) passed, (\d+) failed$/.exec(line);
  const passed = Number(found?.[1] ?? 0);
  const failed = Number(found?.[2] ?? 1);
  // A run that fails without a failed test (it was killed, say) is one failure.
  return { passed, failed: exit !== 0 && failed === 0 ? 1 : failed };
}

/** Thousands of lines lie between a test that says so and the end of the log. */
function skippedIn(log) {
  const reasons = log.match(/^SKIPPED: .*$/gm) ?? [];
  const [, count = '0'] = [...log.matchAll(/^(\d+) skipped$/gm)].at(-1) ?? [];
  return [...new Set(reasons), `${count} skipped`];
}

/** Every promise of the demo is one check. */
function countDemo(line, exit) {
  const result = parse(line);
  const checks = {
    'the demo exits with 0': exit === 0,
    'every row was counted once': result.rowsIn > 0 && result.rowsCounted === result.rowsIn,
    'aggregates were read': result.aggregates > 0 && result.windows > 0,
    'every aggregate equals the plaintext query': result.matchesPlaintext === true,
    ...Object.fromEntries(
      REFUSALS.map((code) => [`it was refused with ${code}`, result.refusals?.includes(code)]),
    ),
  };
  for (const [name, held] of Object.entries(checks)) {
    process.stdout.write(`${held ? 'ok  ' : 'FAIL'} demo: ${name}\n`);
  }
  const passed = Object.values(checks).filter(Boolean).length;
  return { passed, failed: Object.keys(checks).length - passed };
}

function parse(line) {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function lastLine(file) {
  return readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
}
