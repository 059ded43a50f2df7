import { StrongroomError } from '@strongroom/protocol/errors';
import { readArrowBatch } from '../src/vault/engine/arrow-batch.ts';
import { ARROW_PROBLEMS } from '../src/vault/engine/arrow-refusal.ts';
import { cellsByArrow, cellsOf } from './arrow-cells.ts';
import { type ArrowMutant, type MutantKind, mutantOf } from './arrow-mutants.ts';
import { arrowSeeds } from './arrow-seeds.ts';

/**
 * Reads mutants in a process that may hang or die. What the reader takes must be what apache-arrow
 * reads in the same bytes; everything else must be a refusal with a word of the closed list.
 */
export interface MutantsRead {
  /** By kind, then by outcome: `the same rows`, `other rows`, or the problem. */
  readonly outcomes: Readonly<Partial<Record<MutantKind, Readonly<Record<string, number>>>>>;
  /** Mutants with an outcome that must not be. */
  readonly wrong: readonly string[];
  /** Of one reading, of the thread's own time. */
  readonly slowestMs: number;
  readonly peakBytes: number;
}

const seeds = arrowSeeds();
const truths = new Map(
  seeds.map(({ bytes, dataset, rows }) => [
    bytes,
    JSON.stringify(cellsOf(readArrowBatch(bytes, dataset, rows))),
  ]),
);

process.on('message', ({ from, to }: { from: number; to: number }) => {
  const outcomes: Partial<Record<MutantKind, Record<string, number>>> = {};
  const wrong: string[] = [];
  let slowestMs = 0;
  for (let number = from; number < to; number++) {
    const mutant = mutantOf(seeds, number);
    const before = process.threadCpuUsage();
    const { outcome, isWrong } = outcomeOf(mutant);
    const { user, system } = process.threadCpuUsage(before);
    slowestMs = Math.max(slowestMs, (user + system) / 1_000);
    const counts = outcomes[mutant.kind] ?? {};
    outcomes[mutant.kind] = { ...counts, [outcome]: (counts[outcome] ?? 0) + 1 };
    if (isWrong) wrong.push(`${number}: ${mutant.kind} of ${mutant.seed.name}: ${outcome}`);
  }
  const peakBytes = process.resourceUsage().maxRSS * 1_024;
  process.send?.({ outcomes, wrong, slowestMs, peakBytes } satisfies MutantsRead);
});

function outcomeOf(mutant: ArrowMutant): { outcome: string; isWrong: boolean } {
  const { bytes, seed, keepsRows } = mutant;
  let found: string;
  try {
    found = JSON.stringify(cellsOf(readArrowBatch(bytes, seed.dataset, seed.rows)));
  } catch (error) {
    const problem = error instanceof StrongroomError ? error.facts['problem'] : undefined;
    const isKnown = ARROW_PROBLEMS.some((each) => each === problem);
    return { outcome: isKnown ? String(problem) : `no refusal: ${error}`, isWrong: !isKnown };
  }
  const isSame = found === truths.get(seed.bytes);
  const other = byArrow(bytes);
  if (other !== found)
    return { outcome: `apache-arrow reads ${other.slice(0, 60)}`, isWrong: true };
  return { outcome: isSame ? 'the same rows' : 'other rows', isWrong: keepsRows && !isSame };
}

function byArrow(bytes: Uint8Array): string {
  try {
    return JSON.stringify(cellsByArrow(bytes));
  } catch (error) {
    return `nothing: ${error}`;
  }
}
