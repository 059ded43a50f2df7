import type { Contract, Dataset, Query } from './contract.ts';
import { StrongroomError } from './errors.ts';
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
  const sessions = queries.find(({ window }) => window.kind === 'session');
  if (sessions) return `${sessions.id} has sessions, whose rows may lie in several slices`;
  return undefined;
}

/**
 * Whether all rows of a contributor that a query reads are in one slice, so that numbers of
 * contributors add up and each slice can bound their rows. Vaults see to it that rows are where
 * `partitionBy` has them (partitioning.ts).
 */
export function contributorsAreApart(
  { slices = 1, datasets }: Pick<Contract, 'slices' | 'datasets'>,
  { relations }: Pick<Query, 'relations'>,
): boolean {
  const named = relations.map((relation) => {
    const own = datasets.filter((dataset) => dataset.relation === relation);
    // Whom the rules of one owner name is counted in the rows of all.
    return { own, contributor: own.map(contributorOf).find((name) => name !== undefined) };
  });
  const theirs = named.filter(({ contributor }) => contributor !== undefined);
  const all = theirs.flatMap(({ own }) => own);
  const [first] = all;
  const areShared = theirs.every(({ own, contributor }) =>
    own.every(({ partitionBy }) => partitionBy === contributor),
  );
  return areShared && all.every((each) => first !== undefined && meet(first, each, slices));
}

/** Whether equal values of the columns that two datasets are shared out by are in one slice. */
function meet(one: Dataset, other: Dataset, slices: number): boolean {
  if (kindOf(one) !== kindOf(other)) return false;
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
