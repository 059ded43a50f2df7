import type { Contract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  aggregateRecordShape,
  aggregatesTopic,
  checkpointsTopic,
  plainRecordShape,
  preparedRecordShape,
  RECORD_TYPES,
  type RecordShape,
  usesTopic,
} from '@strongroom/protocol/record';
import type { WorkerStatus } from '@strongroom/protocol/worker-status';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { beforeAll, describe, expect, test } from 'vitest';
import { createUsesScene, NORTH } from '../test/uses-scene.ts';
import { type LogStatus, readLogStatus } from './status-of-log.ts';
import { needsSomebody, stateOf, statusText } from './status-text.ts';

const NOW = 1_700_000_000_000;
let contract: Contract;
let contractId: ContractId;

beforeAll(async () => {
  ({ contract, contractId } = await createUsesScene());
}, 60_000);

const record = ({ key, headers }: RecordShape) => ({ key, headers, value: new Uint8Array(0) });

async function statusOf(results: number, steps: number, prepared: number): Promise<LogStatus> {
  const log = createMemoryLog();
  const [query] = contract.queries;
  const [reader] = query?.readers ?? [];
  const told = aggregatesTopic(contractId);
  const checkpoints = checkpointsTopic(contractId);
  await log.createTopics([{ topic: told }, { topic: checkpoints }]);
  await log.append(told, [record(plainRecordShape(contractId, RECORD_TYPES.token, 'x'))]);
  for (let emission = 0; emission < results; emission += 1) {
    const at = { contract: contractId, query: query?.id ?? '', reader: reader ?? '', epoch: 1 };
    await log.append(told, [record(aggregateRecordShape({ ...at, emission, part: { index: 0 } }))]);
  }
  const { checkpoint } = RECORD_TYPES;
  for (let step = 0; step < steps; step += 1) {
    const shape = plainRecordShape(contractId, checkpoint, `1.${step}`);
    await log.append(checkpoints, [record(shape)]);
  }
  const at = { contract: contractId, epoch: 1, checkpoint: prepared };
  await log.append(checkpoints, [record(preparedRecordShape(at))]);
  return await readLogStatus(log, contract, contractId, '');
}

const worker: WorkerStatus = {
  contract: 'c0',
  phase: 'running',
  epoch: 3,
  lives: 1,
  lastEnd: null,
  lastStepAt: NOW - 5_000,
  streams: [
    {
      ...{ dataset: 'north', stream: null, partition: 0, sequences: 7, rows: 70, final: false },
      ...{
        watermark: 0,
        missing: 0,
        held: 0,
        epoch: 0,
        stalled: false,
        stalledSince: null,
        lag: 0,
      },
    },
  ],
  queries: [
    {
      ...{ query: 'hourly', emissions: 2, done: false, closedUntil: 3_600_000 },
      waitsFor: [{ dataset: 'north', stream: null, partition: 0, what: 'manifest' }],
    },
  ],
  refusals: { ERR_SEAL_SIGNATURE: 2 },
};
const [stream] = worker.streams;

describe('the status of a log', () => {
  test('counts what lies there, also where topics are missing', async () => {
    const status = await statusOf(3, 2, 1);
    expect(status).toMatchObject({
      starts: 1,
      isEnded: false,
      isPrepared: false,
      newest: { epoch: 1, checkpoint: 1 },
      quarantined: null,
    });
    expect(status.results[0]?.emissions).toBe(3);
    expect(status.streams.every(({ records }) => records === null)).toBe(true);
    expect(usesTopic(contractId, NORTH)).toContain(contractId);
  });

  test('tells of a step that was prepared and has not left', async () => {
    expect((await statusOf(0, 2, 2)).isPrepared).toBe(true);
    expect(await statusOf(0, 0, 0)).toMatchObject({ isPrepared: true, newest: null });
  });
});

describe('the state in one word', () => {
  const log: LogStatus = {
    ...{ streams: [], starts: 1, results: [], newest: { epoch: 3, checkpoint: 8 } },
    ...{ isPrepared: false, isEnded: false, quarantined: 4 },
  };
  const stalled = { ...worker, streams: [{ ...(stream ?? expect.fail()), missing: 2 }] };
  const since = (stalledSince: number) => ({
    ...stalled,
    streams: stalled.streams.map((each) => ({ ...each, stalledSince })),
  });
  const done = { ...worker, queries: worker.queries.map((each) => ({ ...each, done: true })) };
  const behind = { ...worker, streams: worker.streams.map((each) => ({ ...each, lag: 9 })) };

  test.each([
    ['ended', { ...log, isEnded: true }, worker],
    ['unknown', log, null],
    ['done', log, done],
    ['waiting', log, { ...worker, phase: 'starting' }],
    ['failing', log, { ...worker, phase: 'pausing', lives: 3 }],
    ['stalled', log, since(NOW - 30_000)],
    ['waiting', log, since(NOW - 29_000)],
    ['running', log, behind],
    ['waiting', log, worker],
  ] as const)('is %s', (state, onLog, asked) => {
    expect(stateOf(onLog, asked as WorkerStatus | null, NOW)).toBe(state);
    expect(needsSomebody(state)).toBe(['stalled', 'failing'].includes(state));
  });

  test('and on one screen', () => {
    const status = { contract: 'ab'.repeat(32), title: 'Visits', log, worker: since(NOW - 30_000) };
    const text = statusText({ ...status, state: 'stalled' }, NOW);
    expect(text.split('\n')).toEqual([
      'Visits (contract abababababababab…): stalled',
      'newest step: checkpoint 8 of epoch 3; 1 starts',
      'worker: running, life 1; its last step: 5 s ago',
      'it refused 2 x ERR_SEAL_SIGNATURE',
      'streams',
      '  north: 7 batches, 70 rows, complete until 1970-01-01T00:00:00.000Z; ' +
        '2 batches missing, 0 wait behind them since 30 s',
      'queries',
      '  hourly: 2 results until 1970-01-01T01:00:00.000Z; waits for a manifest of north',
      'refused records set aside on the log: 4',
    ]);
    expect(statusText({ ...status, worker: null, state: 'unknown' }, NOW)).toContain('log alone');
  });
});
