import assert from 'node:assert/strict';
import { domainText } from '@strongroom/analysis/rules';
import { cellsToShow } from '@strongroom/privacy/cell-suppression';
import type { Query } from '@strongroom/protocol/contract';
import { AGGREGATE_ROWS_MAX } from '@strongroom/protocol/limits';
import type { WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import type { Aggregate } from './engine/aggregate.ts';
import { groupKey, type Pane, type ToldApart } from './engine/atoms.ts';
import { type ArrowColumn, encodeColumn, encodeResult } from './engine/result-types.ts';
import { type NoisyStatistics, privateColumns } from './private-result.ts';

/**
 * What may leave the vault. Only `disclose` makes one, and only a Disclosable is ever sealed: this
 * file alone decides what a reader gets to see.
 */
export class Disclosable {
  readonly query: Query;
  readonly rows: number;
  /** Groups that had too few rows. */
  readonly suppressedGroups: number;
  /** Why it holds nothing. */
  readonly withheld: WithheldReason | undefined;
  readonly #columns: readonly ArrowColumn[];

  private constructor(
    query: Query,
    columns: readonly ArrowColumn[],
    rows: number,
    suppressed: number,
    withheld?: WithheldReason,
  ) {
    this.query = query;
    this.rows = rows;
    this.suppressedGroups = suppressed;
    this.withheld = withheld;
    this.#columns = columns;
  }

  /**
   * Drops every group that has fewer rows than the contract's minimum, that an owner's rules keep
   * back, or that would tell of such a group beside other results; what was counted stays here.
   * Nothing is told when more rows remain than a result may have.
   */
  static disclose(aggregate: Aggregate): Disclosable {
    const { query, columns, groupRowsIndex, controls } = aggregate;
    const minimum = BigInt(query.disclosure.minimumGroupRows);
    const counts = columns[groupRowsIndex]?.values ?? [];
    if (aggregate.toldApart === null) return Disclosable.withhold(query, 'too-large');
    const isSafe = besideOthers(aggregate);
    const kept: number[] = [];
    for (const [row, count] of counts.entries()) {
      // What is no count is no large group.
      const isLarge = typeof count === 'bigint' && count >= minimum;
      if (isLarge && keepsToRules(aggregate, row) && isSafe(row, count)) kept.push(row);
    }
    if (kept.length > controls.maximumGroups) kept.length = 0;
    if (kept.length > AGGREGATE_ROWS_MAX) return Disclosable.withhold(query, 'too-large');
    const shown = columns.slice(0, controls.firstIndex ?? columns.length);
    const disclosed = shown.map((column) => column.take(kept));
    return new Disclosable(query, disclosed, kept.length, counts.length - kept.length);
  }

  /**
   * Numbers that bear noise, which hides every contributor whatever its group is. How many groups
   * stayed hidden would be an exact number: it is not told.
   */
  static discloseNoisy(noisy: NoisyStatistics): Disclosable {
    const { columns, rows } = privateColumns(noisy);
    return new Disclosable(noisy.plan.query, columns.map(encodeColumn), rows, 0);
  }

  /** A result that cannot be made leaves all the same: that none came would tell of its rows. */
  static withhold(query: Query, reason: WithheldReason): Disclosable {
    return new Disclosable(query, [], 0, 0, reason);
  }

  /** One Arrow IPC stream; nothing for a result that is withheld. */
  encode(): Uint8Array {
    return this.withheld ? new Uint8Array(0) : encodeResult(this.#columns, this.rows);
  }

  toJSON(): never {
    assert.fail('a result leaves sealed or not at all');
  }
}

/**
 * Contributors of each table, together and of each owner: none at all, or enough of them; and some
 * of one table. The same of each part of the group that a sum is about. A dimension with a domain
 * has a value of it.
 */
function keepsToRules({ columns, controls }: Aggregate, row: number): boolean {
  const { counts, parts, domains } = controls;
  const isEnough = [...counts, ...parts].every(({ index, minimum }) => {
    const count = columns[index]?.values[row];
    return typeof count === 'bigint' && (count === 0n || count >= BigInt(minimum));
  });
  const found = counts.map(({ index }) => columns[index]?.values[row]);
  const isAboutAny = counts.length === 0 || found.some((count) => count !== 0n);
  const isKnown = domains.every(({ index, values }) =>
    values.has(domainText(columns[index]?.values[row] ?? null)),
  );
  return isEnough && isAboutAny && isKnown;
}

/**
 * Whether a group may be shown beside all other exact results of the contract: in every pane of
 * time in which it has rows its cell tells, with the others' cells, of no set of too few. Whatever
 * is a difference of whole windows is then made of such panes.
 */
function besideOthers({ columns, controls, toldApart }: Aggregate) {
  if (!toldApart) return () => true;
  const rows = rowsShown(toldApart);
  return (row: number, count: bigint) => {
    const values = controls.groups.map((index) => columns[index]?.values[row] ?? null);
    return rows.get(groupKey(values)) === count;
  };
}

/**
 * Groups that are shown in all of their panes, and their rows: both ways have to count the same.
 */
function rowsShown({ query, minima, panes }: ToldApart): ReadonlyMap<string, bigint> {
  const rows = new Map<string, bigint>();
  const withheld = new Set<string>();
  for (const pane of panes) {
    const shown = cellsShown(pane, minima);
    for (const [key, group] of pane.groups[query] ?? []) {
      if (!shown.has(group.cell)) withheld.add(key);
      rows.set(key, (rows.get(key) ?? 0n) + group.rows);
    }
  }
  for (const key of withheld) rows.delete(key);
  return rows;
}

/** Decided once for all queries of a set that show the pane. */
function cellsShown(pane: Pane, minima: readonly number[]): ReadonlySet<number> {
  const known = decided.get(pane);
  if (known) return known;
  const { atoms } = pane;
  const all = new Set(atoms.flatMap(({ cells }) => cells.filter((cell) => cell !== null)));
  const shown = cellsToShow(atoms, minima, all);
  decided.set(pane, shown);
  return shown;
}

const decided = new WeakMap<Pane, ReadonlySet<number>>();

export const disclose = Disclosable.disclose;
export const withhold = Disclosable.withhold;
export const discloseNoisy = Disclosable.discloseNoisy;
