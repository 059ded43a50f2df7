import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { vectorOf } from './sealed-batch-cases.ts';
import { cipherCases } from './sealed-batch-cases-cipher.ts';
import { compressionCases } from './sealed-batch-cases-compression.ts';
import { epochCases } from './sealed-batch-cases-epoch.ts';
import { goodCases } from './sealed-batch-cases-good.ts';
import { sealCases } from './sealed-batch-cases-seal.ts';
import { streamCases } from './sealed-batch-cases-stream.ts';
import { VECTORS } from './sealed-batch-vector.ts';

/**
 * Writes schemas/sealed-batch/vectors anew. Run when the format changes, and review the difference:
 * node --conditions=strongroom:source test/conformance/make-sealed-batch-vectors.ts
 */

const groups = [
  ...[goodCases(), sealCases(), cipherCases(), compressionCases()],
  ...[streamCases(), epochCases()],
];
const vectors = (await Promise.all(groups)).flat().map(vectorOf);
const names = new Set(vectors.map((vector) => vector.name));
if (names.size !== vectors.length) throw new Error('two vectors have one name');
mkdirSync(VECTORS, { recursive: true });
for (const file of readdirSync(VECTORS)) rmSync(new URL(file, VECTORS));
for (const vector of vectors) {
  writeFileSync(new URL(`${vector.name}.json`, VECTORS), `${JSON.stringify(vector, null, 1)}\n`);
}
process.stdout.write(`${vectors.length} vectors\n`);
