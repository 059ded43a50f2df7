import type { Query } from '@strongroom/protocol/contract';
import { protectedText } from '@strongroom/protocol/privacy';
import type { WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import type { VerifiedResult } from './open-aggregate.ts';

/** What is said above the rows of a result, on a terminal and on the page. */
export function resultWords(
  { seal, content, inputs }: Pick<VerifiedResult, 'seal' | 'content' | 'inputs'>,
  query: Query,
): string[] {
  const { minimumGroupRows } = query.disclosure;
  const suppressed =
    content.suppressedGroups > 0
      ? [`${content.suppressedGroups} groups withheld (${minimumGroupRows} rows, rules)`]
      : [];
  const size = content.withheld ? WITHHELD[content.withheld] : `${content.rows} rows`;
  return [seal.query, windowText(seal), size, ...suppressed, ...remarkWords({ inputs }, query)];
}

/** What holds of every row: which were missed, and how sure the numbers are. */
export function remarkWords({ inputs }: Pick<VerifiedResult, 'inputs'>, query: Query): string[] {
  const late = inputs.reduce((sum, { lateRows }) => sum + (lateRows ?? 0), 0);
  const missed = late > 0 ? [`${late} input rows came too late so far`] : [];
  return [...missed, ...noiseWords(query)];
}

const WITHHELD: Readonly<Record<WithheldReason, string>> = {
  failed: 'WITHHELD: it could not be computed over these rows',
  'too-large': 'WITHHELD: more rows or bytes than a result may have',
};

function windowText({ window }: VerifiedResult['seal']): string {
  return window ? `${timeText(window.start)} to ${timeText(window.end)}` : 'whole data';
}

function noiseWords({ privacy }: Query): string[] {
  if (!privacy) return [];
  return [
    `with noise: each number is between its _low and _high at ${privacy.confidence}`,
    `noise hides ${protectedText(privacy)}`,
  ];
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
