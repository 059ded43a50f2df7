import { durationText } from '@strongroom/page/view/words';
import type { Query } from '@strongroom/protocol/contract';

/** The contract's own words for how a query cuts time. */
export function cutText({ window }: Query): string {
  if (window.kind === 'whole') return 'one result over the whole data';
  if (window.kind === 'session') return 'a result per session';
  const size = durationText(window.sizeMs);
  return window.kind === 'tumbling'
    ? `a result every ${size}`
    : `results over ${size}, overlapping`;
}
