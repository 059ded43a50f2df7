import { createHash } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import type { Query } from '@strongroom/protocol/contract';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema, type QueryId } from '@strongroom/protocol/fields';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { openAggregate } from '@strongroom/sealing/open-aggregate';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../../test/owners.ts';
import { type Told, toldIn } from '../../test/proven-vaults.ts';
import { sharedTransportKey } from '../../test/rsa-keys.ts';
import { type TrueRow, type TrueWindow, WindowTruth } from '../../test/window-truth.ts';
import type { DoorEntry, DoorRecord } from './door.ts';
import { Vault } from './vault.ts';

/**
 * Every kind of window against plain truth: random rows, watermarks, lateness and crashes. Row i
 * has the number 2^i, so that a sum says which rows it counted.
 */

const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'who', type: 'utf8', nullable: false },
  { name: 'bit', type: 'int64', nullable: false },
] as const;
const NAMES = [{ name: 'who', type: 'utf8', nullable: false }] as const;
const events = { relation: 'events', columns: COLUMNS, eventTime: 'at' };
const PLANS = [
  { id: 'east', ...events },
  { id: 'west', ...events },
  { id: 'names', relation: 'names', columns: NAMES },
];
const TIMED = { east: true, west: true };
const PROOF = '{"tokens":["header.claims.signature"],"v":1}';
const SUM = 'SELECT count(*) AS n, sum(bit) AS bits FROM events';
const JOINED = `${SUM} JOIN names ON events.who = names.who`;
const BY_SESSION = `SELECT _session_number AS number, _session_start AS began,
  _session_end AS ended, count(*) AS n, sum(bit) AS bits
  FROM events GROUP BY _session_number, _session_start, _session_end`;
const KEYS = ['ann', 'bob', 'eve'];
const PEOPLE = KEYS.map((who) => ({ who }));
const ROWS_MAX = 60;

type Planned = Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'>;

function planned(id: string, window: Query['window'], latenessMs = 0, joined = false): Planned {
  const sql = window.kind === 'session' ? BY_SESSION : joined ? JOINED : SUM;
  const relations = joined ? ['events', 'names'] : ['events'];
  return { id: id as QueryId, sql, relations, window, latenessMs };
}

const session = (gapMs: number, maximumMs: number, sizeMs: number) =>
  ({ kind: 'session', key: 'who', gapMs, maximumMs, sizeMs }) as const;
const hopping = (sizeMs: number, advanceMs: number) =>
  ({ kind: 'hopping', sizeMs, advanceMs }) as const;
const tumbling = (sizeMs: number) => ({ kind: 'tumbling', sizeMs }) as const;

/** Overlaps with and without remainder, gaps beside maximum and size, and all with lateness. */
const VARIANTS: readonly (readonly Planned[])[] = [
  [
    planned('plain', tumbling(1_000)),
    planned('over', hopping(3_000, 1_000)),
    planned('visits', session(400, 1_000, 1_000)),
    planned('all', { kind: 'whole' }),
  ],
  [
    planned('plain', tumbling(2_000), 1_500),
    planned('over', hopping(2_500, 1_100), 700),
    planned('visits', session(1_000, 1_000, 2_000), 500),
    planned('named', hopping(1_000, 1_000), 0, true),
  ],
  [
    planned('visits', session(1, 1_000, 3_000)),
    planned('long', session(900, 1_500, 1_000), 300),
    planned('over', hopping(5_000, 1_000)),
  ],
  // Of these no vault keeps a row.
  [
    planned('plain', tumbling(1_000)),
    planned('over', hopping(2_500, 1_000), 700),
    planned('all', { kind: 'whole' }),
  ],
  // Alone, so that no other query keeps the rows that it needs after a restart.
  [planned('over', hopping(4_000, 1_000))],
  [planned('long', session(600, 1_000, 1_000))],
];

const contracts: Computation[] = [];
beforeAll(async () => {
  for (const queries of VARIANTS) contracts.push(await agreeOn(PLANS, queries, 1));
}, 60_000);

/** A vault, what lies on the log for it, and what it has committed. */
class Worker {
  readonly #agreed: Computation;
  readonly #topics = new Map<string, DoorEntry[]>(PLANS.map(({ id }) => [id, []]));
  readonly #read = new Map<string, number>();
  readonly #streams: ReadonlyMap<string, TestStream>;
  /** With the key that signed it. */
  readonly committed: { readonly record: DoorRecord; readonly vault: Vault }[] = [];
  readonly #vaults: Vault[] = [];
  #vault!: Vault;
  done = false;

  constructor(agreed: Computation) {
    this.#agreed = agreed;
    this.#streams = new Map(PLANS.map(({ id }) => [id, new TestStream(agreed, id)]));
  }

  async begin(): Promise<void> {
    this.#vault = await Vault.open(this.#agreed.signed, { transportKey: sharedTransportKey() });
    this.#vaults.push(this.#vault);
    const { nonce } = this.#vault.claims();
    const [transport] = claimsOf(this.#vault).keys;
    for (const { owner, keyId } of this.#agreed.contract.datasets) {
      for (const name of [keyId, 'state-share']) {
        const jws = await this.#agreed.release(owner, name, nonce, transport);
        await this.#vault.acceptRelease(owner, name, jws);
      }
    }
    this.#vault.acceptProof(PROOF);
    const checkpoints = this.committed.filter(
      ({ record }) => record.key === RECORD_TYPES.checkpoint,
    );
    const { from } = await this.#vault.restore(
      checkpoints.map(({ record }) => new TextDecoder().decode(record.value)),
    );
    for (const { dataset, offset } of from) this.#read.set(dataset, offset);
    this.#commit((await this.#vault.announce()).records);
    await this.#readOn();
  }

  async batch(dataset: string, rows: readonly Record<string, bigint | string>[]): Promise<void> {
    await this.#append(dataset, await this.#stream(dataset).seal(rows));
  }

  async manifest(dataset: string, watermark: number | null, final: boolean): Promise<void> {
    await this.#append(dataset, await this.#stream(dataset).manifest(watermark, final));
  }

  /** @param isLost the vault computes, and nothing of it reaches the log */
  async close(isLost = false): Promise<boolean> {
    let hasCommitted = false;
    for (let more = true; more; ) {
      const { closing, departure } = await this.#vault.closeWindows();
      if (!isLost) this.#commit(departure.records);
      hasCommitted ||= departure.records.length > 0;
      this.done = closing.done;
      more = closing.more;
    }
    return hasCommitted;
  }

  async checkpoint(): Promise<void> {
    this.#commit((await this.#vault.checkpoint()).records);
  }

  shut(): void {
    for (const vault of this.#vaults) vault.close();
  }

  async results(query: string): Promise<{ seal: Told; rows: Record<string, unknown>[] }[]> {
    const { contract, contractId, analyst } = this.#agreed;
    const found = [];
    for (const { record, vault } of this.committed) {
      if (record.key !== `${query}.analyst`) continue;
      const { kty, crv, x } = claimsOf(vault).keys[1];
      const opened = await openAggregate([record], {
        ...{ contract, contractId, reader: PartyIdSchema.parse('analyst') },
        secretReader: analyst.reader ?? expect.fail('the analyst reads'),
        aggregateKey: { kty, crv, x },
        tokenSha256: createHash('sha256').update(PROOF).digest('hex'),
      });
      const table = tableFromIPC(opened.arrow);
      found.push({ seal: toldIn(opened), rows: table.toArray().map((row) => row.toJSON()) });
    }
    return found;
  }

  async #append(dataset: string, record: Omit<DoorEntry, 'offset'>): Promise<void> {
    const topic = this.#topics.get(dataset) ?? [];
    topic.push({ ...record, offset: topic.length });
    await this.#readOn();
  }

  async #readOn(): Promise<void> {
    for (const [dataset, topic] of this.#topics) {
      const entries = topic.slice(this.#read.get(dataset) ?? 0);
      this.#read.set(dataset, topic.length);
      const outcomes = entries.length > 0 ? await this.#vault.accept(dataset, entries) : [];
      expect(outcomes.flatMap(({ code }) => code ?? [])).toEqual([]);
    }
  }

  #commit(records: readonly DoorRecord[]): void {
    for (const record of records) this.committed.push({ record, vault: this.#vault });
  }

  #stream(dataset: string): TestStream {
    return this.#streams.get(dataset) ?? expect.fail('a stream');
  }
}

function claimsOf(vault: Vault) {
  const bytes = decodeBase64url(vault.claims().runtimeClaims) ?? new Uint8Array(0);
  return RuntimeClaimsSchema.parse(parseCanonical(bytes));
}

type Step =
  | { readonly kind: 'batch'; readonly dataset: keyof typeof TIMED; readonly rows: Drawn[] }
  | { readonly kind: 'watermark'; readonly dataset: keyof typeof TIMED; readonly at: number }
  | { readonly kind: 'end'; readonly dataset: keyof typeof TIMED | 'names' }
  | { readonly kind: 'close' | 'checkpoint' | 'crash' | 'lost' };
interface Drawn {
  readonly at: number;
  readonly microseconds: number;
  readonly key: string;
}

const dataset = fc.constantFrom('east' as const, 'west' as const);
/** Multiples of the sizes and what lies beside them, and anything. */
const time = fc.oneof(
  fc
    .tuple(fc.integer({ min: -4, max: 7 }), fc.constantFrom(-1, 0, 1, 400, 900))
    .map(([second, rest]) => second * 1_000 + rest),
  fc.integer({ min: -4_000, max: 7_000 }),
);
const drawn: fc.Arbitrary<Drawn> = fc.record({
  at: time,
  microseconds: fc.constantFrom(0, 0, 1, 999),
  key: fc.constantFrom(...KEYS),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('batch' as const),
        dataset,
        rows: fc.array(drawn, { minLength: 1, maxLength: 6 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('watermark' as const), dataset, at: time }),
    },
    {
      weight: 7,
      arbitrary: fc.record({
        kind: fc.constantFrom('close', 'close', 'close', 'checkpoint', 'crash', 'lost'),
      }),
    },
  ),
  { minLength: 4, maxLength: 40 },
);

/** Owners end in any order, and the reference table at any time. */
const run = fc.record({
  variant: fc.nat(VARIANTS.length - 1),
  steps,
  namesAfter: fc.nat(40),
  ends: fc.shuffledSubarray<'east' | 'west'>(['east', 'west'], { minLength: 2 }),
});

/** Owners that end without a row. */
const SILENT = { variant: 0, steps: [], namesAfter: 0, ends: ['east' as const, 'west' as const] };

describe('windows of every kind', () => {
  test('hold what plain truth says, whatever comes late and wherever it crashes', async () => {
    const numRuns = process.env['STRONGROOM_LONG'] === '1' ? 1_000 : 20;
    await fc.assert(
      fc.asyncProperty(run, async ({ variant, steps: drawnSteps, namesAfter, ends }) => {
        const all: Step[] = [...drawnSteps];
        all.splice(namesAfter, 0, { kind: 'end', dataset: 'names' });
        for (const each of ends) all.push({ kind: 'end', dataset: each }, { kind: 'close' });
        await compare(variant, all);
      }),
      { numRuns, endOnFailure: process.env['STRONGROOM_LONG'] !== '1', examples: [[SILENT]] },
    );
  }, 3_600_000);
});

/** Runs the steps with a vault and with the plain truth, and compares all that was emitted. */
async function compare(variant: number, all: readonly Step[]): Promise<void> {
  const agreed = contracts[variant] ?? expect.fail('a contract');
  const worker = new Worker(agreed);
  const both = new Both(worker, VARIANTS[variant] ?? []);
  await worker.begin();
  for (const step of all) await both.take(step);
  await both.compare();
  expect(worker.done).toBe(true);
  worker.shut();
}

/** A worker and the truth beside it, which is set back when the worker loses what it knew. */
class Both {
  readonly #worker: Worker;
  readonly #queries: readonly (Planned & { inputs: string[] })[];
  #truth: WindowTruth;
  #committed: WindowTruth;
  /** What the log holds, and how much of it the newest checkpoint covers. */
  readonly #log: ((to: WindowTruth) => void)[] = [];
  #covered = 0;
  #rows = 0;

  constructor(worker: Worker, queries: readonly Planned[]) {
    this.#worker = worker;
    this.#queries = queries.map((query) => ({
      ...query,
      inputs: [...Object.keys(TIMED), ...query.relations.filter((each) => each === 'names')],
    }));
    this.#truth = WindowTruth.begin(this.#queries, { ...TIMED, names: false });
    this.#committed = this.#truth.copy();
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'batch':
        return this.#publish(step.dataset, step.rows);
      case 'watermark':
        return this.#promise(step.dataset, step.at, false);
      case 'end':
        if (step.dataset === 'names') await this.#worker.batch('names', PEOPLE);
        return this.#promise(step.dataset, step.dataset === 'names' ? null : 9_000, true);
      case 'close':
        this.#truth.close(this.#queries);
        if (await this.#worker.close()) this.#commit();
        return;
      case 'checkpoint':
        await this.#worker.checkpoint();
        return this.#commit();
      case 'lost':
        await this.#worker.close(true);
        return this.#crash();
      case 'crash':
        return this.#crash();
    }
  }

  async compare(): Promise<void> {
    for (const { id, window } of this.#queries) {
      const found = (await this.#worker.results(id)).map(({ seal, rows }) => ({
        window: seal.window,
        emission: seal.emission,
        sums: rows.map((row) => numbers(row)),
        lateRows: seal.inputs.map(({ lateRows }) => lateRows),
        rows: seal.inputs.flatMap((input) => (input.dataset in TIMED ? [input.rows] : [])),
      }));
      const expected = (this.#truth.emitted[id] ?? []).map((each, emission) =>
        asResult(each, window, emission, found[emission]?.lateRows.length ?? 0),
      );
      expect(found, id).toEqual(expected);
    }
  }

  async #publish(dataset: string, drawnRows: readonly Drawn[]): Promise<void> {
    const rows = drawnRows.slice(0, ROWS_MAX - this.#rows).map((each) => {
      const us = BigInt(each.at) * 1_000n + BigInt(each.microseconds);
      return { dataset, at: each.at, us, key: each.key, bit: 1n << BigInt(this.#rows++) };
    });
    if (rows.length === 0) return;
    this.#append((to) => to.take(rows, this.#queries));
    const cells = rows.map(({ us, key, bit }) => ({ at: us, who: key, bit }));
    await this.#worker.batch(dataset, cells);
  }

  async #promise(dataset: string, watermark: number | null, isLast: boolean): Promise<void> {
    this.#append((to) => to.promise(dataset, isLast ? null : watermark, isLast));
    await this.#worker.manifest(dataset, watermark, isLast);
  }

  #append(entry: (to: WindowTruth) => void): void {
    this.#log.push(entry);
    entry(this.#truth);
  }

  #commit(): void {
    this.#committed = this.#truth.copy();
    this.#covered = this.#log.length;
  }

  async #crash(): Promise<void> {
    this.#truth = this.#committed.copy();
    for (const entry of this.#log.slice(this.#covered)) entry(this.#truth);
    await this.#worker.begin();
    this.#commit();
  }
}

function numbers(row: Record<string, unknown>): unknown {
  const { n, bits, number, began, ended } = row;
  return {
    ...{ n, bits: bits instanceof Uint32Array ? hugeOf(bits) : bits },
    ...(number === undefined ? {} : { number, began, ended }),
  };
}

/** HUGEINT travels as decimal128 of scale 0. */
function hugeOf(words: Uint32Array): bigint {
  return words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

function asResult(each: TrueWindow, window: Query['window'], emission: number, inputs: number) {
  const { start, groups, lateRows } = each;
  const size = 'sizeMs' in window ? window.sizeMs : 0;
  const rows = groups.flat();
  const of = (id: string) => rows.filter((row) => row.dataset === id).length;
  return {
    window: start === null ? null : { start, end: start + size },
    emission,
    sums: groups.map((group, index) => ({
      n: BigInt(group.length),
      bits: group.reduce((sum, { bit }) => sum + bit, 0n),
      ...(window.kind === 'session' ? sessionFacts(group, window.gapMs, index) : {}),
    })),
    lateRows: [lateRows['east'] ?? 0, lateRows['west'] ?? 0, 0].slice(0, inputs),
    rows: [of('east'), of('west')].slice(0, inputs),
  };
}

function sessionFacts(group: readonly TrueRow[], gapMs: number, index: number) {
  const times = group.map(({ at }) => at);
  return {
    number: BigInt(index + 1),
    began: Math.min(...times),
    ended: Math.max(...times) + gapMs,
  };
}
