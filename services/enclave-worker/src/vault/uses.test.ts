import { createHash } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema, type QueryId } from '@strongroom/protocol/fields';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import type { UseFact } from '@strongroom/protocol/use-entry';
import { openUse } from '@strongroom/sealing/open-use';
import { compareUses, UseChain } from '@strongroom/sealing/use-chain';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { sharedTransportKey } from '../../test/rsa-keys.ts';
import type { DoorRecord } from './door.ts';
import { Vault } from './vault.ts';

const HOUR_MS = 3_600_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const visits = { relation: 'visits', columns: COLUMNS, eventTime: 'at' };
const PLANS = [
  { id: 'north', ...visits },
  { id: 'south', ...visits },
  { id: 'apart', relation: 'others', columns: COLUMNS },
];
const sql = (relation: string) => `SELECT place, count(*) AS n FROM ${relation} GROUP BY place`;
const QUERIES = [
  {
    ...{ id: 'hourly' as QueryId, sql: sql('visits'), relations: ['visits'], latenessMs: 0 },
    window: { kind: 'tumbling' as const, sizeMs: HOUR_MS },
  },
  {
    ...{ id: 'apart' as QueryId, sql: sql('others'), relations: ['others'], latenessMs: 0 },
    window: { kind: 'whole' as const },
  },
];
const [NORTH, SOUTH, APART] = ['north', 'south', 'apart'].map((id) =>
  PartyIdSchema.parse(`owner-${id}`),
);
const PROOF = '{"tokens":["header.claims.signature"],"v":1}';

let computation: Computation;
let unread: Computation;
let leased: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, QUERIES, 1, undefined, false, undefined, true);
  unread = await agreeOn(PLANS, QUERIES, 1);
  leased = await agreeOn(PLANS, QUERIES, 1, undefined, true, undefined, true);
}, 60_000);

const rowsAt = (hour: number, count: number): Row[] =>
  Array.from({ length: count }, (_none, index) => ({
    at: BigInt(hour * HOUR_MS + index) * 1_000n,
    place: `place ${index % 2}`,
  }));

interface Told {
  readonly sequence: number;
  readonly epoch: number;
  readonly facts: readonly UseFact[];
}

/** Vaults one after the other, each from the checkpoint before, and what left them. */
class Scene {
  readonly agreed: Computation;
  readonly left: DoorRecord[] = [];
  readonly streams: ReadonlyMap<string, TestStream>;
  readonly #offsets = new Map<string, number>();
  readonly #openers = new Map<DoorRecord, Vault>();
  vault!: Vault;

  constructor(agreed: Computation) {
    this.agreed = agreed;
    this.streams = new Map(PLANS.map(({ id }) => [id, new TestStream(agreed, id)]));
  }

  async open(): Promise<this> {
    this.vault = await Vault.open(this.agreed.signed, { transportKey: sharedTransportKey() });
    const { nonce } = this.vault.claims();
    const [transport] = claimsOf(this.vault).keys;
    for (const { owner, keyId } of this.agreed.contract.datasets) {
      for (const name of [keyId, 'state-share']) {
        const jws = await this.agreed.release(owner, name, nonce, transport);
        await this.vault.acceptRelease(owner, name, jws);
      }
    }
    this.vault.acceptProof(PROOF);
    return this;
  }

  async start(): Promise<this> {
    await this.open();
    const checkpoints = this.left.filter(({ key }) => key === RECORD_TYPES.checkpoint);
    await this.vault.restore(checkpoints.map(({ value }) => new TextDecoder().decode(value)));
    this.keep((await this.vault.announce()).records);
    return this;
  }

  keep(records: readonly DoorRecord[]): void {
    this.left.push(...records);
    for (const record of records) this.#openers.set(record, this.vault);
  }

  async publish(
    dataset: string,
    ...records: { key: string; value: Uint8Array; headers: object }[]
  ) {
    const from = this.#offsets.get(dataset) ?? 0;
    this.#offsets.set(dataset, from + records.length);
    const entries = records.map((record, index) => ({ ...record, offset: from + index }));
    return this.vault.accept(dataset, entries as never);
  }

  async close(): Promise<void> {
    this.keep((await this.vault.closeWindows()).departure.records);
  }

  stream(id: string): TestStream {
    return this.streams.get(id) ?? expect.fail('a stream');
  }

  /** What the owner reads, in the order of the log; its chain must be whole. */
  async told(owner = NORTH): Promise<{ chain: UseChain; entries: Told[] }> {
    const { contract, contractId, identities } = this.agreed;
    const id = owner ?? expect.fail('an owner');
    const chain = new UseChain(contract, contractId, id);
    const entries: Told[] = [];
    for (const record of this.left) {
      if (record.headers['ce_type'] !== RECORD_TYPES.use || record.key !== id) continue;
      const { kty, crv, x } = claimsOf(this.#openers.get(record) ?? this.vault).keys[1];
      const { seal, jws, entry } = await openUse(record, {
        ...{ contractId, owner: id, aggregateKey: { kty, crv, x } },
        tokenSha256: createHash('sha256').update(PROOF).digest('hex'),
        secretReader: identities.get(id)?.reader ?? expect.fail('it reads'),
      });
      expect(chain.admit({ ...seal, token: `${seal.epoch}`.padStart(64, '0') }, jws)).toBe('new');
      entries.push({ sequence: seal.sequence, epoch: seal.epoch, facts: entry.facts });
    }
    return { chain, entries };
  }
}

function claimsOf(vault: Vault) {
  const bytes = decodeBase64url(vault.claims().runtimeClaims) ?? new Uint8Array(0);
  return RuntimeClaimsSchema.parse(parseCanonical(bytes));
}

const start = (id: string) => ({ kind: 'start', keys: [`kek-${id}`, 'state-share'] });
const window = (hour: number, dataset: string, rows: number, groups = 2) => ({
  ...{ kind: 'window', query: 'hourly', emission: hour, readers: ['analyst'] },
  window: { start: hour * HOUR_MS, end: (hour + 1) * HOUR_MS },
  ...{ groups, suppressedGroups: 0, inputs: [{ dataset, stream: expect.any(String), rows }] },
});

describe('ledgers of uses', () => {
  test('an owner is told of each result with its rows, of refusals and late rows', async () => {
    const scene = await new Scene(computation).start();
    const [north, south] = [scene.stream('north'), scene.stream('south')];
    const sealed = await north.seal(rowsAt(0, 5));
    await scene.publish('north', sealed, sealed, await north.manifest(HOUR_MS));
    await scene.publish('south', await south.seal(rowsAt(0, 3)), await south.manifest(HOUR_MS));
    await scene.close();
    await scene.publish('north', await north.seal([...rowsAt(0, 2), ...rowsAt(1, 4)]));
    await scene.publish('north', await north.manifest(2 * HOUR_MS, true));
    await scene.publish('south', await south.manifest(2 * HOUR_MS, true));
    await scene.close();
    const [mine, theirs, apart] = [
      await scene.told(NORTH),
      await scene.told(SOUTH),
      await scene.told(APART),
    ];
    expect(mine.entries.map(({ facts }) => facts)).toEqual([
      [start('north')],
      [
        window(0, 'north', 5),
        { kind: 'refusals', dataset: 'north', byCode: { ERR_BATCH_REPLAYED: 1 } },
      ],
      [
        window(1, 'north', 4),
        {
          ...{ kind: 'late', dataset: 'north', query: 'hourly', rows: 2, excluded: 2 },
          missed: { start: 0, end: HOUR_MS },
        },
      ],
    ]);
    expect(theirs.entries.map(({ facts }) => facts)).toEqual([
      [start('south')],
      [window(0, 'south', 3)],
      [window(1, 'south', 0)],
    ]);
    // Nothing of it concerned the third one, and nobody tells it of the others' rows.
    expect(apart.entries.map(({ facts }) => facts)).toEqual([[start('apart')]]);
    expect(compareUses(mine.chain, theirs.chain)).toEqual({ agreements: 4, missingInTheirs: 0 });
    expect(compareUses(apart.chain, mine.chain)).toEqual({ agreements: 2, missingInTheirs: 0 });
  });

  test('the chain goes on over restarts, and a step that was lost is told once', async () => {
    const scene = await new Scene(computation).start();
    const [north, south] = [scene.stream('north'), scene.stream('south')];
    const records = {
      north: [await north.seal(rowsAt(0, 5)), await north.manifest(HOUR_MS, true)],
      south: [await south.seal(rowsAt(0, 3)), await south.manifest(HOUR_MS, true)],
    };
    for (const [id, all] of Object.entries(records)) await scene.publish(id, ...all);
    // This step never reaches the log.
    expect((await scene.vault.closeWindows()).departure.records.length).toBeGreaterThan(2);
    await scene.start();
    const again = new Map(Object.entries(records));
    for (const [id, all] of again) {
      await scene.vault.accept(
        id,
        all.map((record, offset) => ({ ...record, offset })),
      );
    }
    await scene.close();
    await scene.start();
    const { entries } = await scene.told(NORTH);
    expect(entries).toEqual([
      { sequence: 0, epoch: 0, facts: [start('north')] },
      { sequence: 1, epoch: 1, facts: [start('north')] },
      { sequence: 2, epoch: 1, facts: [window(0, 'north', 5)] },
      { sequence: 3, epoch: 2, facts: [start('north')] },
    ]);
  });

  test('owners without a reading key have none, and results are as they were', async () => {
    const scene = await new Scene(unread).start();
    await scene.publish('north', await scene.stream('north').manifest(HOUR_MS, true));
    await scene.close();
    expect(scene.left.map(({ key }) => key)).not.toContain(NORTH);
  });

  test('nobody opens the ledger of another owner', async () => {
    const scene = await new Scene(computation).start();
    const record = scene.left.find(({ key }) => key === NORTH) ?? expect.fail('an entry');
    const { kty, crv, x } = claimsOf(scene.vault).keys[1];
    const { contractId, identities } = computation;
    const opened = openUse(record, {
      ...{ contractId, owner: NORTH ?? expect.fail('north'), aggregateKey: { kty, crv, x } },
      tokenSha256: createHash('sha256').update(PROOF).digest('hex'),
      secretReader: identities.get(SOUTH ?? '')?.reader ?? expect.fail('it reads'),
    });
    await expect(opened).rejects.toMatchObject({ code: 'ERR_USE_INVALID' });
  });

  test('a stop is the last entry; a step that waited for a word is no use', async () => {
    const scene = await new Scene(leased).open();
    const genesis = createHash('sha256').update(leased.contractId).digest('hex');
    const holder = claimsOf(scene.vault).keys[1].x;
    const word = async (state: 'held' | 'revoked', owner = NORTH) => {
      const id = owner ?? expect.fail('an owner');
      const ends = { from: genesis, to: genesis };
      const said = { contract: leased.contractId, owner: id, state, holder, epoch: 1, ...ends };
      return { owner: id, statement: await leased.state(said) };
    };
    for (const owner of [NORTH, SOUTH, APART]) {
      await scene.vault.leases.accept(await word('held', owner));
    }
    await scene.vault.restore([]);
    expect((await scene.vault.announce()).records).toEqual([]);
    await scene.publish('north', await scene.stream('north').seal(rowsAt(0, 5)));
    scene.keep(await scene.vault.stop(await word('revoked')));
    const { entries } = await scene.told(NORTH);
    const at = expect.any(Number);
    const counted = [{ dataset: 'north', stream: expect.any(String), rows: 5 }];
    expect(entries.map(({ facts }) => facts)).toEqual([
      [start('north'), { kind: 'stop', stoppedBy: NORTH, at, counted }],
    ]);
    const south = await scene.told(SOUTH);
    expect(south.entries.at(-1)?.facts.at(-1)).toMatchObject({ kind: 'stop', counted: [] });
  });
});
