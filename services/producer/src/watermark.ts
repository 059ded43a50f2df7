import { StrongroomError } from '@strongroom/protocol/errors';
import type { ArrowBatch } from './arrow-batch.ts';

export interface WatermarkRule {
  /** How far, in milliseconds of event time, the source may be out of order. */
  readonly lagMs: number;
  /** Publish rows behind the watermark all the same; the worker counts them as late. */
  readonly allowLate: boolean;
}

export interface EventTimes {
  /** The newest event time so far; null before the first and without event times. */
  readonly newestEventTime: number | null;
  /** Every row below has been sent. */
  readonly watermark: number | null;
}

/**
 * The event times after one more batch. Whether a row is late depends on the batches before its
 * own and on nothing else: not on when manifests happened to be sent.
 * @throws ERR_LATE_ROWS when a row is older than the watermark before its batch
 */
export function advance(
  before: EventTimes,
  arrowBatch: Pick<ArrowBatch, 'eventTime' | 'cursor' | 'rows' | 'firstRow'>,
  rule: WatermarkRule,
): EventTimes {
  const { eventTime, cursor, rows } = arrowBatch;
  if (eventTime === null) return before;
  const late = before.watermark !== null && eventTime.min < before.watermark;
  if (late && !rule.allowLate) {
    throw new StrongroomError('ERR_LATE_ROWS', {
      fromRow: arrowBatch.firstRow ?? cursor - rows + 1,
      toRow: cursor,
      watermarkLagMs: rule.lagMs,
    });
  }
  const newestEventTime = Math.max(before.newestEventTime ?? eventTime.max, eventTime.max);
  // A larger lag than that of an earlier run does not take back what was promised.
  const watermark = Math.max(before.watermark ?? -Infinity, newestEventTime - rule.lagMs);
  return { newestEventTime, watermark };
}
