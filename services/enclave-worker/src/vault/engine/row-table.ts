import { quoted } from '@strongroom/analysis/rule-scope';
import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { type TimeRange, union } from '../kept-batches.ts';
import { ArrowTableFunction } from './arrow-table-function.ts';
import type { Engine } from './engine.ts';
import { type EventTimeColumn, eventTimeRange, timeLiteral } from './event-time.ts';
import {
  duckdbType,
  type GroupColumn,
  type LabelledRows,
  makeRowGroup,
  type RowGroup,
} from './row-group.ts';
import type { StoredBatch } from './row-store.ts';
import type { TimeWindow } from './window.ts';

/**
 * The rows of one dataset, in the order in which they came, in slabs: tables of some hundred
 * thousand rows each. What has expired goes with its slab, without a copy of what has not, and a
 * slab has labels of its own: texts that repeat take a byte or two there, and are texts again for
 * whoever reads.
 */
export class RowTable {
  readonly #engine: Engine;
  readonly #facts: RowTableFacts;
  readonly #limits: SlabLimits;
  readonly #kept: ReadonlySet<string>;
  #slabs: Slab[] = [];
  #made = 0;
  /** Of the rows since `#since`: how often labels were added, and columns that got too many. */
  #relabelled = 0;
  #texts = new Set<string>();
  #since = 0;

  constructor(engine: Engine, facts: RowTableFacts) {
    this.#engine = engine;
    this.#facts = facts;
    this.#limits = facts.limits ?? SLAB_LIMITS;
    this.#kept = new Set(facts.columns.map(({ name }) => name));
  }

  /** In its slabs, or a little more: some were not needed when they came. */
  get rows(): number {
    return sumOf(this.#slabs);
  }

  /** Those with an event time below `keepFrom` are left out. */
  async append(batches: readonly StoredBatch[], own: readonly GroupColumn[], keepFrom: number) {
    const { dataset } = this.#facts;
    const times = this.#timesOf(batches);
    if (this.#since >= this.#limits.rows) this.#beginAnew();
    const last = this.#since > 0 ? this.#slabs.at(-1) : undefined;
    const arrowBatches = batches.map(({ arrowBatch }) => arrowBatch);
    const group = makeRowGroup(dataset.columns, arrowBatches, {
      ...{ more: own, known: last?.labels },
      isKept: (name) => this.#kept.has(name),
    });
    const isSame = last !== undefined && this.#fits(last, group);
    const slab = isSame ? last : this.#newSlab(group);
    await this.#insert(slab, isSame, group, this.#filter(times, keepFrom));
    const rows = arrowBatches.reduce((sum, arrowBatch) => sum + arrowBatch.rows, 0);
    slab.rows += rows;
    slab.times = union(slab.times, times);
    this.#since += rows;
    if (!isSame) this.#slabs.push(slab);
  }

  /** What needs no condition is appended: that is quicker than a statement that reads the rows. */
  async #insert(slab: Slab, exists: boolean, group: RowGroup, filter: string): Promise<void> {
    const facts = { dataset: this.#facts.dataset.id };
    const read = `SELECT ${this.#stored(slab)} FROM ${ArrowTableFunction.functionName}()`;
    const into = exists ? `INSERT INTO ${slab.table}` : `CREATE TABLE ${slab.table} AS`;
    if (filter) return this.#engine.insert(`${into} ${read} ${filter}`, group, facts);
    if (!exists) await this.#engine.insert(`${into} ${read} LIMIT 0`, group, facts);
    await this.#engine.append(slab.name, group, facts);
  }

  /** A relation of all rows, or of all that may lie in a window. */
  relation(window: TimeWindow | null = null): string {
    const { columns, own } = this.#facts;
    const slabs = this.#slabs.filter(({ times }) => !window || !times || overlaps(times, window));
    if (slabs.length === 0) {
      const kept = columns.map((each) => `NULL::${duckdbType(each)} AS ${quoted(each.name)}`);
      const more = own.map(({ name, type }) => `NULL::${type} AS ${quoted(name)}`);
      return `(SELECT ${[...kept, ...more].join(', ')} WHERE false)`;
    }
    const parts = slabs.map((slab) => {
      const kept = columns.map(({ name }) =>
        slab.labels.has(name) ? `${quoted(name)}::VARCHAR AS ${quoted(name)}` : quoted(name),
      );
      const more = own.map(({ name }) => quoted(name));
      return `SELECT ${[...kept, ...more].join(', ')} FROM ${slab.table}`;
    });
    return `(${parts.join(' UNION ALL ')})`;
  }

  async delete(condition: string): Promise<void> {
    for (const { table } of this.#slabs) {
      await this.#engine.run(`DELETE FROM ${table} WHERE ${condition}`);
    }
  }

  /**
   * Forgets rows with an event time below `ms`: slabs that hold nothing else, and others' rows by a
   * copy of the rest, once so many may have expired that copying pays: each row is copied a bounded
   * number of times.
   */
  async dropBefore(ms: number): Promise<void> {
    const { time } = this.#facts;
    if (!time) return;
    const expired = this.#slabs.filter(({ times }) => times && times.max < ms);
    await this.#drop(expired);
    const mixed = this.#slabs.filter(({ times }) => times && times.min < ms);
    const mayHaveExpired = sumOf(mixed);
    if (mayHaveExpired <= Math.max(this.#limits.rows, this.rows - mayHaveExpired)) return;
    for (const slab of mixed)
      await this.#dropFrom(slab, `${quoted(time.name)} >= ${timeLiteral(time, ms)}`, ms);
  }

  async clear(): Promise<void> {
    await this.#drop(this.#slabs);
    this.#beginAnew();
  }

  /** Deleted rows would keep their memory. */
  async #dropFrom(slab: Slab, condition: string, ms: number): Promise<void> {
    const counted = `SELECT count(*) FROM ${slab.table} WHERE ${condition}`;
    const [row] = (await this.#engine.read(counted)).getRows();
    const live = Number(row?.[0]);
    if (live > slab.rows / 2) return;
    const next = { ...slab, ...this.#nextName(), rows: live };
    if (slab.times) next.times = { ...slab.times, min: ms };
    await this.#engine.run(
      `CREATE TABLE ${next.table} AS SELECT * FROM ${slab.table} WHERE ${condition}`,
    );
    this.#slabs.splice(this.#slabs.indexOf(slab), 1, next);
    await this.#engine.run(`DROP TABLE ${slab.table}`);
  }

  async #drop(slabs: readonly Slab[]): Promise<void> {
    this.#slabs = this.#slabs.filter((each) => !slabs.includes(each));
    for (const { table } of slabs) await this.#engine.run(`DROP TABLE ${table}`);
  }

  #beginAnew(): void {
    this.#since = 0;
    this.#relabelled = 0;
    this.#texts = new Set();
  }

  /** Whether the group's labels are the slab's own: it was interned with these first. */
  #fits({ labels }: Slab, group: LabelledRows): boolean {
    return [...labels].every(([name, own]) => group.labels.get(name)?.length === own.length);
  }

  #newSlab(group: LabelledRows): Slab {
    const last = this.#since > 0 ? this.#slabs.at(-1) : undefined;
    if (last) this.#relabelled += 1;
    const labels = new Map<string, readonly string[]>();
    for (const { name, type } of this.#facts.columns) {
      if (type !== 'utf8' || this.#texts.has(name)) continue;
      const found = group.labels.get(name);
      const hasGrown = found?.length !== last?.labels.get(name)?.length;
      const isTooMuch = this.#relabelled > this.#limits.relabels && hasGrown;
      if (found && found.length <= this.#limits.labels && !isTooMuch) labels.set(name, found);
      else this.#texts.add(name);
    }
    return { ...this.#nextName(), labels, rows: 0, times: null };
  }

  #nextName(): Pick<Slab, 'name' | 'table'> {
    this.#made += 1;
    const name = `dataset ${this.#facts.dataset.id} ${this.#made}`;
    return { name, table: quoted(name) };
  }

  /** What the table function gives, as the slab holds it. */
  #stored({ labels }: Slab): string {
    const { columns, own } = this.#facts;
    const kept = columns.map(({ name, type }) => {
      const isText = type === 'utf8' && !labels.has(name);
      return isText ? `${quoted(name)}::VARCHAR AS ${quoted(name)}` : quoted(name);
    });
    return [...kept, ...own.map(({ name }) => quoted(name))].join(', ');
  }

  #timesOf(batches: readonly StoredBatch[]): TimeRange | null {
    const { time } = this.#facts;
    if (!time) return null;
    return batches
      .filter(({ arrowBatch }) => arrowBatch.rows > 0)
      .map(({ arrowBatch, eventTime }) => eventTime ?? eventTimeRange(arrowBatch, time))
      .reduce<TimeRange | null>(union, null);
  }

  #filter(times: TimeRange | null, keepFrom: number): string {
    const { time } = this.#facts;
    if (!time || !times || times.min >= keepFrom) return '';
    return `WHERE ${quoted(time.name)} >= ${timeLiteral(time, keepFrom)}`;
  }
}

export interface RowTableFacts {
  readonly dataset: Dataset;
  /** Of the contract, those that are kept. */
  readonly columns: readonly ColumnContract[];
  /** Those beside them, with the engine's names of their types. */
  readonly own: readonly { readonly name: string; readonly type: string }[];
  readonly time: EventTimeColumn | undefined;
  /** A test has smaller ones. */
  readonly limits?: SlabLimits;
}

interface SlabLimits {
  /** What has expired takes the memory of no more rows than so many, or than what has not. */
  readonly rows: number;
  /** Texts that are more than so many repeat too little. */
  readonly labels: number;
  /** Slabs that are begun for new labels, before a column's texts are held as they are. */
  readonly relabels: number;
}

/** DuckDB's row groups hold 122,880 rows. */
const SLAB_LIMITS: SlabLimits = { rows: 2 * 122_880, labels: 4_096, relabels: 8 };

interface Slab {
  readonly name: string;
  /** The name as SQL. */
  readonly table: string;
  /** Of text columns that it holds as numbers of labels; the others it holds as text. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  rows: number;
  /** No row has an event time outside; null without event time. */
  times: TimeRange | null;
}

function sumOf(slabs: readonly Slab[]): number {
  return slabs.reduce((sum, { rows }) => sum + rows, 0);
}

function overlaps({ min, max }: TimeRange, { start, end }: TimeWindow): boolean {
  return min < end && max >= start;
}
