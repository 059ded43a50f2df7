import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * `--columns`: which source column fills which column of the contract. Undefined when the option is
 * absent: then the source has exactly the columns of the contract. With it, columns of the source
 * that are not named anywhere are left out.
 */
export type ColumnMapping = ReadonlyMap<string, string>;

/**
 * Parses `sourceName=contractName,…`; a name alone stands for both.
 * @returns contract name -> source name
 * @throws ERR_USAGE, ERR_COLUMN_UNKNOWN for a name that the contract lacks
 */
export function parseColumnMapping(text: string, dataset: Dataset): ColumnMapping {
  const mapping = new Map<string, string>();
  for (const part of text.split(',')) {
    const at = part.lastIndexOf('=');
    const source = (at < 0 ? part : part.slice(0, at)).trim();
    const contract = part.slice(at + 1).trim();
    if (source === '' || mapping.has(contract)) {
      throw new StrongroomError('ERR_USAGE', { argument: '--columns', column: contract });
    }
    if (!dataset.columns.some(({ name }) => name === contract)) {
      throw new StrongroomError('ERR_COLUMN_UNKNOWN', { dataset: dataset.id, column: contract });
    }
    mapping.set(contract, source);
  }
  return mapping;
}

/** The source's name of every column of the contract, in the contract's order. */
export function sourceNames(dataset: Dataset, mapping: ColumnMapping | undefined): string[] {
  return dataset.columns.map(({ name }) => mapping?.get(name) ?? name);
}

/**
 * Where each column of the contract stands among the columns of the source.
 * @param found names of the source's columns, in its order
 * @throws ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN, ERR_SOURCE_MALFORMED when a name stands twice
 */
export function placeColumns(
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  found: readonly string[],
): number[] {
  const wanted = sourceNames(dataset, mapping);
  const places = wanted.map((name, index) => {
    const place = found.indexOf(name);
    const column = dataset.columns[index]?.name ?? name;
    if (place < 0) {
      const as = name === column ? {} : { sourceColumn: name };
      throw new StrongroomError('ERR_COLUMN_MISSING', { dataset: dataset.id, column, ...as });
    }
    if (found.indexOf(name, place + 1) >= 0) {
      throw new StrongroomError('ERR_SOURCE_MALFORMED', { column, problem: 'named twice' });
    }
    return place;
  });
  if (mapping === undefined) refuseOthers(dataset, wanted, found);
  return places;
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
