import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * `--columns`: which source column fills which column of the contract. Undefined when the option is
 * absent: then the source has exactly the columns of the contract. With it, columns of the source
 * that are not named anywhere are left out.
 */
export type ColumnMapping = ReadonlyMap<string, string>;

/** Stands for the source's name of a column that it lacks. */
const ABSENT = '';

/**
 * Parses `sourceName=contractName,…`; a name alone stands for both, and `=contractName` says that
 * the source lacks a column that an amendment added. A name with commas or spaces at its ends
 * stands in double quotes, one within it twice, as in CSV.
 * @returns contract name -> source name
 * @throws ERR_USAGE, ERR_COLUMN_UNKNOWN for a name that the contract lacks
 */
export function parseColumnMapping(text: string, dataset: Dataset): ColumnMapping {
  const mapping = new Map<string, string>();
  for (const part of partsOf(text)) {
    const at = part.lastIndexOf('=');
    const given = (at < 0 ? part : part.slice(0, at)).trim();
    const isQuoted = QUOTED.test(given);
    const source = isQuoted ? given.slice(1, -1).replaceAll('""', '"') : given;
    const contract = at < 0 ? source : part.slice(at + 1).trim();
    const column = dataset.columns.find(({ name }) => name === contract);
    const mayLack = at >= 0 && column?.since !== undefined;
    if ((source === ABSENT && !mayLack) || mapping.has(contract)) {
      throw new StrongroomError('ERR_USAGE', { argument: '--columns', column: contract });
    }
    if (!column) {
      throw new StrongroomError('ERR_COLUMN_UNKNOWN', { dataset: dataset.id, column: contract });
    }
    mapping.set(contract, source);
  }
  return mapping;
}

const QUOTED = /^"(?:[^"]|"")*"$/;

/** At the commas that stand outside of quoted names. */
function partsOf(text: string): string[] {
  const parts = text.match(/(?:^|,)(?:\s*"(?:[^"]|"")*"[^,]*|[^,]*)/g) ?? [];
  return parts.map((part, at) => (at === 0 ? part : part.slice(1)));
}

/** The text of which `parseColumnMapping` makes the same pairs. */
export function columnList(
  pairs: readonly (readonly [source: string, contract: string])[],
): string {
  const plain = (name: string) => !/^\s|\s$|[",]/.test(name);
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  return pairs
    .map(([source, contract]) => `${plain(source) ? source : quoted(source)}=${contract}`)
    .join(',');
}

/** @param columns `--columns` as it was written. @throws ERR_USAGE, ERR_COLUMN_UNKNOWN */
export function wantedColumns(dataset: Dataset, columns: string | undefined) {
  const mapping = columns === undefined ? undefined : parseColumnMapping(columns, dataset);
  return { dataset, mapping };
}

/** The source's name of every column of the contract, in the contract's order. */
export function sourceNames(dataset: Dataset, mapping: ColumnMapping | undefined): string[] {
  return dataset.columns.map(({ name }) => mapping?.get(name) ?? name);
}

/** The dataset without the columns that `--columns` says the source lacks. */
export function withoutAbsent(dataset: Dataset, mapping: ColumnMapping | undefined): Dataset {
  const columns = dataset.columns.filter(({ name }) => mapping?.get(name) !== ABSENT);
  return { ...dataset, columns };
}

/** The columns of a dataset that a source has, and where. */
export interface PlacedColumns {
  /** The dataset without the columns that the source lacks and may lack. */
  readonly present: Dataset;
  /** Of each of its columns, among those of the source. */
  readonly places: readonly number[];
}

/**
 * Finds the columns of the contract among those of the source. One that an amendment added
 * (`since`) may be absent: without `--columns` the source has no column that the contract does not
 * name, so no misspelt name can pass for an absent one. With `--columns` it has to say so.
 * @param found names of the source's columns, in its order
 * @throws ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN, ERR_SOURCE_MALFORMED when a name stands twice
 */
export function placeColumns(
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  found: readonly string[],
): PlacedColumns {
  const sought = withoutAbsent(dataset, mapping);
  const wanted = sourceNames(sought, mapping);
  const columns: ColumnContract[] = [];
  const places: number[] = [];
  for (const [index, column] of sought.columns.entries()) {
    const name = wanted[index] ?? column.name;
    const place = found.indexOf(name);
    if (place < 0 && column.since !== undefined && mapping === undefined) continue;
    if (place < 0) throw missing(sought, column, wanted, found);
    if (found.indexOf(name, place + 1) >= 0) {
      const facts = { column: column.name, problem: 'named twice' };
      throw new StrongroomError('ERR_SOURCE_MALFORMED', facts);
    }
    columns.push(column);
    places.push(place);
  }
  if (mapping === undefined) refuseOthers(dataset, wanted, found);
  return { present: { ...dataset, columns }, places };
}

function missing(
  dataset: Dataset,
  { name: column }: ColumnContract,
  wanted: readonly string[],
  found: readonly string[],
): StrongroomError {
  const name = wanted[dataset.columns.findIndex((each) => each.name === column)] ?? column;
  const as = name === column ? {} : { sourceColumn: name };
  // One is missing and one is there that nobody knows: it may be the same under another name. In a
  // file without a header the names are somebody's row, so only the place is said.
  const strangers = found.flatMap((each, place) => (wanted.includes(each) ? [] : [place + 1]));
  const lacking = wanted.filter((each) => !found.includes(each));
  const isRenamed = strangers.length === 1 && lacking.length === 1 && found.length > 1;
  const perhaps = isRenamed ? { perhapsRenamedAtPlace: strangers[0] ?? 0 } : {};
  return new StrongroomError('ERR_COLUMN_MISSING', {
    dataset: dataset.id,
    column,
    ...as,
    ...perhaps,
  });
}

/** All wanted columns were found, so these are names and not, in a file without a header, rows. */
function refuseOthers(dataset: Dataset, wanted: readonly string[], found: readonly string[]): void {
  const place = found.findIndex((name) => !wanted.includes(name));
  if (place < 0) return;
  const column = shownName(found[place] ?? '');
  throw new StrongroomError('ERR_COLUMN_UNKNOWN', {
    dataset: dataset.id,
    place: place + 1,
    ...(column === undefined ? {} : { column }),
  });
}

/** A name that is fit for a terminal; what looks like anything else stays where it is. */
function shownName(name: string): string | undefined {
  return /^[\w .-]{1,63}$/.test(name) ? name : undefined;
}
