import type { Contract, Dataset } from './contract.ts';

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
  const noisy = queries.find(({ privacy }) => privacy !== undefined);
  if (noisy) return `${noisy.id} has noise, which needs all rows of a contributor in one place`;
  const sessions = queries.find(({ window }) => window.kind === 'session');
  if (sessions) return `${sessions.id} has sessions, whose rows may lie in several slices`;
  return undefined;
}

/** A worker without a stream of a dataset would wait for it, or count it as ended. */
function missingSlice({ streams = [] }: Dataset, slices: number): number | undefined {
  const found = new Set(streams.map(({ partition }) => sliceOf(partition, slices)));
  return Array.from({ length: slices }, (_none, slice) => slice).find((each) => !found.has(each));
}
