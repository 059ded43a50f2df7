import { createSecretKey, randomBytes } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';
import { expect, test } from 'vitest';
import { agreeOn } from '../../../test/owners.ts';
import { Aggregator } from '../engine/aggregate.ts';
import { NoiseSeeds } from '../noise-seeds.ts';
import { FinalComputation } from './final-computation.ts';
import { SliceTeller } from './slice-teller.ts';
import { takePartials } from './take-partials.ts';

const SECOND = 1_000;
const SLICES = [0, 1];
const QUERY = {
  ...{ id: 'total' as QueryId, sql: 'SELECT count(*) AS n FROM visits', relations: ['visits'] },
  ...{ window: { kind: 'tumbling' as const, sizeMs: SECOND }, latenessMs: 0 },
  differences: 'accepted' as const,
  privacy: {
    mechanism: 'laplace' as const,
    loss: { epsilon: '1', delta: '0' },
    ...{ groupsPerContributor: 1, rowsPerGroup: 5, confidence: '0.9' },
    continual: { windows: 2 },
  },
};

function agree() {
  const streams = SLICES.map((partition) => ({ id: `gate-${partition}`, partition }));
  const columns = [
    { name: 'at', type: 'timestamp-us', nullable: false },
    { name: 'person', type: 'utf8', nullable: false },
  ] as const;
  const rules = { columns: { at: { dimension: {} }, person: { contributor: true } } } as const;
  const place = { streams, partitionBy: 'person', eventTime: 'at' };
  const plans = [{ id: 'visits', relation: 'visits', columns, rules, ...place }];
  const members = { tickMs: 0, slices: SLICES.length };
  return agreeOn(plans, [QUERY], 1, undefined, false, undefined, false, members);
}

test('a running total that a slice has no part of stops, and tells nothing', async () => {
  const { contract, contractId } = await agree();
  const [total = expect.fail('a query')] = contract.queries;
  const aggregator = await Aggregator.open(contract);
  const final = new FinalComputation(contract, contractId, aggregator);
  const sealing = { epoch: 0, sliceKey: createSecretKey(randomBytes(32)) };
  const told = { query: total.id, closedUntil: SECOND, ended: false, inputs: [] };
  const standing = { ...told, eventTime: { min: 0, max: SECOND - 1 } };
  const news = { result: { withheld: 'too-large' }, standing } as const;
  for (const slice of SLICES) {
    const teller = new SliceTeller(slice, contractId);
    const { record } = teller.tellWindow(total, { start: 0, end: SECOND }, news, sealing);
    const entry = { ...record, offset: 0, partition: 0 };
    await takePartials([entry], final.inputs.of(slice), sealing.sliceKey, contractId);
  }
  const seeds = new NoiseSeeds(randomBytes(32), contractId);
  const closed = final.close({ checkpoint: 0 } as never, seeds);
  expect(await closed.catch(codeOf)).toBe('ERR_QUERY_FAILED');
  expect(final.state().queries).toMatchObject([{ query: 'total', emissions: 0 }]);
  aggregator.close();
});
