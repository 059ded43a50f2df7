import type { VerifiedResult } from '../open-aggregate.ts';
import type { ResultColumn } from '../result-columns.ts';

/**
 * Whether a column of a result names places. No contract says so: it is read off the column's name
 * and the form of its values, and the page says that it was.
 */

export type PlaceKind = 'airport' | 'country';

export interface PlaceColumn {
  readonly name: string;
  readonly kind: PlaceKind;
  /** The row of each code. */
  readonly rows: ReadonlyMap<string, number>;
  /** Values that have not the form of a code. */
  readonly others: readonly string[];
}

/** IATA location identifiers, and ISO 3166-1 alpha-2. */
const FORMS: Readonly<Record<PlaceKind, RegExp>> = {
  airport: /^[A-Z]{3}$/,
  country: /^[A-Z]{2}$/,
};

/**
 * Two letters may be a state or a language, and three a currency: the column's name has to say what
 * it is about as well.
 */
const NAMES: Readonly<Record<PlaceKind, RegExp>> = {
  airport: /(^|_)(airport|iata|origin|dest|destination|departure|arrival)(_|$)/,
  country: /(^|_)(country|nation|iso2)(_|$)/,
};

/** Of values, at least: a sum of all others may stand among them. */
const SHARE_MIN = 0.8;
const PLACES_MIN = 2;

/**
 * @param rows that are asked for
 * @returns undefined where none names places, or where a place has several rows: which of them its
 *   mark on a map would stand for, nobody could tell
 */
export function placeColumnOf(
  { columns }: Pick<VerifiedResult, 'columns'>,
  rows: readonly number[],
): PlaceColumn | undefined {
  for (const column of columns) {
    for (const kind of ['airport', 'country'] as const) {
      if (column.kind !== 'text' || !NAMES[kind].test(column.name.toLowerCase())) continue;
      const found = placesIn(column, kind, rows);
      if (found) return found;
    }
  }
  return undefined;
}

function placesIn(
  { name, cells }: ResultColumn,
  kind: PlaceKind,
  asked: readonly number[],
): PlaceColumn | undefined {
  const rows = new Map<string, number>();
  const others: string[] = [];
  for (const row of asked) {
    const code = cells[row];
    if (typeof code !== 'string') continue;
    if (rows.has(code)) return undefined;
    if (FORMS[kind].test(code)) rows.set(code, row);
    else others.push(code);
  }
  const isEnough = rows.size >= PLACES_MIN && rows.size >= SHARE_MIN * (rows.size + others.length);
  return isEnough ? { name, kind, rows, others } : undefined;
}
