import { expect, test } from 'vitest';
import { type LaneOutcome, runLanes } from './lanes.ts';
import { scheduleOf } from './schedule.ts';
import type { World } from './world.ts';

const jobs = [1, 2, 3].map((seed) => () => scheduleOf(seed));
/** Nothing runs in it: whatever is tried is a failure of the run. */
const broken = { node: {}, folders: { run: 'folder' }, close: async () => undefined };

async function runIn(worlds: readonly (World | undefined)[]): Promise<LaneOutcome[]> {
  const outcomes: LaneOutcome[] = [];
  const left = [...worlds];
  const open = async () => left.shift() ?? Promise.reject(new Error('not ready within 60000 ms'));
  const onOutcome = (outcome: LaneOutcome) => outcomes.push(outcome);
  await runLanes({ jobs, rows: 1, lanes: 1, open, onOutcome });
  return outcomes;
}

test('a world that does not come up is one failed schedule; the others go on', async () => {
  const world = broken as unknown as World;
  const outcomes = await runIn([world, undefined, world]);
  expect(outcomes.map(({ seed }) => seed)).toEqual([1, 2, 3]);
  const errors = outcomes.map(({ anomalies }) => anomalies.map(({ kind }) => kind));
  expect(errors).toEqual([['run-failed'], ['run-failed'], ['run-failed']]);
  expect(outcomes[1]?.anomalies[0]?.facts).toEqual({ error: 'not ready within 60000 ms' });
});

test('where not even the first comes up, nothing is run and nothing told', async () => {
  await expect(runIn([undefined])).rejects.toThrow('not ready');
});
