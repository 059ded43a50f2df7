import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createVitest, type TestSpecification, type Vitest } from 'vitest/node';
import type { Mutant } from './mutants.ts';
import { ALL_TESTS, testsFor } from './subjects.ts';

export const ROOT = join(import.meta.dirname, '..', '..');

export type Outcome = 'killed' | 'survived';

/**
 * Runs tests on mutants. No file is changed: vite hands the tests a changed text of one source. A
 * mutant is killed by the first test that fails, or by a test file that no longer ends in time.
 */
export interface MutationRunner {
  /** Whether the tests of these sources pass without a mutant. */
  passesUnchanged(subjects: readonly string[]): Promise<boolean>;
  run(mutant: Mutant): Promise<Outcome>;
  close(): Promise<void>;
}

const CONDITIONS = ['strongroom:source', 'node', 'import', 'default'];
/** The slowest test file takes four seconds; a loop without an end must not take for ever. */
const TEST_TIMEOUT_MS = 30_000;

export async function startMutationRunner(): Promise<MutationRunner> {
  let current: Mutant | undefined;
  const plugin = {
    name: 'strongroom-mutant',
    enforce: 'pre' as const,
    transform(code: string, id: string): string | undefined {
      const path = relative(ROOT, id.split('?')[0] ?? id);
      return current?.path === path ? applied(current, code) : undefined;
    },
  };
  const vitest = await createVitest(
    {
      ...{ root: ROOT, config: false, watch: false, bail: 1, passWithNoTests: true },
      ...{ include: [...ALL_TESTS], pool: 'forks', maxWorkers: 1, fileParallelism: false },
      execArgv: ['--conditions=strongroom:source'],
      setupFiles: ['test/mutation/watchdog.ts'],
      // A cache of transformed files would hand out the text without the mutant.
      ...{ reporters: [{}], fsModuleCache: false },
      ...{ testTimeout: TEST_TIMEOUT_MS, hookTimeout: TEST_TIMEOUT_MS },
    },
    {
      plugins: [plugin],
      resolve: { conditions: CONDITIONS },
      ssr: { resolve: { conditions: CONDITIONS, externalConditions: CONDITIONS } },
      logLevel: 'silent',
    },
  );
  const specifications = await vitest.globTestSpecifications();
  const run = async (paths: readonly string[], path?: string): Promise<boolean> => {
    if (path !== undefined) vitest.invalidateFile(join(ROOT, path));
    return passes(vitest, inOrder(specifications, paths));
  };
  return {
    passesUnchanged: (subjects) => run([...new Set(subjects.flatMap(testsFor))]),
    async run(mutant) {
      current = mutant;
      const survived = await run(testsFor(mutant.path), mutant.path);
      current = undefined;
      vitest.invalidateFile(join(ROOT, mutant.path));
      return survived ? 'survived' : 'killed';
    },
    close: () => vitest.close(),
  };
}

/** One file after the other, so that the first failure ends it all. */
async function passes(vitest: Vitest, files: readonly TestSpecification[]): Promise<boolean> {
  for (const file of files) {
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications([file], false);
    // Modules of earlier runs are among them.
    const module = testModules.find((each) => each.moduleId === file.moduleId);
    if (unhandledErrors.length > 0 || !module?.ok()) return false;
  }
  return true;
}

function inOrder(all: readonly TestSpecification[], paths: readonly string[]): TestSpecification[] {
  return paths.flatMap((path) => all.filter((each) => each.moduleId === join(ROOT, path)));
}

function applied(mutant: Mutant, code: string): string {
  // The text that vite hands over is the file's own: this plugin runs before every other.
  return code.slice(0, mutant.start) + mutant.replacement + code.slice(mutant.end);
}

export function sourceOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
