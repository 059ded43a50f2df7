import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { beforeEach, describe, expect, test } from 'vitest';
import { collect, createScene, DAY_MS, type Scene } from '../test/scene.ts';
import type { ReadAggregatesOptions } from './read-aggregates.ts';
import { readResults, resultsOn } from './read-results.ts';

/** Results as a program gets them; that they are proven is tested where they are read. */

let scene: Scene;
beforeEach(async () => {
  scene = await createScene();
});

function results(changes: Partial<ReadAggregatesOptions> = {}) {
  const { contract, contractId, authority: identity, log, clock } = scene;
  return resultsOn({ contract, contractId, identity, log, clock, roots: AMD_ROOTS, ...changes });
}

describe('readings', () => {
  test('hold rows, a table and what proves them', async () => {
    const worker = await scene.worker();
    await scene.append(worker.tokenRecord, await worker.seal());
    const [result, ...others] = await collect(results());
    expect(others).toEqual([]);
    if (result?.kind !== 'result') throw new Error('there is a result');
    expect(result).toMatchObject({ query: 'daily', emission: 0, withheld: null });
    expect(Number(result.window?.end) - Number(result.window?.start)).toBe(DAY_MS);
    expect(result.rows).toHaveLength(result.table.numRows);
    const names = result.columns.map(({ name }) => name);
    expect(Object.keys(result.rows[0] ?? {})).toEqual(names);
    expect(names).toEqual(result.table.schema.fields.map(({ name }) => name));
    expect(result.proof).toMatchObject({ platform: 'simulated', epoch: result.epoch });
  });

  test('tell refused records and the end of the contract as values', async () => {
    const worker = await scene.worker();
    const whole = await worker.seal();
    const bytes = Uint8Array.from(whole.value);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await scene.append(worker.tokenRecord, { ...whole, value: bytes }, await worker.seal());
    await scene.append(await worker.notice());
    const [refused, result, ended, ...others] = await collect(results());
    expect(refused).toMatchObject({ kind: 'refused', offset: 1 });
    expect(codeOf(refused?.kind === 'refused' && refused.error)).toMatch(/^ERR_/);
    expect(result).toMatchObject({ kind: 'result', emission: 0 });
    expect(ended).toMatchObject({ kind: 'ended', by: 'north', successor: null });
    expect(others).toEqual([]);
  });

  test('end behind the end of a contract, also of one that is followed', async () => {
    const worker = await scene.worker();
    await scene.append(worker.tokenRecord, await worker.seal(), await worker.notice());
    const kinds = (await collect(results({ follow: true }))).map(({ kind }) => kind);
    expect(kinds).toEqual(['result', 'ended']);
  });

  test('that were interrupted do not look like all of them', async () => {
    const worker = await scene.worker();
    await scene.append(worker.tokenRecord, await worker.seal());
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(collect(results({ signal }))).rejects.toThrow('enough');
  });
});

test('nothing is connected to before the options are right', async () => {
  const where = { identity: 'nowhere.json', brokers: 'kafka:9092' };
  const wrong = collect(readResults({ ...where, contract: 'nowhere.json' }));
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_FILE_UNREADABLE' });
  const lists = collect(
    readResults({ ...where, contract: {}, revocation: { kds: 'https://x.example' } }),
  );
  await expect(lists).rejects.toMatchObject({ code: 'ERR_USAGE' });
});
