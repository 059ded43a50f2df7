import { AUDIT_HEAD_JWS_TYPE } from '@strongroom/protocol/audit';
import { canonicalBytes, parseCanonical } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { DebitSchema } from '@strongroom/protocol/ledger';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { inclusionProof, leafHash, merkleRoot, nodesCompletedBy } from '@strongroom/sealing/merkle';
import type { SeededRandom } from '@strongroom/testkit/seeded-random';
import type { ReceiptOf } from '../../services/enclave-worker/src/vault/debits.ts';
import type { DoorRecord, SealedStep } from '../../services/enclave-worker/src/vault/door.ts';
import type { Departure } from '../../services/enclave-worker/src/vault/leases.ts';
import type { Vault } from '../../services/enclave-worker/src/vault/vault.ts';
import type { Computation } from '../../services/enclave-worker/test/owners.ts';
import { ProvenVaults } from '../../services/enclave-worker/test/proven-vaults.ts';
import { openLedger } from '../../services/key-release/src/ledger/ledger.ts';

/**
 * The worker's steps around a real vault and the owners' real ledgers, over a log and audit logs in
 * memory, with crashes between any two of its acts.
 */

/** One owner's ledger, whose audit log outlives every worker. */
export class OwnLedger {
  readonly owner: string;
  readonly #computation: Computation;
  readonly #entries: string[] = [];
  readonly #nodes = new Map<string, Uint8Array>();
  readonly ledger;

  constructor(computation: Computation, owner: string) {
    this.#computation = computation;
    this.owner = owner;
    const append = (event: object) => this.#append(event);
    const lineageOf = (id: ContractId) => id;
    this.ledger = openLedger({ append } as never, [], { lineageOf });
  }

  /** As the route does: what was verified there is taken for verified here. */
  async debit(jws: string): Promise<ReceiptOf> {
    const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url');
    const index = this.ledger.debit(DebitSchema.parse(parseCanonical(payload)), undefined);
    return { owner: this.owner, receipt: await this.receipt(index) };
  }

  async receipt(index: number) {
    const size = this.#entries.length;
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    const head = { owner: this.owner, size, root: hex(merkleRoot(size, this.#nodeAt)) };
    return {
      v: 1,
      index,
      entry: this.#entries[index],
      proof: inclusionProof(index, size, this.#nodeAt).map(hex),
      head: await this.#computation.state(head as never, AUDIT_HEAD_JWS_TYPE),
    };
  }

  get debits(): number {
    return this.#entries.filter((text) => text.includes('budget-debited')).length;
  }

  #append(event: object): number {
    const sequence = this.#entries.length;
    const bytes = canonicalBytes({ ...event, sequence, at: 1_700_000_000_000 });
    this.#entries.push(new TextDecoder().decode(bytes));
    const leaf = leafHash(bytes);
    for (const node of nodesCompletedBy(sequence, leaf, this.#nodeAt)) {
      this.#nodes.set(`${node.level} ${node.index}`, node.hash);
    }
    return sequence;
  }

  readonly #nodeAt = (level: number, index: number): Uint8Array => {
    const node = this.#nodes.get(`${level} ${index}`);
    if (!node) throw new Error('no such node');
    return node;
  };
}

class Crash extends Error {}

/** What a worker does with a step, in this order. */
export const ACTS = ['prepare', 'debit', 'depart', 'commit', 'go on'] as const;
type Act = (typeof ACTS)[number];

export class PrivateWorld {
  readonly #vaults: ProvenVaults;
  readonly #topics: ReadonlyMap<string, readonly DoorRecord[]>;
  readonly #ledgers: readonly OwnLedger[];
  readonly #random: SeededRandom;
  readonly #crashChance: number;
  readonly committed: DoorRecord[] = [];
  /** All that the vault let go, also where the worker died before it was committed. */
  readonly seen: DoorRecord[] = [];
  readonly #prepared: SealedStep[] = [];
  /** By what came next. */
  readonly crashes = new Map<Act, number>();

  constructor(
    computation: Computation,
    topics: ReadonlyMap<string, readonly DoorRecord[]>,
    ledgers: readonly OwnLedger[],
    random: SeededRandom,
    crashChance: number,
  ) {
    this.#vaults = new ProvenVaults(computation);
    this.#topics = topics;
    this.#ledgers = ledgers;
    this.#random = random;
    this.#crashChance = crashChance;
  }

  /** Lives until everything is told. @returns the code that halts it before, where one does */
  async run(): Promise<string | undefined> {
    for (;;) {
      const vault = await this.#vaults.open();
      try {
        await this.#live(vault);
        return undefined;
      } catch (error) {
        if (error instanceof Crash) continue;
        const code = codeOf(error);
        if (code === undefined) throw error;
        return code;
      } finally {
        vault.close();
      }
    }
  }

  openResult(record: DoorRecord) {
    return this.#vaults.openResult(record);
  }

  async #live(vault: Vault): Promise<void> {
    const checkpoints = this.committed
      .filter(({ key }) => key === RECORD_TYPES.checkpoint)
      .map(({ value }) => new TextDecoder().decode(value));
    const { from, departure } = await vault.restore(checkpoints, this.#prepared);
    await this.#leave(vault, departure);
    await this.#leave(vault, await vault.announce());
    const read = new Map(from.map(({ dataset, offset }) => [dataset, offset]));
    for (;;) {
      const open = [...this.#topics].filter(
        ([name, records]) => (read.get(name) ?? 0) < records.length,
      );
      if (open.length === 0) return;
      const [name, records] = this.#random.pick(open);
      const at = read.get(name) ?? 0;
      const group = records.slice(at, at + 1 + this.#random.below(4));
      await vault.accept(
        name,
        group.map((record, index) => ({ ...record, offset: at + index })),
      );
      read.set(name, at + group.length);
      for (let more = true; more; ) {
        const { closing, departure: step } = await vault.closeWindows();
        await this.#leave(vault, step);
        more = closing.more;
      }
    }
  }

  /** The acts of `commit` in the worker, in their order. */
  async #leave(vault: Vault, { prepared, records, debits = [] }: Departure): Promise<void> {
    this.#mayCrash('prepare');
    if (prepared) {
      this.#prepared.push({ value: prepared.value, seal: prepared.headers['seal'] ?? '' });
    }
    const receipts: ReceiptOf[] = [];
    for (const { owner, jws } of debits) {
      this.#mayCrash('debit');
      const ledger = this.#ledgers.find((each) => each.owner === owner);
      if (ledger) receipts.push(await ledger.debit(jws));
    }
    this.#mayCrash('depart');
    const all = debits.length > 0 ? await vault.leases.depart([], receipts) : records;
    this.seen.push(...all);
    this.#mayCrash('commit');
    this.committed.push(...all);
    this.#mayCrash('go on');
  }

  #mayCrash(before: Act): void {
    if (!this.#random.chance(this.#crashChance)) return;
    this.crashes.set(before, (this.crashes.get(before) ?? 0) + 1);
    throw new Crash();
  }
}
