/**
 * Mutation testing of verification, appraisal, tokens and release policies:
 *
 *   node --conditions=strongroom:source test/mutation/mutate.ts --minutes 20 [--shard 1/2]
 *
 * Mutants are taken in a seeded order until the time is up, one JSON line each on stdout: what was
 * changed, where, and whether a test noticed. `npm run test:long` runs it with a budget.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '@strongroom/testkit/seeded-random';
import { type Mutant, mutantsOf } from './mutants.ts';
import { type Outcome, sourceOf, startMutationRunner } from './mutation-runner.ts';
import { SUBJECTS } from './subjects.ts';

export type Tried = Omit<Mutant, 'start' | 'end'> & {
  readonly outcome: Outcome;
  readonly text: string;
};

const SEED = 20_261_125;

/** Every mutant of every subject, shuffled: a run that ends early has tried a fair sample. */
export function allMutants(shard = 0, shards = 1): Mutant[] {
  const all = SUBJECTS.flatMap((path) => mutantsOf(path, sourceOf(path)));
  const random = seededRandom(SEED);
  const shuffled = all
    .map((mutant) => ({ mutant, place: random.below(2 ** 32) }))
    .sort((left, right) => left.place - right.place);
  return shuffled.map(({ mutant }) => mutant).filter((_, index) => index % shards === shard);
}

/** @param minutes no mutant is begun after them */
export async function tryMutants(
  mutants: readonly Mutant[],
  minutes: number,
  onTried: (tried: Tried) => void,
): Promise<void> {
  const ends = performance.now() + minutes * 60_000;
  const runner = await startMutationRunner();
  try {
    const subjects = mutants.map(({ path }) => path);
    if (!(await runner.passesUnchanged(subjects))) throw new Error('tests fail without a mutant');
    for (const mutant of mutants) {
      if (performance.now() > ends) return;
      const outcome = await runner.run(mutant);
      const { start, end, ...place } = mutant;
      const text = sourceOf(mutant.path).slice(start, end);
      onTried({ ...place, text, outcome });
    }
  } finally {
    await runner.close();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      shard: { type: 'string', default: '1/1' },
      only: { type: 'string', default: '' },
    },
  });
  const [shard = 1, shards = 1] = values.shard.split('/').map(Number);
  const mutants = allMutants(shard - 1, shards).filter(({ path }) => path.includes(values.only));
  await tryMutants(mutants, Number(values.minutes), (tried) => {
    process.stdout.write(`${JSON.stringify(tried)}\n`);
  });
  // vitest has set it to 1: tests failed, which is what they were run for.
  process.exitCode = 0;
}
