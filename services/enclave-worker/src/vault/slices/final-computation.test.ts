import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import {
  type DatasetId,
  PartyIdSchema,
  type QueryId,
  type StreamId,
} from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX, TAG_BYTES } from '@strongroom/protocol/limits';
import { openAggregate } from '@strongroom/sealing/open';
import { createSigner } from '@strongroom/sealing/sign';
import { expect, test } from 'vitest';
import { encodeColumns } from '../../../test/arrow-tables.ts';
import { agreeOn, type Computation } from '../../../test/owners.ts';
import { Aggregator } from '../engine/aggregate.ts';
import { readArrowBatch } from '../engine/arrow-batch.ts';
import { NoiseSeeds } from '../noise-seeds.ts';
import { PrivateQueries } from '../private-queries.ts';
import { FinalComputation } from './final-computation.ts';
import { SliceTeller } from './slice-teller.ts';
import { takePartials } from './take-partials.ts';

const SECOND = 1_000;
const QUERY = {
  ...{ id: 'total' as QueryId, sql: 'SELECT count(*) AS n FROM visits', relations: ['visits'] },
  ...{ latenessMs: 0, differences: 'accepted' as const },
};
const PRIVACY = {
  ...{ mechanism: 'laplace' as const, loss: { epsilon: '0.001', delta: '0' } },
  ...{ groupsPerContributor: 1, rowsPerGroup: 2, confidence: '0.9' },
};
const CONTINUAL = {
  ...{ ...QUERY, window: { kind: 'tumbling' as const, sizeMs: SECOND } },
  privacy: { ...PRIVACY, continual: { windows: 2 } },
};
const WHOLE = { ...QUERY, window: { kind: 'whole' as const }, privacy: PRIVACY };

/** Two slices of rows that are shared out by person. */
function agree(query: typeof CONTINUAL | Omit<typeof WHOLE, 'privacy'>): Promise<Computation> {
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  const columns = [
    { name: 'at', type: 'timestamp-us', nullable: false },
    { name: 'person', type: 'utf8', nullable: false },
  ] as const;
  const rules = { columns: { at: { dimension: {} }, person: { contributor: true } } } as const;
  const place = { streams, partitionBy: 'person', eventTime: 'at' };
  const plans = [{ id: 'visits', relation: 'visits', columns, rules, ...place }];
  const members = { tickMs: 0, slices: 2 };
  return agreeOn(plans, [query], 1, undefined, false, undefined, false, members);
}

test('a running total that a slice has no part of stops, and tells nothing', async () => {
  const { contract, contractId } = await agree(CONTINUAL);
  const [total = expect.fail('a query')] = contract.queries;
  const aggregator = await Aggregator.open(contract);
  const final = new FinalComputation(contract, contractId, aggregator);
  const sealing = { epoch: 0, sliceKey: createSecretKey(randomBytes(32)) };
  const told = { query: total.id, closedUntil: SECOND, ended: false, inputs: [] };
  const standing = { ...told, eventTime: { min: 0, max: SECOND - 1 } };
  const news = { result: { withheld: 'too-large' }, standing } as const;
  for (const chain of final.inputs.chains) {
    const teller = new SliceTeller(chain.slice, contractId);
    const { record } = teller.tellWindow(total, { start: 0, end: SECOND }, news, sealing);
    const entry = { ...record, offset: 0, partition: 0 };
    await takePartials([entry], chain, sealing.sliceKey, contractId);
  }
  const seeds = new NoiseSeeds(randomBytes(32), contractId);
  const closed = final.close({ checkpoint: 0 } as never, seeds);
  expect(await closed.catch(codeOf)).toBe('ERR_QUERY_FAILED');
  expect(final.state().queries).toMatchObject([{ query: 'total', emissions: 0 }]);
  aggregator.close();
});

/** What a slice has counted of its one stream. */
function inputOf(slice: number) {
  const stream = `gate-${slice}` as StreamId;
  const counted = { dataset: 'visits' as DatasetId, epoch: 0, sequences: 1, head: 'cd'.repeat(32) };
  return { ...counted, stream, rows: 4 - slice, lateRows: 0, retractedRows: 0 };
}

/** A vault's engine with a row for each of these people. */
async function engineWith({ contract }: Computation, people: readonly string[]) {
  const [dataset = expect.fail('a dataset')] = contract.datasets;
  const [at, person] = dataset.columns;
  if (!at || !person) throw new Error('two columns');
  const bytes = encodeColumns([
    { contract: at, values: people.map((_who, n) => BigInt(n)) },
    { contract: person, values: people },
  ]);
  const arrowBatch = readArrowBatch(bytes, dataset, people.length);
  const aggregator = await Aggregator.open(contract);
  await aggregator.append(dataset.id, [{ arrowBatch, stream: 0, batchNumber: 0 }], -Infinity);
  return aggregator;
}

test('noise is added once, to all together, as one worker adds it to the same rows', async () => {
  const computation = await agree(WHOLE);
  const { contract, contractId, analyst } = computation;
  const [total = expect.fail('a query')] = contract.queries;
  const seeds = new NoiseSeeds(randomBytes(32), contractId);
  // Of three rows of one person two count, in one slice as in all rows.
  const parts = [
    ['ann', 'ann', 'ann', 'ben'],
    ['cid', 'dee', 'dee'],
  ];
  const all = await engineWith(computation, parts.flat());
  const noisy = new PrivateQueries(contract, all);
  const alone = await noisy.result(total, null, seeds, undefined);
  const other = await noisy.result(
    total,
    null,
    new NoiseSeeds(randomBytes(32), contractId),
    undefined,
  );
  expect(alone.result.encode()).not.toEqual(other.result.encode());

  const merging = await Aggregator.open(contract);
  const final = new FinalComputation(contract, contractId, merging);
  const sealing = { epoch: 0, sliceKey: createSecretKey(randomBytes(32)) };
  const told = { query: total.id, closedUntil: null, ended: true, eventTime: null };
  for (const chain of final.inputs.chains) {
    const standing = { ...told, inputs: [inputOf(chain.slice)] };
    const engine = await engineWith(computation, parts[chain.slice] ?? []);
    const result = await engine.partial(total, null, seeds.orderKey(total, null));
    const teller = new SliceTeller(chain.slice, contractId);
    const { record } = teller.tellWindow(total, null, { result, standing }, sealing);
    const entry = { ...record, offset: 0, partition: 0 };
    await takePartials([entry], chain, sealing.sliceKey, contractId);
    engine.close();
  }
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const token = 'ab'.repeat(32);
  const proof = { contract, contractId, signer: createSigner(privateKey), epoch: 0, token };
  const { records } = await final.close({ proof, checkpoint: 0 }, seeds);
  const { kty, crv, x } = publicKey.export({ format: 'jwk' });
  const opened = await openAggregate(records.slice(0, 1), {
    ...{ contract, contractId, tokenSha256: token, aggregateKey: { kty, crv, x } as never },
    reader: PartyIdSchema.parse('analyst'),
    secretReader: analyst.reader ?? expect.fail('a reading key'),
  });
  expect(records).toHaveLength(1);
  expect(Buffer.from(opened.arrow)).toEqual(Buffer.from(alone.result.encode()));
  for (const engine of [all, merging]) engine.close();
});

test('a part that is too large makes a result as large as all parts, and no larger', async () => {
  const { contract, contractId } = await agree({ ...QUERY, window: { kind: 'whole' as const } });
  const [total = expect.fail('a query')] = contract.queries;
  const aggregator = await Aggregator.open(contract);
  const final = new FinalComputation(contract, contractId, aggregator);
  const sealing = { epoch: 0, sliceKey: createSecretKey(randomBytes(32)) };
  const told = { query: total.id, closedUntil: null, ended: true, eventTime: null };
  for (const chain of final.inputs.chains) {
    const teller = new SliceTeller(chain.slice, contractId);
    const standing = { ...told, inputs: [inputOf(chain.slice)] };
    const news = { result: { withheld: 'too-large' }, standing } as const;
    const { record } = teller.tellWindow(total, null, news, sealing);
    await takePartials(
      [{ ...record, offset: 0, partition: 0 }],
      chain,
      sealing.sliceKey,
      contractId,
    );
  }
  const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
  const proof = { contract, contractId, signer, epoch: 0, token: 'ab'.repeat(32) };
  const seeds = new NoiseSeeds(randomBytes(32), contractId);
  const { records } = await final.close({ proof, checkpoint: 0 }, seeds);
  const sizes = records.map(({ value }) => value.length - TAG_BYTES);
  expect(sizes).toEqual(final.inputs.chains.map(() => CIPHERTEXT_BYTES_MAX));
  aggregator.close();
});
