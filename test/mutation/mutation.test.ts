import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { z } from 'zod';

/** Part of `npm run test:long` only: an hour would try every mutant, these minutes a sample. */
const MINUTES = Number(process.env['STRONGROOM_MUTATION_MINUTES'] ?? 15);
const KILLED_MIN = 0.85;

const TriedSchema = z.looseObject({
  path: z.string(),
  line: z.int(),
  operator: z.string(),
  outcome: z.enum(['killed', 'survived']),
});

test(
  'the tests notice 85 of 100 mutants of verification, appraisal, tokens and policies',
  async () => {
    const script = join(import.meta.dirname, 'mutate.ts');
    const args = ['--conditions=strongroom:source', script, '--minutes', `${MINUTES}`];
    // A runner inside of a runner must not take over its settings, nor the size of a long run.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^(VITEST|VITE_|TEST$|DEV$|PROD$|STRONGROOM_LONG$)/.test(name),
      ),
    );
    const options = { env, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await promisify(execFile)(process.execPath, args, options);
    const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
    const tried = lines.map((line) => TriedSchema.parse(JSON.parse(line)));
    const survived = tried.filter(({ outcome }) => outcome === 'survived');
    const rate = 1 - survived.length / tried.length;
    const places = survived.map((each) => `${each.path}:${each.line} ${each.operator}`);
    process.stderr.write(`${tried.length} mutants, ${(100 * rate).toFixed(1)} % killed\n`);
    process.stderr.write(`${places.sort().join('\n')}\n`);
    expect(tried.length).toBeGreaterThan(MINUTES);
    expect(rate).toBeGreaterThanOrEqual(KILLED_MIN);
  },
  (MINUTES + 5) * 60_000,
);
