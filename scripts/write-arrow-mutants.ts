/**
 * docs/arrow-mutants.md, made by reading 200,000 mutants; it takes some minutes:
 *
 *   node --conditions=strongroom:source scripts/write-arrow-mutants.ts
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MUTANT_KINDS } from '../services/enclave-worker/test/arrow-mutants.ts';
import { type MutantsRun, runMutants } from '../services/enclave-worker/test/arrow-mutants-run.ts';

const MUTANTS = 200_000;
const FILE = join(import.meta.dirname, '../docs/arrow-mutants.md');

const INTRODUCTION = `# Mutants of Arrow streams

An owner may send any bytes as the Arrow stream of a batch.
\`services/enclave-worker/test/arrow-mutants.ts\` damages good streams of every column type,
with and without nulls, of one and of several columns: numbers of the metadata by name, counts,
buffers, dictionary ids, truncation, splices, bits. A child process reads each mutant with the
vault's reader. What it takes must be, bit by bit, what apache-arrow reads in the same bytes,
and the original rows where the damage means nothing; all else must be a refusal by a word of
the closed list (\`services/enclave-worker/src/vault/engine/arrow-refusal.ts\`). \`npm test\`
reads 5,000 mutants, \`npm run test:long\` as many as here. This page is made by
\`scripts/write-arrow-mutants.ts\`.
`;

const run = await runMutants(0, MUTANTS);
assert.deepEqual([run.wrong, run.killed], [[], []], 'every mutant has an outcome that may be');
writeFileSync(FILE, pageOf(run));
process.stdout.write(`${FILE} written\n`);

function pageOf({ outcomes, slowestMs, peakBytes, stallMs }: MutantsRun): string {
  const rows = MUTANT_KINDS.map((kind) => {
    const counts = Object.entries(outcomes[kind] ?? {});
    const sum = (of: (outcome: string) => boolean) =>
      counts.filter(([outcome]) => of(outcome)).reduce((total, [, count]) => total + count, 0);
    const refused = sum((outcome) => !outcome.endsWith(' rows'));
    const same = sum((outcome) => outcome === 'the same rows');
    const other = sum((outcome) => outcome === 'other rows');
    return `| ${kind} | ${same + other + refused} | ${refused} | ${same} | ${other} |`;
  });
  const total = new Map<string, number>();
  for (const [outcome, count] of Object.values(outcomes).flatMap(Object.entries<number>)) {
    if (!outcome.endsWith(' rows')) total.set(outcome, (total.get(outcome) ?? 0) + count);
  }
  const words = [...total].sort(([, one], [, other]) => other - one);
  return `${INTRODUCTION}
${MUTANTS.toLocaleString('en')} mutants: none was read otherwise than apache-arrow reads it, none
lost its rows, no child hung or died. The slowest reading, with apache-arrow's, took
${Math.ceil(slowestMs)} ms of the processor's time; a child took ${Math.ceil(peakBytes / 1_048_576)}
MiB at most; the parent's thread was never busy for more than ${Math.ceil(stallMs)} ms.

| kind of mutant | mutants | refused | the same rows | other rows, as apache-arrow has them |
|---|---|---|---|---|
${rows.join('\n')}

| refused by the word | mutants |
|---|---|
${words.map(([word, count]) => `| ${word} | ${count} |`).join('\n')}
`;
}
