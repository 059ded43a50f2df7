import process from 'node:process';
import { type ReadOptions, readResults } from '@strongroom/analyst';

/** Verifies and opens what an analyst may read, and counts what it was shown. */

const { CONTRACT, BROKERS, IDENTITY, NAMESPACE, SIMULATED_PLATFORM } = process.env;
if (!CONTRACT || !BROKERS || !IDENTITY) throw new Error('see README.md for what is set');

const options: ReadOptions = {
  contract: CONTRACT,
  brokers: BROKERS,
  identity: IDENTITY,
  ...(NAMESPACE ? { namespace: NAMESPACE } : {}),
  ...(SIMULATED_PLATFORM ? { roots: await simulated(SIMULATED_PLATFORM) } : {}),
};
for await (const reading of readResults(options)) {
  if (reading.kind === 'refused') console.error(`${reading.code} at ${reading.offset}`);
  if (reading.kind !== 'result') continue;
  const { query, window, rows, proof } = reading;
  const from = window === null ? 'all' : new Date(window.start).toISOString();
  const owners = proof.inputs.map(({ owner }) => owner);
  for (const { visits, ...group } of rows) {
    console.log(JSON.stringify({ query, from, ...group, visits: Number(visits), owners }));
  }
}

/** For trying out only: its evidence proves nothing, so a program for real has no such line. */
async function simulated(folder: string) {
  const { simulatedRoots } = await import('@strongroom/analyst/simulated');
  return simulatedRoots(folder);
}
