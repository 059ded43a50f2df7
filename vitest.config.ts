import { fileURLToPath } from 'node:url';
import { defineConfig, type UserWorkspaceConfig } from 'vitest/config';

// One condition for node, tsc and vitest: workspace packages resolve to their sources.
const conditions = ['strongroom:source', 'node', 'import', 'default'];
// Vitest hands these on to Node, where `import` would hold for require() as well.
const forNode = conditions.filter((condition) => condition !== 'import');
const shared = {
  ssr: { resolve: { conditions: forNode, externalConditions: conditions } },
  resolve: { conditions },
  // Where a globalSetup file is loaded: inside of vitest's own process.
  environments: { __vitest__: { resolve: { conditions, externalConditions: conditions } } },
};

const isLong = process.env['STRONGROOM_LONG'] === '1';
/** Long runs go on beside other work: what is slow there is not stuck. */
const minutes = (usual: number) => Math.round(usual * 60_000 * (isLong ? 10 : 1));

type TestOptions = NonNullable<UserWorkspaceConfig['test']>;

/** What prepares a test may take as long as the test. */
function project(name: string, include: string[], more: TestOptions = {}) {
  const { testTimeout = minutes(0.5) } = more;
  return {
    ...shared,
    test: {
      name,
      include,
      pool: 'forks' as const,
      execArgv: ['--conditions=strongroom:source'],
      testTimeout,
      hookTimeout: testTimeout,
      ...more,
    },
  };
}

const pageCryptoPath = new URL('packages/browser/src/crypto.ts', import.meta.url);
const PAGE_CRYPTO = `'${fileURLToPath(pageCryptoPath)}'`;
/**
 * What the analyst's page runs in the place of `node:crypto`, under the files that verify: the
 * cases that hold Node's verdicts hold its verdicts too. The simulator, which signs, keeps Node's.
 */
const VERIFIERS =
  /packages\/(sealing|attestation)\/src\/(?!insecure|platforms|.*\/write-|.*\.test\.)[^?]*\.ts$/;
const CASES_OF_VERDICTS = ['cases', 'verdicts', 'azure-vm', 'tokens', 'disguises'].map(
  (name) => `test/conformance/attestation-${name}.test.ts`,
);
const pageCrypto = {
  name: 'page-crypto',
  enforce: 'pre' as const,
  transform(code: string, id: string) {
    return VERIFIERS.test(id) ? code.replaceAll("'node:crypto'", PAGE_CRYPTO) : undefined;
  },
};

/** Measures how soon a killed worker has a successor. */
const SUCCESSORS = 'test/integration/leases.test.ts';

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('unit', ['packages/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts']),
      project('architecture', ['test/architecture/**/*.test.ts']),
      project('conformance', ['test/conformance/**/*.test.ts'], { testTimeout: minutes(2) }),
      {
        ...project('page-crypto', CASES_OF_VERDICTS, {
          testTimeout: minutes(2),
          server: { deps: { inline: [/packages/] } },
        }),
        plugins: [pageCrypto],
      },
      // Both pages in a browser of this machine; said loudly where there is none.
      project('page', ['test/page/**/*.test.ts'], {
        testTimeout: minutes(1),
        hookTimeout: minutes(1),
      }),
      project('simulation', ['test/simulation/**/*.test.ts'], { testTimeout: minutes(2) }),
      project('integration', ['test/integration/**/*.test.ts'], {
        testTimeout: minutes(3),
        exclude: [SUCCESSORS],
        globalSetup: ['test/integration/start-kafka.ts'],
      }),
      // The commands of the pages, as a person types them.
      project('docs', ['test/docs/**/*.test.ts']),
      // Alone, because time counts in them.
      project('successors', [SUCCESSORS], {
        testTimeout: minutes(3),
        globalSetup: ['test/integration/start-kafka.ts'],
        fileParallelism: false,
        sequence: { groupOrder: 1 },
      }),
      project('faults', ['test/faults/**/*.test.ts'], {
        fileParallelism: false,
        sequence: { groupOrder: 1 },
      }),
      // The compose file on a Docker engine, in CI beside the others; said loudly where there is none.
      project('compose', ['test/compose/**/*.test.ts'], {
        testTimeout: minutes(1),
        ...(isLong ? { fileParallelism: false, sequence: { groupOrder: 2 } } : {}),
      }),
      // Tests of the tests, for `npm run test:long`.
      ...(isLong ? [project('mutation', ['test/mutation/**/*.test.ts'])] : []),
    ],
  },
});
