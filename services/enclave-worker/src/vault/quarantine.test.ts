import { createHash, generateKeyPairSync } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { datasetOf } from '@strongroom/protocol/contract';
import { ERRORS, type ErrorCode } from '@strongroom/protocol/errors';
import { PartyIdSchema, type QueryId } from '@strongroom/protocol/fields';
import {
  HEADER_BYTES_MAX,
  QUARANTINED_PER_MINUTE_MAX,
  QUARANTINED_RECORD_BYTES_MAX,
} from '@strongroom/protocol/limits';
import type { QuarantineEntry } from '@strongroom/protocol/quarantine-entry';
import { openQuarantine } from '@strongroom/sealing/open-quarantine';
import { createSigner } from '@strongroom/sealing/sign';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation } from '../../test/owners.ts';
import type { DoorEntry, DoorRecord, EntryOutcome } from './door.ts';
import { leftAtOrigin, Quarantine } from './quarantine.ts';
import type { ResultProof } from './seal-aggregate.ts';

const COLUMNS = [{ name: 'place', type: 'utf8', nullable: false }] as const;
const PLANS = [
  { id: 'north', relation: 'visits', columns: COLUMNS },
  { id: 'south', relation: 'visits', columns: COLUMNS },
];
const QUERY = {
  ...{ id: 'all' as QueryId, sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place' },
  ...{ relations: ['visits'], latenessMs: 0, window: { kind: 'whole' as const } },
};
const [NORTH, SOUTH] = ['owner-north', 'owner-south'].map((id) => PartyIdSchema.parse(id));
const MINUTE_MS = 60_000;
const token = createHash('sha256').update('proof').digest('hex');
const signer = createSigner(generateKeyPairSync('ed25519').privateKey);

let agreed: Computation;
let unread: Computation;
beforeAll(async () => {
  agreed = await agreeOn(PLANS, [QUERY], 1, undefined, false, undefined, true);
  unread = await agreeOn(PLANS, [QUERY], 1);
}, 60_000);

/** One life of a vault, as far as quarantine is concerned. */
class Scene {
  readonly #of: Computation;
  readonly #quarantine: Quarantine;
  readonly records: DoorRecord[] = [];

  constructor(of = agreed) {
    this.#of = of;
    this.#quarantine = new Quarantine(of.contract, of.contractId);
  }

  readonly proof = (): ResultProof => {
    const { contract, contractId } = this.#of;
    return { contract, contractId, signer, epoch: 2, token };
  };

  async refuse(
    at: number,
    entries: readonly Partial<DoorEntry>[],
    outcome: Partial<EntryOutcome> = {},
    dataset = 'north',
  ): Promise<void> {
    const whole = entries.map((entry, index) => {
      const plain = { key: null, value: new Uint8Array(0), headers: {}, offset: index };
      return { ...plain, ...entry };
    });
    const outcomes = whole.map(({ offset }) => {
      const refused = { offset, kind: 'refused', rows: 0, lateRows: 0, code: CODE } as const;
      return { ...refused, ...outcome };
    });
    const of = datasetOf(this.#of.contract, dataset);
    await this.#quarantine.add(of, { entries: whole, outcomes, later: [] }, at, this.proof);
    this.records.push(...this.#quarantine.take());
  }

  async leave(): Promise<DoorRecord[]> {
    return await this.#quarantine.counts(this.proof);
  }

  async open(record: DoorRecord, owner = NORTH) {
    const id = owner ?? expect.fail('an owner');
    return await openQuarantine(record, {
      ...{ contractId: this.#of.contractId, owner: id, aggregateKey: signer.publicKey },
      tokenSha256: token,
      secretReader: this.#of.identities.get(id)?.reader ?? expect.fail('it reads'),
    });
  }

  async told(): Promise<QuarantineEntry[]> {
    const opened = await Promise.all(this.records.map((record) => this.open(record)));
    return opened.map(({ entry }) => entry);
  }
}

const CODE: ErrorCode = 'ERR_RECORD_HEADERS';
const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_none, index) => ({ offset: from + index }));

describe('a refused record', () => {
  test('is told to its owner with code, facts, place and every byte', async () => {
    const scene = new Scene();
    const value = Uint8Array.from({ length: 300 }, (_none, index) => index);
    const headers = { seal: 'a.b.c', ce_type: '\u0001"ü' };
    const entry = { key: 'stream', headers, value, offset: 17, partition: 3 };
    await scene.refuse(5_000, [entry], { facts: { header: 'ce_id', limit: 3 } });
    expect(await scene.told()).toEqual([
      {
        ...{ v: 1, kind: 'record', at: 5_000, code: CODE, facts: { header: 'ce_id', limit: 3 } },
        origin: { dataset: 'north', partition: 3, offset: 17 },
        record: {
          ...{ kind: 'whole', key: 'stream', headers },
          value: Buffer.from(value).toString('base64url'),
        },
      },
    ]);
    expect(scene.records[0]?.key).toBe(NORTH);
  });

  test('is told to nobody else', async () => {
    const scene = new Scene();
    await scene.refuse(0, [{ offset: 1 }], {}, 'south');
    const [record] = scene.records;
    await expect(scene.open(record ?? expect.fail('it is told'))).rejects.toMatchObject({
      code: 'ERR_QUARANTINE_INVALID',
    });
    expect((await scene.open(record ?? expect.fail('it is told'), SOUTH)).entry).toMatchObject({
      origin: { dataset: 'south', partition: 0, offset: 1 },
    });
  });

  test('is told once a life, and not when it waits or is fine', async () => {
    const scene = new Scene();
    await scene.refuse(0, [{}], { again: true });
    await scene.refuse(0, [{}], { code: 'ERR_STREAM_GAP', kind: 'held' });
    const fine = { offset: 0, kind: 'batch', rows: 1, lateRows: 0 } as const;
    const quarantine = new Quarantine(agreed.contract, agreed.contractId);
    const entry = { key: null, value: new Uint8Array(0), headers: {}, offset: 0 };
    const dataset = datasetOf(agreed.contract, 'north');
    const judged = { entries: [entry], outcomes: [fine], later: [] };
    await quarantine.add(dataset, judged, 0, () => expect.fail('nothing is sealed'));
    expect([...scene.records, ...quarantine.take()]).toEqual([]);
    expect(ERRORS.ERR_STREAM_GAP.disposition).toBe('retry');
  });

  test('that had to wait before is told with the hash of its bytes', async () => {
    const quarantine = new Quarantine(agreed.contract, agreed.contractId);
    const scene = new Scene();
    const outcome = { offset: 6, kind: 'refused', rows: 0, lateRows: 0, code: CODE } as const;
    const record = leftAtOrigin(new Uint8Array(9));
    await quarantine.add(
      datasetOf(agreed.contract, 'north'),
      { entries: [], outcomes: [outcome], later: [{ outcome, partition: 4, record }] },
      0,
      scene.proof,
    );
    scene.records.push(...quarantine.take());
    expect(await scene.told()).toMatchObject([
      { origin: { partition: 4, offset: 6 }, code: CODE, record: { kind: 'left', bytes: 9 } },
    ]);
  });

  test('of an owner that cannot read is told to nobody', async () => {
    const scene = new Scene(unread);
    await scene.refuse(0, numbered(100));
    expect([...scene.records, ...(await scene.leave())]).toEqual([]);
  });

  test.each<[string, Partial<DoorEntry>, string]>([
    ['a value at the limit', { value: new Uint8Array(QUARANTINED_RECORD_BYTES_MAX) }, 'whole'],
    ['a larger value', { value: new Uint8Array(QUARANTINED_RECORD_BYTES_MAX + 1) }, 'left'],
    ['as large as the log takes', { value: new Uint8Array(1_000_000) }, 'left'],
    ['headers at the limit', { headers: { h: '\u0001'.repeat(HEADER_BYTES_MAX - 1) } }, 'whole'],
    ['more headers', { headers: { h: 'x'.repeat(HEADER_BYTES_MAX) } }, 'left'],
    ['a long key', { key: 'x'.repeat(HEADER_BYTES_MAX + 1) }, 'left'],
    ['half of a character', { headers: { h: '\ud800' } }, 'left'],
    [
      'all limits at once',
      {
        value: new Uint8Array(QUARANTINED_RECORD_BYTES_MAX).fill(255),
        headers: { h: '\u0001'.repeat(HEADER_BYTES_MAX - 1) },
      },
      'whole',
    ],
  ])('with %s', async (_name, entry, kind) => {
    const scene = new Scene();
    await scene.refuse(0, [entry]);
    const [told] = await scene.told();
    const record = told?.kind === 'record' ? told.record : expect.fail('a record');
    expect(record.kind).toBe(kind);
    const value = entry.value ?? new Uint8Array(0);
    if (record.kind === 'left') {
      const valueSha256 = createHash('sha256').update(value).digest('hex');
      expect(record).toEqual({ kind, bytes: value.length, valueSha256 });
    } else {
      expect(Buffer.compare(decodeBase64url(record.value) ?? Buffer.of(1), value)).toBe(0);
    }
  });
});

describe('a flood', () => {
  test('is told up to the limit of a minute, and then counted', async () => {
    const scene = new Scene();
    await scene.refuse(0, numbered(1_000));
    await scene.refuse(MINUTE_MS - 1, numbered(5, 1_000), { code: 'ERR_SEAL_MALFORMED' });
    expect(await scene.told()).toHaveLength(QUARANTINED_PER_MINUTE_MAX);
    // The next minute begins with what was only counted.
    await scene.refuse(MINUTE_MS, numbered(1, 2_000));
    const later = (await scene.told()).slice(QUARANTINED_PER_MINUTE_MAX);
    expect(later).toMatchObject([
      {
        kind: 'count',
        counted: [
          {
            ...{ dataset: 'north', partition: 0, from: QUARANTINED_PER_MINUTE_MAX, to: 1_004 },
            byCode: { [CODE]: 1_000 - QUARANTINED_PER_MINUTE_MAX, ERR_SEAL_MALFORMED: 5 },
          },
        ],
      },
      { kind: 'record', origin: { offset: 2_000 } },
    ]);
  });

  test('of one owner takes nothing from another', async () => {
    const scene = new Scene();
    await scene.refuse(0, numbered(100));
    await scene.refuse(0, numbered(3), {}, 'south');
    expect(scene.records.filter(({ key }) => key === SOUTH)).toHaveLength(3);
  });

  test('is counted by dataset and partition, and leaves with the next step once', async () => {
    const scene = new Scene();
    await scene.refuse(7, numbered(QUARANTINED_PER_MINUTE_MAX));
    await scene.refuse(8, [
      { offset: 4, partition: 1 },
      { offset: 9 },
      { offset: 2, partition: 1 },
    ]);
    const [record, ...more] = await scene.leave();
    expect(more).toEqual([]);
    expect((await scene.open(record ?? expect.fail('a count'))).entry).toEqual({
      ...{ v: 1, kind: 'count', at: 8 },
      counted: [
        { dataset: 'north', partition: 1, from: 2, to: 4, byCode: { [CODE]: 2 } },
        { dataset: 'north', partition: 0, from: 9, to: 9, byCode: { [CODE]: 1 } },
      ],
    });
    expect(await scene.leave()).toEqual([]);
  });

  test('loses none: what was told and what was counted is all that there was', async () => {
    const scene = new Scene();
    let total = 0;
    for (let step = 0; step < 40; step += 1) {
      const count = (step * 7) % 23;
      await scene.refuse(step * 15_000, numbered(count, total));
      total += count;
      if (step % 9 === 0) scene.records.push(...(await scene.leave()));
    }
    scene.records.push(...(await scene.leave()));
    const told = await scene.told();
    const counts = told.map((entry) =>
      entry.kind === 'record'
        ? 1
        : entry.counted.flatMap(({ byCode }) => Object.values(byCode)).reduce((a, b) => a + b, 0),
    );
    expect(counts.reduce((a, b) => a + b, 0)).toBe(total);
    const opened = await Promise.all(scene.records.map((record) => scene.open(record)));
    expect(opened.map(({ seal }) => seal.sequence)).toEqual(opened.map((_each, index) => index));
  });
});
