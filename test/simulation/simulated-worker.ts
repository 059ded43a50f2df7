import { RECORD_TYPES } from '@strongroom/protocol/record';
import type { SeededRandom } from '@strongroom/testkit/seeded-random';
import { tableFromIPC } from 'apache-arrow';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import type { Vault } from '../../services/enclave-worker/src/vault/vault.ts';
import type { Computation } from '../../services/enclave-worker/test/owners.ts';
import {
  ProvenVaults,
  type Told as ToldSeal,
} from '../../services/enclave-worker/test/proven-vaults.ts';
import type { Topics } from './lying-topics.ts';

/**
 * The worker's loop around a real vault, in one process, with crashes where a seed wants them: the
 * vault and everything that was not committed are thrown away, and a new vault goes on from the
 * newest committed checkpoint.
 */

const CRASH_CHANCE = 0.04;
const CRASHES_MAX = 2;
const GROUP_MAX = 5;

export interface Told {
  readonly seal: ToldSeal;
  /** By group: row count and the sum of the weights. */
  readonly groups: ReadonlyMap<string, { readonly n: number; readonly weight: number }>;
}

export class SimulatedWorker {
  readonly #vaults: ProvenVaults;
  readonly #topics: Topics;
  readonly #random: SeededRandom;
  readonly #committed: DoorRecord[] = [];
  #read = new Map<string, number>();
  crashes = 0;
  /** Codes of the records that were refused. */
  readonly refused = new Set<string>();

  constructor(computation: Computation, topics: Topics, random: SeededRandom) {
    this.#vaults = new ProvenVaults(computation);
    this.#topics = topics;
    this.#random = random;
  }

  /** Reads all that the log shows; the code that the vault ends with, when it is not content. */
  async run(): Promise<void> {
    for (;;) {
      const vault = await this.#start();
      try {
        if (await this.#readOn(vault)) {
          vault.finish();
          return;
        }
      } finally {
        vault.close();
      }
    }
  }

  /** What the analyst can open and verify of the committed results, in the log's order. */
  async told(): Promise<Told[]> {
    const told: Told[] = [];
    for (const record of this.#committed) {
      if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
      const { seal, plaintext } = await this.#vaults.openResult(record);
      told.push({ seal, groups: groupsOf(plaintext) });
    }
    return told;
  }

  async #start(): Promise<Vault> {
    const vault = await this.#vaults.open();
    const newest = this.#committed.findLast(({ key }) => key === RECORD_TYPES.checkpoint);
    const { from } = await vault.restore(newest ? [new TextDecoder().decode(newest.value)] : []);
    this.#read = new Map(from.map(({ dataset, offset }) => [dataset, offset]));
    this.#committed.push(...(await vault.announce()).records);
    return vault;
  }

  /** @returns false after a crash */
  async #readOn(vault: Vault): Promise<boolean> {
    for (;;) {
      const open = [...this.#topics].filter(([name, records]) => this.#at(name) < records.length);
      if (open.length === 0) return true;
      const [name, records] = this.#random.pick(open);
      const at = this.#at(name);
      const group = records.slice(at, at + 1 + this.#random.below(GROUP_MAX));
      const entries = group.map((record, index) => ({ ...record, offset: at + index }));
      for (const { code } of await vault.accept(name, entries)) if (code) this.refused.add(code);
      this.#read.set(name, at + group.length);
      if (!(await this.#closeWindows(vault))) return false;
    }
  }

  async #closeWindows(vault: Vault): Promise<boolean> {
    for (let more = true; more; ) {
      if (this.#crashes()) return false;
      const { closing, departure } = await vault.closeWindows();
      const { records } = departure;
      // Between sealing and committing: these results are lost, and nobody has seen them.
      if (this.#crashes()) return false;
      this.#committed.push(...records);
      more = closing.more;
    }
    return true;
  }

  #at(dataset: string): number {
    return this.#read.get(dataset) ?? 0;
  }

  #crashes(): boolean {
    const crashes = this.crashes < CRASHES_MAX && this.#random.chance(CRASH_CHANCE);
    if (crashes) this.crashes += 1;
    return crashes;
  }
}

function groupsOf(plaintext: Uint8Array): Told['groups'] {
  const table = tableFromIPC(plaintext);
  const column = (name: string) => table.getChild(name);
  return new Map(
    Array.from({ length: table.numRows }, (_none, row) => [
      String(column('place')?.get(row)),
      { n: Number(column('n')?.get(row)), weight: Number(column('weight')?.get(row)) },
    ]),
  );
}
