import type { Query } from '@strongroom/protocol/contract';
import type { VerifiedResult } from './open-aggregate.ts';
import { type Cell, isNumber, type ResultColumn } from './result-columns.ts';

/**
 * A result as it is drawn: which columns name a group, which are measured, and how sure they are.
 */

/** A number column, and the bounds between which noise leaves the true value. */
export interface Measure {
  readonly name: string;
  readonly column: ResultColumn;
  readonly low?: ResultColumn;
  readonly high?: ResultColumn;
}

type Rows = Pick<VerifiedResult, 'columns' | 'content'>;

/** Bounds belong to a measure only where the contract says that the query has noise. */
export function measuresOf({ columns }: Rows, query: Pick<Query, 'privacy'>): Measure[] {
  const named = (name: string) => columns.find((column) => column.name === name);
  const bounds = new Set<string>();
  const measures = columns
    .filter(({ kind }) => isNumber(kind))
    .map((column): Measure => {
      const { name } = column;
      const [low, high] = query.privacy ? [named(`${name}_low`), named(`${name}_high`)] : [];
      if (!low || !high) return { name, column };
      bounds.add(low.name).add(high.name);
      return { name, column, low, high };
    });
  return measures.filter(({ name }) => !bounds.has(name));
}

/** The columns that are shown on their own: bounds stand beside their measure. */
export function shownColumns(result: Rows, query: Pick<Query, 'privacy'>): ResultColumn[] {
  const bounds = measuresOf(result, query).flatMap(({ low, high }) => [low?.name, high?.name]);
  return result.columns.filter(({ name }) => !bounds.includes(name));
}

/** What a row is about: its cells that are no numbers; the row's place where there is none. */
export function groupOf({ columns }: Rows, row: number): string {
  const names = columns.filter(({ kind }) => !isNumber(kind));
  if (names.length === 0) return 'all rows';
  return names.map(({ cells }) => cellText(cells[row] ?? null)).join(' · ');
}

export function cellText(cell: Cell): string {
  return cell === null ? '—' : String(cell);
}

/** For drawing only: a double is exact enough for a pixel. */
export function numberOf(cell: Cell | undefined): number | null {
  if (cell === null || cell === undefined || cell === '') return null;
  const value = Number(cell);
  return Number.isFinite(value) ? value : null;
}

export interface Point {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface Series {
  readonly group: string;
  /** One per window, in their order; undefined where the window does not have the group. */
  readonly points: readonly (Point | undefined)[];
}

/** One measure of every group over windows, groups with the largest newest values first. */
export function seriesOf(
  results: readonly VerifiedResult[],
  query: Pick<Query, 'privacy'>,
  measureName: string,
): Series[] {
  const groups = new Map<string, (Point | undefined)[]>();
  for (const [place, result] of results.entries()) {
    const measure = measuresOf(result, query).find(({ name }) => name === measureName);
    if (!measure) continue;
    for (let row = 0; row < result.content.rows; row += 1) {
      const group = groupOf(result, row);
      const points = groups.get(group) ?? Array<Point | undefined>(results.length).fill(undefined);
      points[place] = pointOf(measure, row);
      groups.set(group, points);
    }
  }
  const size = (points: readonly (Point | undefined)[]) =>
    points.findLast((point) => point !== undefined)?.value ?? Number.NEGATIVE_INFINITY;
  return [...groups]
    .map(([group, points]) => ({ group, points }))
    .sort((one, other) => size(other.points) - size(one.points));
}

export function pointOf({ column, low, high }: Measure, row: number): Point {
  return {
    value: numberOf(column.cells[row]),
    low: numberOf(low?.cells[row]),
    high: numberOf(high?.cells[row]),
  };
}
