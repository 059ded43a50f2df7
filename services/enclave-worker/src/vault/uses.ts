import { hash } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract, Query } from '@strongroom/protocol/contract';
import type { ContractId, DatasetId, PartyId } from '@strongroom/protocol/fields';
import type { SlicePartial } from '@strongroom/protocol/partial';
import type { WrappingKey } from '@strongroom/protocol/public-key';
import type { ExactInput, WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import {
  ownersWithUses,
  USE_FORMAT,
  type UseFact,
  type UsePoint,
  type UseSeal,
  useGenesis,
} from '@strongroom/protocol/use-entry';
import { sealOnce } from '@strongroom/sealing/seal';
import type { DoorRecord, EntryOutcome, LateCount } from './door.ts';
import type { TimeWindow } from './engine/window.ts';
import { mergeLate } from './late-rows.ts';
import type { ResultProof } from './seal-aggregate.ts';

/** A result that left, as far as the owners of its inputs are told. */
export interface Emitted {
  readonly query: Query;
  readonly window: TimeWindow | null;
  readonly emission: number;
  readonly inputs: readonly ExactInput[];
  readonly groups: number;
  readonly suppressedGroups: number;
  readonly withheld?: WithheldReason;
}

interface Ledger {
  readonly readingKey: WrappingKey;
  point: UsePoint;
  facts: UseFact[];
}

/**
 * The owners' ledgers of uses, on the vault's side: facts come together until the next step of the
 * computation, and leave with it as one entry for each owner that they concern.
 */
export class Uses {
  readonly #contract: Contract;
  readonly #contractId: ContractId;
  readonly #ledgers: ReadonlyMap<PartyId, Ledger>;
  readonly #keys = new Map<PartyId, Set<string>>();
  readonly #news = new Map<
    DatasetId,
    { readonly byCode: Map<string, number>; late: LateCount[]; retracted: number }
  >();
  /** As it was before the last step. */
  #before: readonly { readonly ledger: Ledger; readonly was: Ledger }[] = [];

  constructor(contract: Contract, contractId: ContractId) {
    this.#contract = contract;
    this.#contractId = contractId;
    this.#ledgers = new Map(
      ownersWithUses(contract).map(({ id, readingKey }) => {
        const head = hash('sha256', useGenesis(contractId, id), 'hex');
        return [id, { readingKey, point: { owner: id, sequences: 0, head }, facts: [] }];
      }),
    );
  }

  /**
   * Where the last checkpoint left off.
   * @param before of the checkpoint before, when the step between the two has still to leave
   */
  restore(points: readonly UsePoint[] = [], before: readonly UsePoint[] = points): void {
    this.#goTo(before);
    this.#before = [...this.#ledgers.values()].map((ledger) => ({ ledger, was: { ...ledger } }));
    this.#goTo(points);
  }

  #goTo(points: readonly UsePoint[]): void {
    for (const point of points) {
      const ledger = this.#ledgers.get(point.owner);
      if (ledger) ledger.point = point;
    }
  }

  /** Of a slice: what owners are to be told, by the vault that keeps their ledgers. */
  take(): NonNullable<SlicePartial['facts']> {
    const ledgers = [...this.#ledgers.values()];
    const taken = ledgers.map(({ point: { owner }, facts }) => ({
      owner,
      facts: [...facts, ...this.#newsOf(owner)],
    }));
    this.#news.clear();
    for (const ledger of ledgers) ledger.facts = [];
    return taken.filter(({ facts }) => facts.length > 0);
  }

  /** What a slice has to tell the owners. */
  heard(told: SlicePartial['facts'] = []): void {
    for (const { owner, facts } of told) this.#ledgers.get(owner)?.facts.push(...facts);
  }

  /** What a checkpoint keeps; nothing where no owner has a ledger. */
  state(): { uses?: UsePoint[] } {
    if (this.#ledgers.size === 0) return {};
    return { uses: [...this.#ledgers.values()].map(({ point }) => point) };
  }

  released(owner: PartyId, keyId: string): void {
    this.#keys.set(owner, (this.#keys.get(owner) ?? new Set()).add(keyId));
  }

  started(): void {
    for (const [owner, { facts }] of this.#ledgers) {
      facts.push({ kind: 'start', keys: [...(this.#keys.get(owner) ?? [])].sort() });
    }
  }

  count(dataset: DatasetId, outcomes: readonly EntryOutcome[]): void {
    const news = this.#news.get(dataset) ?? {
      byCode: new Map<string, number>(),
      late: [],
      retracted: 0,
    };
    for (const { kind, code, late = [], retractedRows = 0, again } of outcomes) {
      if (again) continue;
      if (kind === 'refused' && code) news.byCode.set(code, (news.byCode.get(code) ?? 0) + 1);
      news.late = mergeLate([...news.late, ...late]);
      news.retracted += retractedRows;
    }
    this.#news.set(dataset, news);
  }

  emitted(results: readonly Emitted[]): void {
    for (const result of results) this.#emitted(result);
  }

  #emitted({ query, inputs, ...counts }: Emitted): void {
    for (const [owner, { facts }] of this.#ledgers) {
      const mine = inputs
        .filter(({ dataset }) => this.#datasetsOf(owner).includes(dataset))
        .map(({ dataset, stream, rows }) => ({ dataset, stream, rows }));
      if (mine.length === 0) continue;
      facts.push({
        kind: 'window',
        query: query.id,
        readers: query.readers,
        inputs: mine,
        ...counts,
      });
    }
  }

  stopped({ stoppedBy, at, streams }: Pick<StopNotice, 'stoppedBy' | 'at' | 'streams'>): void {
    for (const [owner, { facts }] of this.#ledgers) {
      const counted = streams
        .filter(({ dataset }) => this.#datasetsOf(owner).includes(dataset))
        .map(({ dataset, stream, rows }) => ({ dataset, stream, rows }));
      facts.push({ kind: 'stop', stoppedBy, at, counted });
    }
  }

  /**
   * The entries of one step, sealed each to its owner; none for an owner whom nothing concerns.
   * @param checkpoint number of the checkpoint that covers the step
   */
  async seal(proof: () => ResultProof, checkpoint: number): Promise<DoorRecord[]> {
    const ledgers = [...this.#ledgers.values()];
    for (const ledger of ledgers) ledger.facts.push(...this.#newsOf(ledger.point.owner));
    this.#news.clear();
    this.#before = ledgers.map((ledger) => ({ ledger, was: { ...ledger } }));
    const records: DoorRecord[] = [];
    for (const { ledger, was } of this.#before) {
      if (was.facts.length === 0) continue;
      const heads = this.#before
        .map(({ was: { point } }) => point)
        .filter(({ owner }) => owner !== was.point.owner);
      const { record, seal, jws } = await this.#sealOne(was, { heads, checkpoint }, proof());
      const point = { owner: seal.owner, sequences: seal.sequence + 1 };
      ledger.point = { ...point, head: hash('sha256', jws, 'hex') };
      ledger.facts = [];
      records.push(record);
    }
    return records;
  }

  /** The last step does not leave: its results are no uses, the rest is told with the next one. */
  withdraw(): void {
    for (const { ledger, was } of this.#before) {
      ledger.point = was.point;
      ledger.facts = [...was.facts.filter(({ kind }) => kind !== 'window'), ...ledger.facts];
    }
  }

  async #sealOne(
    { readingKey, point, facts }: Ledger,
    place: Pick<UseSeal, 'heads' | 'checkpoint'>,
    proof: ResultProof,
  ): Promise<{ record: DoorRecord; seal: UseSeal; jws: string }> {
    const { owner, sequences, head } = point;
    return await sealOnce(USE_FORMAT, {
      plaintext: canonicalBytes({ v: 1, facts }),
      at: { contract: this.#contractId, owner, epoch: proof.epoch, sequence: sequences },
      members: { previous: head, ...place, token: proof.token },
      to: { kid: owner, wrappingKey: readingKey },
      signer: proof.signer,
    });
  }

  #newsOf(owner: PartyId): UseFact[] {
    return this.#datasetsOf(owner).flatMap((dataset): UseFact[] => {
      const { byCode, late = [], retracted = 0 } = this.#news.get(dataset) ?? {};
      const refusals = Object.fromEntries(byCode ?? []);
      return [
        ...(byCode?.size ? [{ kind: 'refusals' as const, dataset, byCode: refusals }] : []),
        ...late.map((count) => ({ kind: 'late' as const, dataset, ...count })),
        ...(retracted > 0 ? [{ kind: 'retracted' as const, dataset, rows: retracted }] : []),
      ];
    });
  }

  #datasetsOf(owner: PartyId): DatasetId[] {
    return this.#contract.datasets.filter((each) => each.owner === owner).map(({ id }) => id);
  }
}
