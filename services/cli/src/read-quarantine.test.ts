import { createHash } from 'node:crypto';
import { DatasetIdSchema } from '@strongroom/protocol/fields';
import type { QuarantinedRecord, QuarantineEntry } from '@strongroom/protocol/quarantine-entry';
import { datasetTopic, quarantineTopic, usesTopic } from '@strongroom/protocol/record';
import type { LogRecord } from '@strongroom/record-log/log';
import { createMemoryLog, type MemoryLog } from '@strongroom/testkit/memory-log';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inside, strongroomInside } from '../test/run-strongroom.ts';
import {
  createUsesScene,
  NORTH,
  SOUTH,
  setAside,
  startVault,
  type UsesScene,
  type VaultLife,
} from '../test/uses-scene.ts';
import { entryFacts, entryText, quarantineTable } from './quarantine-text.ts';
import { entriesNamed, listQuarantine } from './read-quarantine.ts';
import { retryRecord, worthARetry } from './retry-quarantined.ts';

const FLIGHTS = DatasetIdSchema.parse('flights-north');
/** Rows, as far as anybody here may know: they must never be shown. */
const ROWS = 'WHAT NOBODY MAY SEE';

let scene: UsesScene;
let life: VaultLife;
let log: MemoryLog;

beforeAll(async () => {
  scene = await createUsesScene();
  life = await startVault(scene);
}, 60_000);
beforeEach(async () => {
  log = createMemoryLog();
  const { contractId } = scene;
  const topic = datasetTopic(contractId, FLIGHTS);
  await log.createTopics([{ topic, partitions: 2 }]);
  for (const owner of [NORTH, SOUTH]) {
    const topics = [usesTopic(contractId, owner), quarantineTopic(contractId, owner)];
    await log.createTopics(topics.map((each) => ({ topic: each })));
    await log.append(usesTopic(contractId, owner), [life.proofRecord]);
  }
});

const sealOf = (members: object) =>
  `e30.${Buffer.from(JSON.stringify(members)).toString('base64url')}.AAAA`;

function whole(more: Partial<Extract<QuarantinedRecord, { kind: 'whole' }>> = {}) {
  const headers = { ce_type: 'strongroom.batch.v1', seal: sealOf({ stream: 'main', sequence: 4 }) };
  const value = Buffer.from(ROWS).toString('base64url');
  return { kind: 'whole', key: 'main', headers, value, ...more } as const;
}

function refused(
  offset: number,
  code = 'ERR_STREAM_PARTITION',
  record: QuarantinedRecord = whole(),
): QuarantineEntry {
  const origin = { dataset: FLIGHTS, partition: 0, offset };
  return {
    v: 1,
    kind: 'record',
    at: 1_750_000_000_000,
    code,
    facts: { expected: 1 },
    origin,
    record,
  };
}

async function write(...records: readonly LogRecord[]): Promise<void> {
  await log.append(quarantineTopic(scene.contractId, NORTH), records);
}

const aside = (sequence: number, entry: QuarantineEntry, more: object = {}) =>
  setAside(scene, life, { sequence, ...more }, entry);
const secretReader = () => scene.identities.get('north')?.reader ?? expect.fail('it reads');
const owner = () => ({ id: NORTH, secretReader: secretReader() });
const place = () => ({ ...scene.authors, namespace: '' });
const list = () => listQuarantine(log, owner(), place());

async function named(id: string) {
  for await (const found of entriesNamed(new Set([id]), log, owner(), place())) return found;
  return expect.fail('it throws instead');
}

describe('a list', () => {
  test('has each refused record once, with the newest word about it', async () => {
    await write(
      await aside(0, refused(7)),
      await aside(1, refused(9, 'ERR_SEAL_SIGNATURE')),
      await aside(2, refused(7, 'ERR_LIMIT_EXCEEDED')),
    );
    const { records, missing, counted, refused: unbelieved } = await list();
    expect(records).toMatchObject([
      { id: 'flights-north/0/7', code: 'ERR_LIMIT_EXCEEDED', times: 2, bytes: ROWS.length },
      { id: 'flights-north/0/9', code: 'ERR_SEAL_SIGNATURE', times: 1, measurement: 'build 7' },
    ]);
    expect({ missing, counted, unbelieved }).toEqual({ missing: 0, counted: [], unbelieved: [] });
  });

  test('tells what was only counted, and what the log has lost', async () => {
    const counted = {
      dataset: FLIGHTS,
      partition: 0,
      from: 40,
      to: 900,
      byCode: { ERR_SEAL_VERSION: 7 },
    };
    const at = 1_750_000_000_000;
    await write(
      await aside(3, refused(7)),
      await aside(6, { v: 1, kind: 'count', at, counted: [counted] }),
    );
    const listed = await list();
    expect(listed.counted).toEqual([{ at, ...counted }]);
    expect(listed.missing).toBe(5);
    const text = quarantineTable(listed);
    expect(text).toContain('only counted, by 2025-06-15T15:06:40Z: 7 x ERR_SEAL_VERSION in');
    expect(text).toContain('5 older entries are no longer on the log');
    expect(text).toContain('Have the owner publish it there');
  });

  test('has once what the log shows again', async () => {
    const by = {
      ...{ dataset: FLIGHTS, partition: 0, from: 40, to: 900 },
      byCode: { ERR_SEAL_VERSION: 7 },
    };
    const told = [
      await aside(0, refused(7)),
      await aside(1, { v: 1, kind: 'count', at: 1_750_000_000_000, counted: [by] }),
    ];
    await write(...told, ...told);
    const { records, counted, missing } = await list();
    expect(records).toMatchObject([{ id: 'flights-north/0/7', times: 1 }]);
    expect(counted).toHaveLength(1);
    expect(missing).toBe(0);
  });

  test('believes nothing that no attested vault wrote for this owner', async () => {
    const foreign = await startVault(scene, 'cd'.repeat(48));
    await log.append(usesTopic(scene.contractId, NORTH), [foreign.proofRecord]);
    const good = await aside(0, refused(1));
    const unknown = await setAside(scene, await startVault(scene), { sequence: 0 }, refused(2));
    await write(
      { key: null, value: new Uint8Array(5), headers: {} },
      await setAside(scene, foreign, { sequence: 0 }, refused(3)),
      unknown,
      await aside(0, refused(4), { owner: SOUTH }),
      { ...good, value: good.value.map((byte) => byte ^ 1) },
      { ...good, headers: { ...good.headers, ce_id: '0.9' } },
      good,
    );
    const { records, refused: unbelieved } = await list();
    expect(records.map(({ id }) => id)).toEqual(['flights-north/0/1']);
    expect(unbelieved).toEqual([
      { offset: 0, code: 'ERR_QUARANTINE_INVALID' },
      { offset: 1, code: 'ERR_MEASUREMENT_MISMATCH' },
      { offset: 2, code: 'ERR_AGGREGATE_PROOF' },
      { offset: 3, code: 'ERR_QUARANTINE_INVALID' },
      { offset: 4, code: 'ERR_QUARANTINE_INVALID' },
      { offset: 5, code: 'ERR_RECORD_HEADERS' },
    ]);
  });

  test('of an empty quarantine says so', async () => {
    expect(quarantineTable(await list())).toBe('nothing was set aside');
  });
});

describe('one entry', () => {
  test('shows headers and what the seal claims, and never rows', async () => {
    await write(await aside(0, refused(7)));
    const found = await named('flights-north/0/7');
    const facts = entryFacts(found);
    expect(facts.record).toMatchObject({
      key: 'main',
      headers: { ce_type: 'strongroom.batch.v1' },
      claims: { stream: 'main', sequence: 4 },
      bytes: ROWS.length,
    });
    const texts = [entryText(found), JSON.stringify(facts)];
    for (const text of texts) {
      expect(text).toContain('flights-north/0/7');
      expect(text).not.toContain(ROWS);
      expect(text).not.toContain(Buffer.from(ROWS).toString('base64url'));
    }
    expect(texts[0]).toContain('sequence: 4');
  });

  test('that would move the cursor is printed and not obeyed', async () => {
    const headers = { 'x\u001b[2J': '\u001b]0;title\u0007' };
    await write(await aside(0, refused(7, 'ERR_FROM_THE_FUTURE', whole({ headers }))));
    const text = entryText(await named('flights-north/0/7'));
    expect([...text].filter((letter) => letter < ' ' && letter !== '\n')).toEqual([]);
    expect(text).toContain('This version does not know the code');
    expect(text).toContain('no header with a seal');
  });

  test('that is not there has a code of its own', async () => {
    await write(await aside(0, refused(7)));
    for (const id of ['flights-north/0/8', 'flights-north/1/7', '', '7']) {
      await expect(named(id)).rejects.toMatchObject({
        code: 'ERR_QUARANTINE_UNKNOWN',
        facts: { id },
      });
    }
  });
});

describe('a retry', () => {
  const topic = () => datasetTopic(scene.contractId, FLIGHTS);
  const retry = async (id: string) => {
    const { entry } = await named(id);
    return await retryRecord(entry, log, place());
  };

  test('publishes the very record to where the contract wants its stream', async () => {
    await write(await aside(0, refused(7)));
    expect(await retry('flights-north/0/7')).toEqual({ id: 'flights-north/0/7', partition: 1 });
    const [published] = log.entries(topic(), 1);
    const { key, headers } = whole();
    expect(published).toMatchObject({ key, headers });
    expect(Buffer.from(published?.value ?? []).toString()).toBe(ROWS);
  });

  test('goes to where the record lay for every other code and every other stream', async () => {
    const other = whole({ headers: { seal: sealOf({ stream: 'other' }) } });
    await write(
      await aside(0, refused(7, 'ERR_SEAL_VERSION')),
      await aside(1, refused(8, 'ERR_STREAM_PARTITION', other)),
      await aside(2, refused(9, 'ERR_STREAM_PARTITION', whole({ headers: { seal: 'x' } }))),
    );
    for (const offset of [7, 8, 9]) {
      expect((await retry(`flights-north/0/${offset}`)).partition).toBe(0);
    }
    expect(log.entries(topic(), 0)).toHaveLength(3);
  });

  test('of a record that was too large takes it from where it lay, or fails', async () => {
    const value = Buffer.from(ROWS);
    const valueSha256 = '0'.repeat(64);
    const right = createHash('sha256').update(value).digest('hex');
    await log.append(topic(), [{ key: 'main', headers: { a: 'b' }, value }]);
    const left = (sha: string) =>
      ({ kind: 'left', bytes: value.length, valueSha256: sha }) as const;
    await write(
      await aside(0, refused(0, 'ERR_LIMIT_EXCEEDED', left(right))),
      await aside(1, refused(5, 'ERR_LIMIT_EXCEEDED', left(right))),
    );
    expect(entryText(await named('flights-north/0/0'))).toContain('lies at its origin only');
    await retry('flights-north/0/0');
    expect(log.entries(topic(), 0)).toHaveLength(2);
    expect(log.entries(topic(), 0)[1]).toMatchObject({ key: 'main', headers: { a: 'b' } });
    await expect(retry('flights-north/0/5')).rejects.toMatchObject({
      code: 'ERR_QUARANTINE_RECORD_LOST',
    });
    await write(await aside(2, refused(1, 'ERR_LIMIT_EXCEEDED', left(valueSha256))));
    await expect(retry('flights-north/0/1')).rejects.toMatchObject({
      code: 'ERR_QUARANTINE_RECORD_LOST',
    });
  });

  test.each([
    'ERR_SEAL_SIGNATURE',
    'ERR_RECORD_HEADERS',
    'ERR_CIPHERTEXT_HASH',
    'ERR_BATCH_REPLAYED',
    'ERR_FROM_THE_FUTURE',
    'toString',
  ])('makes no sense for %s', (code) => {
    expect(worthARetry(code)).toBeUndefined();
  });
});

describe('strongroom quarantine', () => {
  test('says in its help for what a retry makes sense', async () => {
    const { stdout, exitCode } = await strongroomInside('quarantine', 'retry', '--help');
    expect(exitCode).toBe(0);
    for (const part of ['ERR_STREAM_PARTITION', '--all', 'Everything else is refused again']) {
      expect(stdout).toContain(part);
    }
  });

  test.each([[[]], [['list']], [['show']], [['show', 'x', 'y']]])('refuses %j', async (args) => {
    expect(await inside('quarantine', ...args)).toMatchObject({ exitCode: 2, code: 'ERR_USAGE' });
  });
});
