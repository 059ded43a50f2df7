import { usesTopic } from '@strongroom/protocol/record';
import type { LogRecord } from '@strongroom/record-log/log';
import { createMemoryLog, type MemoryLog } from '@strongroom/testkit/memory-log';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createUsesScene,
  Ledgers,
  NORTH,
  SOUTH,
  startVault,
  type UsesScene,
  type VaultLife,
} from '../test/uses-scene.ts';
import { readUses } from './read-uses.ts';

let scene: UsesScene;
let life: VaultLife;
let next: VaultLife;
/** What north's topic holds when nobody lies: two lives of a worker, two steps each. */
let honest: LogRecord[];
let souths: LogRecord[];
let log: MemoryLog;

beforeAll(async () => {
  scene = await createUsesScene();
  [life, next] = [await startVault(scene), await startVault(scene)];
  const ledgers = new Ledgers(scene);
  honest = [];
  souths = [];
  for (const [epoch, vault] of [life, next].entries()) {
    honest.push(vault.proofRecord);
    for (const keys of [['kek'], ['kek', 'share']]) {
      const records = await ledgers.step(vault, epoch, [{ kind: 'start', keys }]);
      honest.push(records.get(NORTH) ?? expect.fail('an entry'));
      souths.push(records.get(SOUTH) ?? expect.fail('an entry'));
    }
  }
}, 60_000);
beforeEach(() => {
  log = createMemoryLog();
});

async function read(records: readonly LogRecord[], owner = NORTH) {
  const topic = usesTopic(scene.contractId, owner, 'test');
  await log.createTopics([{ topic }]);
  await log.append(topic, records);
  const secretReader = scene.identities.get(owner)?.reader ?? expect.fail('it reads');
  return await readUses(log, { id: owner, secretReader }, { ...scene.authors, namespace: 'test' });
}

const [PROOF, FIRST, SECOND, NEXT_PROOF, THIRD, FOURTH] = [0, 1, 2, 3, 4, 5];
const record = (index: number) => honest[index] ?? expect.fail('a record');

describe('a ledger of uses', () => {
  test('is read whole and in order, with the proof of each worker once', async () => {
    const { entries, chain, proofs, refused } = await read(honest);
    expect(entries.map(({ seal }) => [seal.epoch, seal.sequence])).toEqual([
      [0, 0],
      [0, 1],
      [1, 2],
      [1, 3],
    ]);
    expect(entries.map(({ facts }) => facts)[1]).toEqual([
      { kind: 'start', keys: ['kek', 'share'] },
    ]);
    expect(entries[0]?.worker.measurementName).toBe('build 7');
    expect(chain.length).toBe(4);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    expect(proofs.map(text)).toEqual([life.proof, next.proof]);
    expect(refused).toEqual([]);
  });

  test('may hold an entry and a proof twice, and says everything once', async () => {
    const { entries, refused } = await read(honest.flatMap((each) => [each, each]));
    expect(entries).toHaveLength(4);
    expect(refused).toEqual([]);
  });

  test('is broken where an entry is missing, wherever it is', async () => {
    for (const [index, sequence] of [
      [FIRST, 0],
      [SECOND, 1],
      [THIRD, 2],
    ] as const) {
      await expect(read(honest.toSpliced(index, 1))).rejects.toMatchObject({
        code: 'ERR_USES_BROKEN',
        facts: { sequence },
      });
      log = createMemoryLog();
    }
    expect((await read(honest.toSpliced(FOURTH, 1))).entries).toHaveLength(3);
  });

  test('is broken by two entries for one place, and by another order', async () => {
    const fork = (await new Ledgers(scene).step(life, 0)).get(NORTH) ?? expect.fail('an entry');
    await expect(read([...honest, fork])).rejects.toMatchObject({ code: 'ERR_USES_BROKEN' });
    log = createMemoryLog();
    const swapped = [record(PROOF), record(SECOND), record(FIRST)];
    await expect(read(swapped)).rejects.toMatchObject({ facts: { sequence: 0 } });
  });

  test('sets aside what no attested vault wrote for this owner, and says why', async () => {
    const foreign = await startVault(scene, 'cd'.repeat(48));
    const forged = (await new Ledgers(scene).step(foreign, 0)).get(NORTH);
    const changed = { ...record(FIRST), value: record(FIRST).value.map((byte) => byte ^ 1) };
    const { entries, refused } = await read([
      ...honest.slice(PROOF, FIRST),
      { key: null, value: new Uint8Array(3), headers: {} },
      { ...record(FIRST), value: new Uint8Array(3) },
      changed,
      souths[0] ?? expect.fail('an entry'),
      foreign.proofRecord,
      forged ?? expect.fail('an entry'),
      { ...record(FIRST), headers: { ...record(FIRST).headers, seal: 'none' } },
      ...honest.slice(FIRST),
    ]);
    expect(entries).toHaveLength(4);
    expect(refused).toEqual([
      { offset: 2, code: 'ERR_USE_INVALID' },
      { offset: 3, code: 'ERR_USE_INVALID' },
      { offset: 4, code: 'ERR_USE_INVALID' },
      { offset: 6, code: 'ERR_MEASUREMENT_MISMATCH' },
      { offset: 7, code: 'ERR_USE_INVALID' },
    ]);
  });

  test('needs the proof that an entry names, before it', async () => {
    const late = [...honest.slice(FIRST, NEXT_PROOF), record(PROOF)];
    expect((await read(late)).refused.map(({ code }) => code)).toEqual([
      'ERR_AGGREGATE_PROOF',
      'ERR_AGGREGATE_PROOF',
    ]);
  });
});
