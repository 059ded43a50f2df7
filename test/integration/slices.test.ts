import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT_CODE_ENDED } from '@strongroom/protocol/errors';
import { partialsTopic } from '@strongroom/protocol/record';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Deployment,
  jsonLines,
  publish,
  readAs,
  revokeAs,
  type Shipment,
  startWorker,
  stateFolder,
} from '../deployment/pipeline.ts';
import { closeDeployment, inNamespace, openDeployment } from './open-deployment.ts';
import {
  cutByHours,
  expectedTotals,
  READER,
  SLICED_VISITS_PLAN,
  sumOf,
  type VisitsLine,
  writeVisits,
} from './visits.ts';

/**
 * Two hosts that share out two slices and what merges them, by a consumer group of a real Kafka;
 * one is killed in the middle. Here because only a real group rebalances.
 */

const ROWS_EACH = 2_000;
const UNTIL_MS = 90_000;

let live: Deployment;
let parts: readonly (readonly Shipment[])[];

beforeAll(async () => {
  const opened = await openDeployment(SLICED_VISITS_PLAN);
  live = { ...opened.base, agreement: opened.organisations };
  const [north, south] = await writeVisits(live.folders.run, ROWS_EACH);
  if (!north || !south) throw new Error('two owners ship');
  parts = await Promise.all([north, south].map((each) => cutByHours(each, [2, 3, 5])));
  live = await inNamespace(live, 'slices');
});

afterAll(() => closeDeployment(live));

/** The parts of each owner go to its two streams in turns; these to those of one stream. */
async function publishPart(at: number, more: readonly string[]): Promise<void> {
  const stream = `gate-${at % 2}`;
  for (const shipments of parts) {
    const shipment = shipments[at] ?? expect.fail(`no part ${at}`);
    const state = `${stateFolder(live, shipment.dataset)}-${stream}`;
    await publish(live, shipment, ['--stream', stream, '--state', state, ...more]);
  }
}

async function untilTrue(isTrue: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + UNTIL_MS;
  while (performance.now() < until) {
    if (await isTrue()) return;
    await delay(200);
  }
  expect.fail('it did not happen in time');
}

/** Both slices have told something; before a slice begins, its topic may not be there. */
async function haveTold(): Promise<boolean> {
  const { contractId } = live.agreement;
  const topics = [0, 1].map((slice) => partialsTopic(contractId, slice, 'slices'));
  const ends = await Promise.all(topics.map((each) => live.log.endOffset(each).catch(() => 0)));
  return ends.every((end) => end > 0);
}

async function hasPart(host: string): Promise<boolean> {
  const log = join(live.folders.logs, `${host}.stderr.log`);
  return (await readFile(log, 'utf8')).includes('part-starting');
}

test('hosts share out slices, and what a killed one had counts once, elsewhere', async () => {
  const hosting = ['--group', '--until-complete'];
  const [first, second] = ['host-a', 'host-b'].map((name) => startWorker(live, name, hosting));
  if (!first || !second) throw new Error('two hosts');
  await publishPart(0, ['--no-final']);
  await publishPart(1, ['--no-final']);
  await untilTrue(haveTold);
  // On a busy machine one has told of both slices before the other one joins, and is given some.
  await untilTrue(async () => (await hasPart(first.name)) && (await hasPart(second.name)));
  process.kill(first.pid, 'SIGKILL');
  expect((await first.done).stderr).toContain('part-starting');
  await publishPart(2, []);
  await publishPart(3, []);
  const ended = await second.done;
  expect([ended.exitCode, ended.stderr]).toEqual([0, expect.stringContaining('part-starting')]);
  const finished = await readAs(live, READER);
  expect(finished.stderr).not.toContain('"error"');
  const lines = jsonLines<VisitsLine & { emission: number }>(finished.stdout);
  const totals = expectedTotals(ROWS_EACH);
  expect(lines.map(({ emission }) => emission)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(sumOf(lines, 'visits')).toBe(totals.rows);
  expect(sumOf(lines, 'weight')).toBe(totals.weight);
});

test('a host leaves what an owner has ended, and says so by its own end', async () => {
  const revoked = await revokeAs(live, 'north-clinic', { watch: false });
  expect(revoked.exitCode).toBe(0);
  const ended = await startWorker(live, 'host-c', ['--group']).done;
  expect(ended.exitCode).toBe(EXIT_CODE_ENDED);
  const events = (name: string) => ended.stderr.split(`"event":"${name}"`).length - 1;
  expect([events('part-starting'), events('part-revoked')]).toEqual([3, 3]);
  expect(ended.stderr.split('ERR_CONTRACT_REVOKED')).toHaveLength(4);
});
