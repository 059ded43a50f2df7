import type { Contract, Dataset, Query } from './contract.ts';
import { StrongroomError } from './errors.ts';
import type { DatasetId } from './fields.ts';
import { contributorOf } from './privacy.ts';

/**
 * Slices: a contract may have its rows counted by several workers. Partition p of every dataset is
 * in slice p mod n. The worker of a slice is one like any other, except that it reads the streams
 * of its slice alone and tells no result: what it counted goes, sealed, to one more worker, which
 * merges what all slices say of a window and discloses that.
 */

type StreamPlaces = readonly { readonly partition: number }[];

export function sliceOf(partition: number, slices: number): number {
  return partition % slices;
}

/** What stands in the place of a dataset's name where partials of a slice are read. */
export function partialsName(slice: number): string {
  return `partials.${slice}`;
}

/** Those streams of a dataset that one worker reads. @param slice absent: all of them */
export function streamsOfSlice<Streams extends StreamPlaces>(
  streams: Streams,
  { slices = 1 }: Pick<Contract, 'slices'>,
  slice: number | undefined,
): Streams[number][] {
  return streams.filter(
    ({ partition }) => slice === undefined || sliceOf(partition, slices) === slice,
  );
}

/** @throws ERR_SLICE_UNKNOWN for a slice that the contract does not have */
export function demandSlice({ slices = 0 }: Pick<Contract, 'slices'>, slice?: number): void {
  if (slice === undefined || slice < slices) return;
  throw new StrongroomError('ERR_SLICE_UNKNOWN', { slice, slices });
}

/** Why a contract cannot have the slices that it says, as far as its members tell. */
export function sliceProblemIn(
  contract: Pick<Contract, 'slices' | 'datasets' | 'queries'>,
): string | undefined {
  const { slices, datasets, queries } = contract;
  if (slices === undefined) return undefined;
  for (const dataset of datasets) {
    const missing = missingSlice(dataset, slices);
    if (missing === undefined) continue;
    return `no stream of ${dataset.id} is in slice ${missing}: partition modulo ${slices}`;
  }
  const noisy = queries.find((query) => query.privacy && !contributorsAreApart(contract, query));
  if (noisy) {
    return `${noisy.id} has noise: all datasets are shared out by their contributor, and alike`;
  }
  const torn = queries.find((query) => !sessionsAreApart(contract, query));
  if (torn) {
    return `${torn.id} has sessions: datasets with an event time are shared out by its key, alike`;
  }
  return undefined;
}

/** Whether all rows of a session, which may be of several relations, are in one slice. */
export function sessionsAreApart(
  contract: Pick<Contract, 'slices' | 'datasets'>,
  { relations, window }: Pick<Query, 'relations' | 'window'>,
): boolean {
  if (window.kind !== 'session') return true;
  const timed = relations.filter((relation) =>
    ownOf(contract, relation).some(({ eventTime }) => eventTime !== undefined),
  );
  const areShared = timed.every((relation) => sharedOutBy(contract, relation) === window.key);
  return areShared && strayIn(contract, timed) === undefined;
}

/**
 * Whether all rows of a contributor that a query reads are in one slice, so that numbers of
 * contributors add up and each slice can bound their rows. Vaults see to it that rows are where
 * `partitionBy` has them (partitioning.ts).
 */
export function contributorsAreApart(
  contract: Pick<Contract, 'slices' | 'datasets'>,
  { relations }: Pick<Query, 'relations'>,
): boolean {
  const theirs = relations.filter((relation) => contributorIn(contract, relation) !== undefined);
  const areShared = theirs.every(
    (relation) => sharedOutBy(contract, relation) === contributorIn(contract, relation),
  );
  return areShared && strayIn(contract, theirs) === undefined;
}

/** Whom the rules of one owner name is counted in the rows of all. */
function contributorIn(contract: Pick<Contract, 'datasets'>, relation: string): string | undefined {
  return ownOf(contract, relation)
    .map(contributorOf)
    .find((name) => name !== undefined);
}

/** The column by which all rows of a relation are shared out; undefined where some are not. */
export function sharedOutBy(
  contract: Pick<Contract, 'datasets'>,
  relation: string,
): string | undefined {
  const [first, ...more] = ownOf(contract, relation);
  const isOne = more.every(({ partitionBy }) => partitionBy === first?.partitionBy);
  return isOne ? first?.partitionBy : undefined;
}

/** Equal values of it may be in another slice than those of the datasets before it. */
interface Stray {
  readonly dataset: DatasetId;
  /** Which member of the contract has to be as in the others. */
  readonly by: 'type' | 'streams';
}

/**
 * The first dataset of which rows may be in another slice than those of the others that have the
 * same value of the column that they are shared out by.
 */
export function strayIn(
  contract: Pick<Contract, 'slices' | 'datasets'>,
  relations: readonly string[],
): Stray | undefined {
  const [first, ...more] = relations.flatMap((relation) => ownOf(contract, relation));
  if (!first) return undefined;
  for (const each of [first, ...more]) {
    const { id: dataset } = each;
    if (kindOf(first) !== kindOf(each)) return { dataset, by: 'type' };
    if (!meet(first, each, contract.slices)) return { dataset, by: 'streams' };
  }
  return undefined;
}

function ownOf({ datasets }: Pick<Contract, 'datasets'>, relation: string): Dataset[] {
  return datasets.filter((dataset) => dataset.relation === relation);
}

/** Whether equal hashes of values are in one slice of two datasets. */
function meet(one: Dataset, other: Dataset, slices = 1): boolean {
  const [places, others] = [one, other].map(({ streams = [] }) =>
    streams.map(({ partition }) => sliceOf(partition, slices)),
  );
  if (!places?.length || !others?.length) return false;
  // Beyond the product of both numbers of streams everything repeats itself.
  return Array.from(
    { length: places.length * others.length },
    (_none, hash) => places[hash % places.length] === others[hash % others.length],
  ).every((isSame) => isSame);
}

/** Whole numbers of all widths are hashed alike; of times only those of one type. */
function kindOf({ columns, partitionBy }: Dataset): string | undefined {
  return columns.find(({ name }) => name === partitionBy)?.type.replace(/^u?int\d+$/, 'int');
}

/** A worker without a stream of a dataset would wait for it, or count it as ended. */
function missingSlice({ streams = [] }: Dataset, slices: number): number | undefined {
  const found = new Set(streams.map(({ partition }) => sliceOf(partition, slices)));
  return Array.from({ length: slices }, (_none, slice) => slice).find((each) => !found.has(each));
}
