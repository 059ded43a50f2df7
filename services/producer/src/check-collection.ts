import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  checkSource,
  nothingFound,
  type SourceRequest,
  type SourceSummary,
  union,
} from './check-source.ts';
import { identifySource, type KnownSource } from './source-format.ts';
import type { CollectionItem } from './source-input.ts';
import type { EventTimes } from './watermark.ts';

/** Reads all items of a collection to their ends, before the first row of any leaves. */
export async function checkItems(
  request: SourceRequest,
  dataset: Dataset,
  items: readonly CollectionItem[],
  before: EventTimes,
): Promise<SourceSummary> {
  const { newestEventTime, watermark } = before;
  let sum = nothingFound({ newestEventTime, watermark });
  for (const item of items) {
    const source = await identifyItem(item, request);
    const one = await checkSource(request, dataset, source, sum.times);
    sum = {
      rows: sum.rows + one.rows,
      batches: sum.batches + one.batches,
      bytes: sum.bytes + one.bytes,
      unformed: sum.unformed + one.unformed,
      eventTime: union(sum.eventTime, one.eventTime),
      absentColumns: [...new Set([...sum.absentColumns, ...one.absentColumns])],
      times: one.times,
    };
  }
  return sum;
}

/** @throws ERR_FILE_UNREADABLE for an item that could not be read again */
export async function identifyItem(
  item: CollectionItem,
  { format }: Pick<SourceRequest, 'format'>,
): Promise<KnownSource> {
  const input = await item.open();
  if (input.type !== 'stream') return identifySource(input, format);
  input.cancel();
  throw new StrongroomError('ERR_FILE_UNREADABLE', { path: item.name, reason: 'no file' });
}

/** What is said of one source and means nothing here. @throws ERR_USAGE */
export function refuseUnfit({ limitRows, recover }: SourceRequest & { recover?: boolean }): void {
  if (limitRows === undefined && recover !== true) return;
  const argument = recover ? '--recover' : '--limit-rows';
  throw new StrongroomError('ERR_USAGE', { argument, problem: 'for a single file or stream only' });
}
