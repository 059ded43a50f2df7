import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';
import { aggregatesTopic, datasetTopic } from '@strongroom/protocol/record';
import { createMemoryLog, createMemoryStore } from '@strongroom/testkit/memory-log';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../test/owners.ts';
import { startServices, type TestServices } from '../test/services.ts';
import { workerOptions } from '../test/worker-options.ts';
import { live } from './worker.ts';

/** Whole lives of a worker whose datasets' keys are under shares of three owners. */

const COLUMNS = [{ name: 'place', type: 'utf8', nullable: false }] as const;
const OWNERS = ['east', 'west', 'north'];
const PLANS = OWNERS.map((id) => ({ id, relation: 'visits', columns: COLUMNS }));
const QUERY = {
  id: 'all' as QueryId,
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
  window: { kind: 'whole' as const },
  latenessMs: 0,
};

let services: TestServices;
let computation: Computation;
let anyTwo: Computation;
let allThree: Computation;

beforeAll(async () => {
  services = await startServices(() => computation);
  anyTwo = await agreeOn(PLANS, [QUERY], 1, services.url, false, 2);
  allThree = await agreeOn(PLANS, [QUERY], 1, services.url, false, 3);
}, 120_000);
afterAll(() => services.close());
afterEach(() => {
  services.refuse = undefined;
});

/** One life over three owners' rows. @returns the results that lie on the log afterwards */
async function liveUnder(agreed: Computation): Promise<string[]> {
  computation = agreed;
  const store = createMemoryStore();
  const log = createMemoryLog(store);
  const { contract, contractId } = agreed;
  for (const { id } of contract.datasets) {
    const topic = datasetTopic(contractId, id);
    await log.createTopics([{ topic }]);
    const stream = new TestStream(agreed, id);
    const rows = [{ place: 'here' }, { place: 'there' }];
    await log.append(topic, [await stream.seal(rows), await stream.manifest(null, true)]);
  }
  const connectLog = async () => createMemoryLog(store);
  await live(workerOptions(agreed, services, { connectLog }));
  const entries = log.entries(aggregatesTopic(contractId));
  return entries.flatMap(({ key, headers }) =>
    key === 'all.analyst' ? (headers['ce_id'] ?? '') : [],
  );
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('no error'),
    (error: unknown) => error,
  );
const refuse = (path: RegExp, status = 403, code = 'ERR_POLICY_DENIED') => {
  services.refuse = { path, status, code };
};

describe('a worker that asks for shares', () => {
  test.each([
    ['nobody refuses', undefined],
    ['one owner is away', /^\/owner-north\/keys\/share-of/],
    ["a dataset's own owner keeps its share back", /^\/owner-east\/keys\/share-of-east/],
  ])('runs to the end when %s', async (_name, path) => {
    if (path) refuse(path, 404, 'ERR_KEY_NOT_FOUND');
    expect(await liveUnder(anyTwo)).toEqual(['analyst.0.0.0']);
  });

  test('passes over a wrong share of one holder', async () => {
    const shares = anyTwo.shared.get('east')?.shares ?? expect.fail('shares');
    const right = shares.get('owner-west') ?? expect.fail('a share');
    shares.set('owner-west', new Uint8Array(32));
    try {
      expect(await liveUnder(anyTwo)).toEqual(['analyst.0.0.0']);
    } finally {
      shares.set('owner-west', right);
    }
  });

  test('says who is missing, and why, when fewer than the threshold answer', async () => {
    refuse(/^\/owner-(north|west)\/keys\/share-of-east/);
    const error = await failure(liveUnder(anyTwo));
    expect(codeOf(error)).toBe('ERR_KEY_NOT_RELEASED');
    expect(error instanceof StrongroomError && error.facts).toEqual({
      dataset: 'east',
      threshold: 2,
      missing: 'owner-west (ERR_POLICY_DENIED), owner-north (ERR_POLICY_DENIED)',
    });
  });

  test('is stopped by any one holder where all are needed', async () => {
    refuse(/^\/owner-north\/keys\/share-of-west/, 409, 'ERR_CONTRACT_REVOKED');
    const error = await failure(liveUnder(allThree));
    expect(error instanceof StrongroomError && error.facts).toMatchObject({
      dataset: 'west',
      missing: 'owner-north (ERR_CONTRACT_REVOKED)',
    });
  });

  test('ends as what an owner has ended, whoever else refuses, and sooner', async () => {
    const ofNorth = /^\/owner-north\/keys\/state-share/;
    services.refuse = {
      ...{ path: /\/keys\/state-share/, status: 403 },
      code: (path) => (ofNorth.test(path) ? 'ERR_CONTRACT_REVOKED' : 'ERR_POLICY_DENIED'),
    };
    const error = await failure(liveUnder(anyTwo));
    expect(error).toMatchObject({ code: 'ERR_CONTRACT_REVOKED', exitCode: 79 });
  });

  test('is stopped by any one owner through its state share, whatever the threshold', async () => {
    refuse(/^\/owner-north\/keys\/state-share/);
    expect(codeOf(await failure(liveUnder(anyTwo)))).toBe('ERR_POLICY_DENIED');
  });
});
