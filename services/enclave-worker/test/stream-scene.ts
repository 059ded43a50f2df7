import { beginsResult, RECORD_TYPES } from '@strongroom/protocol/record';
import { tableFromIPC } from 'apache-arrow';
import type { Closing, DoorRecord, EntryOutcome } from '../src/vault/door.ts';
import type { Vault } from '../src/vault/vault.ts';
import type { Computation } from './owners.ts';
import { ProvenVaults, type Told, type VaultChoice } from './proven-vaults.ts';

/** Partitions of datasets' topics, a vault that reads them, and what it lets leave. */
export class StreamScene {
  readonly computation: Computation;
  /** By `dataset/partition`. */
  readonly log = new Map<string, Omit<DoorRecord, never>[]>();
  /** What was committed, in order. */
  readonly committed: DoorRecord[] = [];
  readonly outcomes: EntryOutcome[] = [];
  closing: Closing | undefined;
  #vault: Vault | undefined;
  readonly #read = new Map<string, number>();
  readonly #vaults: ProvenVaults;
  #rereads = 0;

  constructor(computation: Computation, options: VaultChoice = {}) {
    this.computation = computation;
    this.#vaults = new ProvenVaults(computation, options);
  }

  get vault(): Vault {
    if (!this.#vault) throw new Error('not started');
    return this.#vault;
  }

  /** A new vault, from the newest committed checkpoint or the one with this number of them. */
  async start(checkpoint = Number.POSITIVE_INFINITY): Promise<this> {
    this.#vault?.close();
    const vault = await this.#vaults.open();
    this.#vault = vault;
    this.#rereads = 0;
    const all = this.committed.filter(({ key }) => key === RECORD_TYPES.checkpoint);
    const known = all.slice(0, checkpoint).map(({ value }) => new TextDecoder().decode(value));
    const { from } = await vault.restore(known);
    for (const { dataset, partition, offset } of from) {
      this.#read.set(`${dataset}/${partition}`, offset);
    }
    this.committed.push(...(await vault.announce()).records);
    return this;
  }

  append(dataset: string, partition: number, ...records: DoorRecord[]): void {
    const at = `${dataset}/${partition}`;
    this.log.set(at, [...(this.log.get(at) ?? []), ...records]);
  }

  /** Reads up to `most` more records of each partition, and closes what is complete. */
  async run(most = Number.POSITIVE_INFINITY): Promise<EntryOutcome[]> {
    const outcomes: EntryOutcome[] = [];
    for (const at of this.log.keys()) {
      outcomes.push(...(await this.#readOn(at, (this.#read.get(at) ?? 0) + most)));
    }
    await this.close();
    await this.#readAgain();
    this.outcomes.push(...outcomes);
    return outcomes;
  }

  /** What the worker does when rows that were folded have to come again. */
  async #readAgain(): Promise<void> {
    const until = new Map(this.#read);
    for (;;) {
      const rereads = (this.closing?.streams ?? []).reduce((sum, each) => sum + each.rereads, 0);
      if (rereads === this.#rereads) return;
      this.#rereads = rereads;
      this.seek();
      for (const [at, offset] of until) await this.#readOn(at, offset);
      await this.close();
    }
  }

  async #readOn(at: string, until: number): Promise<EntryOutcome[]> {
    const [dataset = '', partition] = at.split('/');
    const from = this.#read.get(at) ?? 0;
    const entries = (this.log.get(at) ?? [])
      .slice(from, until)
      .map((each, index) => ({ ...each, offset: from + index, partition: Number(partition) }));
    this.#read.set(at, from + entries.length);
    return entries.length > 0 ? await this.vault.accept(dataset, entries) : [];
  }

  /** What the worker does when the vault asks for it: reads a part of a partition again. */
  seek(): void {
    for (const { dataset, partition, rereadFrom } of this.closing?.streams ?? []) {
      const at = `${dataset}/${partition}`;
      const offset = Math.min(this.#read.get(at) ?? 0, rereadFrom ?? Number.POSITIVE_INFINITY);
      this.#read.set(at, offset);
    }
  }

  async close(): Promise<void> {
    for (let more = true; more; ) {
      const { closing, departure } = await this.vault.closeWindows();
      this.committed.push(...departure.records);
      this.closing = closing;
      more = closing.more;
    }
  }

  async checkpoint(): Promise<void> {
    this.committed.push(...(await this.vault.checkpoint()).records);
  }

  /** Of a slice: what it has told to the vault that merges, in the log's order. */
  get told(): DoorRecord[] {
    return this.committed.filter(({ headers }) => headers['ce_type'] === RECORD_TYPES.partial);
  }

  /** The results of a query in the log's order: the seal, and rows as arrays. */
  async results(query: string): Promise<{ seal: Told; rows: unknown[][] }[]> {
    const found = [];
    for (const records of resultsIn(this.committed)) {
      if (records[0].key !== `${query}.analyst`) continue;
      const { seal, plaintext } = await this.#vaults.openResult(...records);
      found.push({ seal, rows: rowsOf(plaintext) });
    }
    return found;
  }
}

/** The parts of each result, which lie behind each other. */
function resultsIn(records: readonly DoorRecord[]): [DoorRecord, ...DoorRecord[]][] {
  const found: [DoorRecord, ...DoorRecord[]][] = [];
  for (const record of records) {
    if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
    if (beginsResult(record)) found.push([record]);
    else found.at(-1)?.push(record);
  }
  return found;
}

function rowsOf(plaintext: Uint8Array): unknown[][] {
  // A result that is withheld holds none.
  if (plaintext.length === 0) return [];
  const table = tableFromIPC(plaintext);
  return Array.from({ length: table.numRows }, (_none, row) =>
    table.schema.fields.map((_field, column) => {
      const value: unknown = table.getChildAt(column)?.get(row);
      return typeof value === 'bigint' ? Number(value) : value;
    }),
  );
}
