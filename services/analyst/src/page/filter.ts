import type { Query } from '@strongroom/protocol/contract';
import { groupOf } from '../measures.ts';
import type { VerifiedResult } from '../open-aggregate.ts';
import type { Filter } from './state.ts';

/** The results whose windows begin within the days that are asked for. */
export function windowsWithin(
  results: readonly VerifiedResult[],
  { from, until }: Filter,
): VerifiedResult[] {
  const [first, last] = [dayOf(from), dayOf(until)];
  return results.filter(({ seal: { window } }) => {
    if (window === null) return true;
    if (first !== undefined && window.start < first) return false;
    return last === undefined || window.start < last + DAY_MS;
  });
}

const DAY_MS = 86_400_000;

function dayOf(text: string): number | undefined {
  const day = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(day) ? undefined : day;
}

/** Whether a group is asked for: by any part of its name, whatever the case. */
export function isWanted(group: string, { group: text }: Filter): boolean {
  return text === '' || group.toLowerCase().includes(text.toLowerCase());
}

/** Numbers of the rows whose groups are asked for. */
export function wantedRows(result: VerifiedResult, filter: Filter): number[] {
  const rows = Array.from({ length: result.content.rows }, (_, row) => row);
  return rows.filter((row) => isWanted(groupOf(result, row), filter));
}

/** What a query's results may be cut by on the page. */
export function hasWindows({ window }: Query): boolean {
  return window.kind !== 'whole';
}
