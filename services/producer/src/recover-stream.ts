import { StrongroomError } from '@strongroom/protocol/errors';
import { sealOpening } from '@strongroom/sealing/seal';
import type { Agreement } from './agreement.ts';
import type { ArrowBatch } from './arrow-batch.ts';
import { type BatchSource, withBatches } from './batch-source.ts';
import type { SealedGroup } from './group-file.ts';
import type { PublishRequest } from './publish-source.ts';
import type { StreamOnLog } from './read-back.ts';
import type { StreamState } from './stream-state.ts';

/** A stream whose state folder is lost: its source, its state, and the first word of its epoch. */

/**
 * Reads from an open source the rows that are on the log, batch by batch as they were sealed, and
 * compares what seals tell of them: rows, event times, and the length of their Arrow form. What
 * comes next is the first row that was not published, and stands behind `cursor` rows.
 * @param source opened with `cut` as the seals say
 * @throws ERR_SOURCE_CHANGED
 */
export async function passPublished(
  source: BatchSource,
  { batches }: StreamOnLog,
): Promise<BatchSource & { readonly cursor: number }> {
  const rest = source[Symbol.asyncIterator]();
  let cursor = 0;
  for (const [index, { seal }] of batches.entries()) {
    const next = await rest.next();
    if (next.done === true) throw changed(seal.dataset, index, 'it ends before');
    const problem = differenceOf(next.value, seal);
    if (problem !== undefined) throw changed(seal.dataset, index, problem);
    ({ cursor } = next.value);
  }
  return Object.assign(
    withBatches(source, () => rest),
    { cursor },
  );
}

function differenceOf(
  { rows, eventTime, bytes }: ArrowBatch,
  seal: StreamOnLog['batches'][number]['seal'],
): string | undefined {
  if (rows !== seal.rows) return 'it has fewer rows';
  if (eventTime?.min !== seal.eventTime?.min || eventTime?.max !== seal.eventTime?.max) {
    return 'its event times differ';
  }
  return bytes.length === seal.plaintextBytes ? undefined : 'its length differs';
}

function changed(dataset: string, place: number, problem: string): StrongroomError {
  return new StrongroomError('ERR_SOURCE_CHANGED', { dataset, batch: place, problem });
}

/**
 * The state that the log gives back, before an epoch is begun.
 * @param source rows of it that are in the stream, or belong to others
 */
export function stateOf(
  { point, stream, watermark, newestEventTime, final }: StreamOnLog,
  fresh: StreamState,
  { fingerprint, cursor }: { readonly fingerprint: string; readonly cursor: number },
): StreamState {
  const { epoch, sequence, head, rows } = point;
  const source = { fingerprint, cursor, complete: final };
  const at = { stream, epoch, point: { sequence, head, rows } };
  return { ...fresh, ...at, watermark, newestEventTime, final, source };
}

/** The opening of the next epoch, and the state behind it: the first group of the outbox. */
export async function openingGroup(
  state: StreamState,
  { nextEpoch }: StreamOnLog,
  { identity }: PublishRequest,
  { contractId, dataset }: Agreement,
): Promise<SealedGroup> {
  const { epoch, stream, point } = state;
  const { sequence, ...ends } = point;
  const { signer, party: kid } = identity;
  const at = { contractId, dataset, stream, epoch: nextEpoch, signer, kid };
  const opened = await sealOpening(at, { epoch, sequences: sequence, ...ends });
  const behind = { ...state, epoch: nextEpoch, point: opened.point, group: state.group + 1 };
  return { state: behind, records: [opened.record] };
}
