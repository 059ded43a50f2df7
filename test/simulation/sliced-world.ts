import { datasetOf, type Query } from '@strongroom/protocol/contract';
import { StreamIdSchema } from '@strongroom/protocol/fields';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { expect } from 'vitest';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import type { Vault } from '../../services/enclave-worker/src/vault/vault.ts';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { ProvenVaults, type Told } from '../../services/enclave-worker/test/proven-vaults.ts';

/**
 * One worker, or several with a slice each and one that merges: the loop of a worker around real
 * vaults, in one process, over logs in memory, with crashes where a seed wants them.
 */

export const HOUR_MS = 3_600_000;
const PARTITIONS = 4;
const OWNERS = ['north', 'south'];
const PHASES = 3;
const COLUMNS = [
  { name: 'seen', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: true },
  { name: 'cost', type: 'int32', nullable: true },
  { name: 'paid', type: 'decimal128', precision: 9, scale: 2, nullable: false },
] as const;
const ACCEPTED = { relations: ['visits'], latenessMs: 0, differences: 'accepted' } as const;
const QUERIES = [
  {
    id: 'hourly',
    sql: `SELECT place, count(*) AS n, sum(cost) AS cost, avg(cost) AS mean, min(cost) AS least,
      max(paid) AS dearest FROM visits GROUP BY place ORDER BY n DESC, place`,
    window: { kind: 'tumbling', sizeMs: HOUR_MS },
    ...ACCEPTED,
  },
  {
    id: 'by-half-hour',
    sql: `SELECT cost > 5 AS dear, count(*) AS n, sum(paid) AS paid FROM visits
      GROUP BY 1 ORDER BY 1`,
    window: { kind: 'hopping', sizeMs: HOUR_MS, advanceMs: HOUR_MS / 2 },
    ...ACCEPTED,
  },
  {
    id: 'all',
    sql: 'SELECT count(*) AS n, sum(cost) AS cost FROM visits WHERE cost IS NOT NULL',
    window: { kind: 'whole' },
    ...ACCEPTED,
  },
] as unknown as (Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> & {
  differences: 'accepted';
})[];

/** @param slices 1: a contract without them */
export function agreeOnSlices(slices: number): Promise<Computation> {
  const streams = Array.from({ length: PARTITIONS }, (_none, partition) => ({
    id: `gate-${partition}`,
    partition,
  }));
  const plans = OWNERS.map((id) => ({
    ...{ id, relation: 'visits', columns: COLUMNS, eventTime: 'seen', streams },
  }));
  const members = { tickMs: 0, ...(slices > 1 ? { slices } : {}) };
  return agreeOn(plans, QUERIES, 2, undefined, false, undefined, false, members);
}

/** Two slices, and one query over tables of places and weights. */
export function agreeOnQuery(sql: string): Promise<Computation> {
  const columns = [
    { name: 'place', type: 'utf8', nullable: false },
    { name: 'weight', type: 'float64', nullable: false },
  ] as const;
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  const relations = ['visits', ...(sql.includes('other') ? ['other'] : [])];
  const plans = relations.map((relation) => ({ id: relation, relation, columns, streams }));
  const query = { id: 'all', sql, relations, window: { kind: 'whole' }, latenessMs: 0 };
  const all = [{ ...query, differences: 'accepted' }] as unknown as typeof QUERIES;
  return agreeOn(plans, all, 2, undefined, false, undefined, false, { slices: 2 });
}

/** Two slices, and rows that are shared out by place. */
export function agreeOnShares(leases = false): Promise<Computation> {
  const columns = [{ name: 'place', type: 'utf8', nullable: false }] as const;
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  const plan = { id: 'visits', relation: 'visits', columns, streams, partitionBy: 'place' };
  const sql = 'SELECT place, count(*) AS n FROM visits GROUP BY place';
  const query = { id: 'all', sql, relations: ['visits'], window: { kind: 'whole' }, latenessMs: 0 };
  const all = [{ ...query, differences: 'accepted' }] as unknown as typeof QUERIES;
  return agreeOn([plan], all, 1, undefined, leases, undefined, false, { tickMs: 0, slices: 2 });
}

/** By dataset and partition, batches of rows for each phase. */
export type Plan = ReadonlyMap<string, readonly (readonly Row[])[][]>;

/** In phase p rows lie in the hours p and p + 1; some streams have none. */
export function planRows(random: SeededRandom): Plan {
  const plan = new Map<string, Row[][][]>();
  for (const owner of OWNERS) {
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const isQuiet = random.chance(0.3);
      const phases = Array.from({ length: PHASES }, (_none, phase) => {
        const batches = isQuiet ? random.below(2) : random.below(4);
        return Array.from({ length: batches }, () => rowsIn(phase, random));
      });
      plan.set(`${owner}/${partition}`, phases);
    }
  }
  return plan;
}

function rowsIn(phase: number, random: SeededRandom): Row[] {
  return Array.from({ length: 1 + random.below(4) }, () => ({
    seen: BigInt((phase + 1) * HOUR_MS + random.below(2 * HOUR_MS)) * 1_000n,
    place: random.chance(0.1) ? null : random.pick(['x', 'y', 'zürich']),
    cost: random.chance(0.1) ? null : random.below(11) - 3,
    paid: BigInt(random.below(1_000_000)) - 500_000n,
  }));
}

/** By dataset, or by slice; records of each partition. */
type Topics = Map<string, DoorRecord[][]>;

export async function sealRows(computation: Computation, plan: Plan): Promise<Topics> {
  const topics: Topics = new Map();
  for (const [place, phases] of plan) {
    const [owner = '', partition = ''] = place.split('/');
    const stream = new TestStream(computation, owner, StreamIdSchema.parse(`gate-${partition}`));
    const isTimed = datasetOf(computation.contract, owner).eventTime !== undefined;
    const records: DoorRecord[] = [];
    for (const [phase, batches] of phases.entries()) {
      for (const rows of batches) records.push(await stream.seal(rows));
      const watermark = isTimed ? (phase + 2) * HOUR_MS : null;
      records.push(await stream.manifest(watermark, phase === phases.length - 1));
    }
    const partitions = topics.get(owner) ?? [];
    partitions[Number(partition)] = records;
    topics.set(owner, partitions);
  }
  return topics;
}

/** One worker of a computation: of one slice, or of all. */
export class SimulatedLoop {
  readonly #vaults: ProvenVaults;
  readonly #topics: Topics;
  readonly #random: SeededRandom;
  readonly #slice: { readonly slice?: number };
  readonly committed: DoorRecord[] = [];
  #read = new Map<string, number>();
  #crashesLeft: number;
  /** Codes of the records that were refused. */
  readonly refused = new Set<string>();

  constructor(
    computation: Computation,
    topics: Topics,
    { random, slice, crashes }: { random: SeededRandom; slice?: number; crashes: number },
  ) {
    this.#vaults = new ProvenVaults(computation);
    this.#topics = topics;
    this.#random = random;
    this.#slice = slice === undefined ? {} : { slice };
    this.#crashesLeft = crashes;
  }

  /** Reads all that the log shows; the code that the vault ends with, when it is not content. */
  async run(): Promise<{ done: boolean }> {
    for (;;) {
      const vault = await this.#start();
      try {
        const done = await this.#readOn(vault);
        if (done === undefined) continue;
        vault.finish();
        return { done };
      } finally {
        vault.close();
      }
    }
  }

  /** In the log's order. */
  async results(): Promise<{ readonly told: Told; readonly arrow: Uint8Array }[]> {
    const results = this.committed.filter((record) => isOf(record, RECORD_TYPES.aggregate));
    return await Promise.all(
      results.map(async (record) => {
        const { seal: told, plaintext: arrow } = await this.#vaults.openResult(record);
        return { told, arrow };
      }),
    );
  }

  /** What does not depend on how many workers there were, in an order that does not either. */
  async comparableResults() {
    const results = (await this.results()).map(({ told, arrow }) => {
      const { query, window, emission, rows, suppressedGroups, withheld, inputs } = told;
      const counted = inputs.map(({ dataset, stream, rows: of }) => [dataset, stream, of]);
      const place = `${query} ${emission}`;
      const content = { window, rows, suppressedGroups, withheld, counted };
      return { place, content, arrow: Buffer.from(arrow).toString('base64') };
    });
    return results.sort((one, other) => one.place.localeCompare(other.place));
  }

  get partials(): DoorRecord[] {
    return this.committed.filter((record) => isOf(record, RECORD_TYPES.partial));
  }

  async #start(): Promise<Vault> {
    const vault = await this.#vaults.open(this.#slice);
    const newest = this.committed.findLast(({ key }) => key === RECORD_TYPES.checkpoint);
    const { from } = await vault.restore(newest ? [new TextDecoder().decode(newest.value)] : []);
    this.#read = new Map(
      from.map(({ dataset, partition, offset }) => [`${dataset}/${partition}`, offset]),
    );
    this.committed.push(...(await vault.announce()).records);
    return vault;
  }

  /** @returns whether all is done; undefined after a crash */
  async #readOn(vault: Vault): Promise<boolean | undefined> {
    let done = false;
    for (;;) {
      const open = [...this.#read].filter(([at, offset]) => offset < this.#recordsAt(at).length);
      if (open.length === 0) return done;
      const [at, offset] = this.#random.pick(open);
      const [dataset = '', partition = ''] = at.split('/');
      const group = this.#recordsAt(at).slice(offset, offset + 1 + this.#random.below(6));
      const entries = group.map((record, index) => ({
        ...record,
        partition: Number(partition),
        offset: offset + index,
      }));
      for (const { code } of await vault.accept(dataset, entries)) {
        if (code !== undefined) this.refused.add(code);
      }
      this.#read.set(at, offset + group.length);
      for (let more = true; more; ) {
        if (this.#crashes()) return undefined;
        const { closing, departure } = await vault.closeWindows();
        // Between sealing and committing: these records are lost, and nobody has seen them.
        if (this.#crashes()) return undefined;
        this.committed.push(...departure.records);
        ({ more, done } = closing);
      }
    }
  }

  #recordsAt(at: string): readonly DoorRecord[] {
    const [dataset = '', partition = ''] = at.split('/');
    return this.#topics.get(dataset)?.[Number(partition)] ?? [];
  }

  #crashes(): boolean {
    const crashes = this.#crashesLeft > 0 && this.#random.chance(0.08);
    if (crashes) this.#crashesLeft -= 1;
    return crashes;
  }
}

function isOf({ headers }: DoorRecord, type: string): boolean {
  return headers['ce_type'] === type;
}

/** What a worker tells that reads all of it, and is stopped so many times; nothing is refused. */
export async function resultsOf(
  computation: Computation,
  topics: Topics,
  options: { readonly random: SeededRandom; readonly crashes: number },
) {
  const loop = new SimulatedLoop(computation, topics, options);
  expect(await loop.run()).toEqual({ done: true });
  expect([...loop.refused]).toEqual([]);
  return await loop.comparableResults();
}

/** All slices of a computation over the same rows; what each has told. */
export async function runSlices(
  computation: Computation,
  topics: Topics,
  seed: number,
  crashes: number,
): Promise<Topics> {
  const { slices = 0 } = computation.contract;
  const partials: Topics = new Map();
  for (let slice = 0; slice < slices; slice += 1) {
    const random = seededRandom(seed * 1_000 + slice);
    const loop = new SimulatedLoop(computation, topics, { random, slice, crashes });
    await loop.run();
    partials.set(`partials.${slice}`, [loop.partials]);
  }
  return partials;
}
