import { type DuckDBDataChunk, DuckDBListValue, type DuckDBValue } from '@duckdb/node-api';
import { domainText } from '@strongroom/analysis/rules';
import type { RowCounter, SharedRows } from '@strongroom/analysis/shared-rows';
import type { Atom, Count } from '@strongroom/privacy/cell-suppression';
import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { CELL_ATOMS_MAX } from '@strongroom/protocol/limits';
import { eventTimeColumnOf, millisecondsOf } from './event-time.ts';
import { windowRuleOf } from './window.ts';

/**
 * The rows of a window as the exact queries of a set tell them apart, cut into panes: no window of
 * any of them begins or ends within one. A row counts in a pane or not, and never changes to
 * another, so that what may be shown of a pane is the same whenever a window that holds it closes.
 */
export interface ToldApart {
  /** Which of the queries the result is of. */
  readonly query: number;
  readonly minima: readonly number[];
  readonly panes: readonly Pane[];
}

export interface Pane {
  readonly atoms: readonly Atom[];
  /** Of each query's groups, by `groupKey`: their cell, and how many rows it has. */
  readonly groups: readonly Groups[];
}

type Groups = ReadonlyMap<string, { readonly cell: number; readonly rows: bigint }>;

/**
 * What was found of windows, for all queries of a set that show the same ones one after the other.
 * Nothing may be stored or removed as long as it is used.
 */
export class SharedAtoms {
  readonly #found = new Map<string, readonly Pane[] | null>();
  #atoms = 0;

  /**
   * @param rows what says which rows they are of, and how these are told apart
   * @param find null where there is too much to compare
   */
  async panesOf(
    rows: readonly unknown[],
    find: () => Promise<readonly Pane[] | null>,
  ): Promise<readonly Pane[] | null> {
    const which = JSON.stringify(rows);
    const known = this.#found.get(which);
    if (known !== undefined) return known;
    const panes = await find();
    this.#atoms += panes?.reduce((sum, { atoms }) => sum + atoms.length, 0) ?? 0;
    // As many as one window may have: beyond that, each is found when it is asked for.
    if (this.#atoms <= CELL_ATOMS_MAX) this.#found.set(which, panes);
    return panes;
  }
}

/** How a group is called where results are compared. */
export function groupKey(values: readonly DuckDBValue[]): string {
  return JSON.stringify(values.map(domainText));
}

export function atomsSql(shared: SharedRows, contract: Contract): string {
  const signature = shared.groups.flatMap((count, at) => [
    `coalesce("in ${at}", false)`,
    ...Array.from({ length: count }, (_none, index) => {
      return `CASE WHEN "in ${at}" THEN "group ${at}.${index}" END`;
    }),
  ]);
  const keys = [...paneKeys(shared, contract), ...signature];
  const items = [...keys, 'count(*)', ...shared.counters.flatMap(countItems)];
  const isAny = shared.groups.map((_count, at) => `"in ${at}"`).join(' OR ');
  const positions = keys.map((_key, index) => index + 1).join(', ');
  return `SELECT ${items.map((item, index) => `${item} AS "atom ${index}"`).join(', ')}
    FROM (${shared.sql}) WHERE ${isAny} GROUP BY ${positions} ORDER BY ${positions}`;
}

/** Start of the last window of each kind that has begun, and of the last that has ended. */
function paneKeys({ queries, times }: SharedRows, contract: Contract): string[] {
  const rules = queries.flatMap((query) => windowRuleOf(query) ?? []);
  const cuts = new Map(
    rules.flatMap(({ advanceMs, sizeMs }) => [
      [`${advanceMs} 0`, { advanceMs, from: 0 }] as const,
      [`${advanceMs} ${sizeMs % advanceMs}`, { advanceMs, from: sizeMs % advanceMs }] as const,
    ]),
  );
  if (queries.some(({ window }) => window.kind === 'session')) return [];
  return times.flatMap(({ relation }, at) => {
    const time = datasetsOf(contract, relation).map(eventTimeColumnOf)[0];
    if (!time) return [];
    const ms = millisecondsOf({ ...time, name: `time ${at}` });
    return [...cuts.values()].map(({ advanceMs, from }) => {
      const since = `(${ms} - ${from})`;
      return `${since} - ((${since} % ${advanceMs} + ${advanceMs}) % ${advanceMs})`;
    });
  });
}

/** How many, and who where they are few. */
function countItems({ contributor, owner, minimum }: RowCounter): string[] {
  const bit = `(("owners ${contributor}" >> ${owner}::UBIGINT) & 1::UBIGINT) <> 0`;
  const of = owner === null ? '' : ` FILTER (WHERE ${bit})`;
  const value = `DISTINCT "contributor ${contributor}"`;
  const few = `list(${value}::VARCHAR)${of}`;
  return [`count(${value})${of}`, `CASE WHEN count(${value})${of} < ${minimum} THEN ${few} END`];
}

export function readAtoms(
  chunks: readonly DuckDBDataChunk[],
  shared: SharedRows,
  contract: Contract,
): Pane[] {
  const paneWidth = paneKeys(shared, contract).length;
  const panes = new Map<string, OpenPane>();
  for (const row of chunks.flatMap((chunk) => chunk.getRows())) {
    const key = groupKey(row.slice(0, paneWidth));
    const groups = shared.queries.map(() => new Map());
    const pane = panes.get(key) ?? { atoms: [], cells: new Map(), groups };
    panes.set(key, pane);
    addAtom(pane, row.slice(paneWidth), shared);
  }
  return [...panes.values()];
}

/** As the results of one of the queries tell them apart. */
export function toldApartBy({ id }: Query, shared: SharedRows, panes: readonly Pane[]): ToldApart {
  const query = shared.queries.findIndex((each) => each.id === id);
  const minima = [...shared.counters.map(({ minimum }) => minimum), shared.minimumRows];
  return { query, minima, panes };
}

interface OpenPane {
  readonly atoms: Atom[];
  readonly cells: Map<string, number>;
  readonly groups: readonly Map<string, { readonly cell: number; readonly rows: bigint }>[];
}

function addAtom(
  { atoms, cells, groups }: OpenPane,
  row: readonly DuckDBValue[],
  { groups: widths, counters }: SharedRows,
): void {
  let next = 0;
  const keys = widths.map((width) => {
    const [isIn, ...values] = row.slice(next, next + width + 1);
    next += width + 1;
    return isIn === true ? groupKey(values) : null;
  });
  const [rows = 0, ...counted] = row.slice(next);
  const counts = counters.map((_counter, at): Count => {
    const [count, list] = counted.slice(2 * at);
    return list instanceof DuckDBListValue
      ? { count: Number(count), members: list.items.map(String) }
      : { count: Number(count) };
  });
  const own = keys.map((key, at) => {
    if (key === null) return null;
    const cell = cells.get(`${at} ${key}`) ?? cells.size;
    cells.set(`${at} ${key}`, cell);
    return cell;
  });
  atoms.push({ cells: own, counts: [...counts, { count: Number(rows) }] });
  for (const [at, key] of keys.entries()) {
    const cell = own[at] ?? null;
    if (cell === null || key === null) continue;
    const known = groups[at]?.get(key)?.rows ?? 0n;
    groups[at]?.set(key, { cell, rows: known + BigInt(Number(rows)) });
  }
}
