import { readFileSync } from 'node:fs';

/** How many checks held and how many did not; the closing line of every run is made of it. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NO_COUNTS: Counts = { passed: 0, failed: 0, skipped: 0 };

export function add(left: Counts, right: Counts): Counts {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}

export function countOf(held: boolean): Counts {
  return { ...NO_COUNTS, [held ? 'passed' : 'failed']: 1 };
}

interface VitestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Counts vitest's JSON report. A file that failed without a failed test in it (it did not load, or
 * a hook broke) counts as one failure; so does a run that left no report, or that failed although
 * every test passed (an error outside of any test).
 */
export function countVitest(reportFile: string, exitCode: number | null): Counts {
  const report = readReport(reportFile);
  let counts = NO_COUNTS;
  for (const file of report?.testResults ?? []) {
    const inFile = countAssertions(file.assertionResults);
    const unexplained = file.status === 'failed' && inFile.failed === 0;
    counts = add(counts, unexplained ? add(inFile, countOf(false)) : inFile);
  }
  const unexplained = report === undefined || (exitCode !== 0 && counts.failed === 0);
  return unexplained ? add(counts, countOf(false)) : counts;
}

function countAssertions(assertions: readonly { readonly status: string }[]): Counts {
  const having = (...statuses: string[]) =>
    assertions.filter((each) => statuses.includes(each.status)).length;
  const passed = having('passed');
  const failed = having('failed');
  return { passed, failed, skipped: assertions.length - passed - failed };
}

function readReport(file: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as VitestReport;
  } catch {
    return undefined;
  }
}

/** The closing line, alone on its line; a run in which nothing passed has failed. */
export function closeRun(counts: Counts): void {
  if (counts.skipped > 0) process.stdout.write(`${counts.skipped} skipped\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}
