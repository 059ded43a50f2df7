import type { Query } from '@strongroom/protocol/contract';
import { protectedText } from '@strongroom/protocol/privacy';
import type { WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { printable } from '@strongroom/runtime/printable';
import { stopLines } from '@strongroom/sealing/notice';
import Table from 'cli-table3';
import type { VerifiedResult } from './open-aggregate.ts';
import { proofLines } from './proof-text.ts';
import type { Cell, ColumnKind } from './result-columns.ts';

/** One result as a table for a person, with its proof below when it is asked for. */
export function resultText(result: VerifiedResult, query: Query, withProof: boolean): string {
  const proof = withProof ? proofLines(result).map((line) => `  ${line}`) : [];
  return `${[titleOf(result, query), tableOf(result), ...proof].join('\n')}\n\n`;
}

/** The worker's last word, as it signed it. */
export function noticeText(notice: StopNotice): string {
  return `${['CONTRACT ENDED', ...stopLines(notice)].join('\n  ')}\n\n`;
}

function titleOf({ seal, content, inputs }: VerifiedResult, query: Query): string {
  const window = seal.window
    ? `${timeText(seal.window.start)} to ${timeText(seal.window.end)}`
    : 'whole data';
  const { minimumGroupRows } = query.disclosure;
  const withheld =
    content.suppressedGroups > 0
      ? [`${content.suppressedGroups} groups withheld (${minimumGroupRows} rows, rules)`]
      : [];
  const late = inputs.reduce((sum, { lateRows }) => sum + (lateRows ?? 0), 0);
  const missed = late > 0 ? [`${late} input rows came too late so far`] : [];
  const noise = query.privacy
    ? [
        `with noise: each number is between its _low and _high at ${query.privacy.confidence}`,
        `noise hides ${protectedText(query.privacy)}`,
      ]
    : [];
  const size = content.withheld ? WITHHELD[content.withheld] : `${content.rows} rows`;
  const parts = [seal.query, window, size, ...withheld, ...missed, ...noise];
  return parts.join(' | ');
}

const WITHHELD: Readonly<Record<WithheldReason, string>> = {
  failed: 'WITHHELD: it could not be computed over these rows',
  'too-large': 'WITHHELD: more rows or bytes than a result may have',
};

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function tableOf({ columns }: VerifiedResult): string {
  const table = new Table({
    head: columns.map((column) => printable(column.name)),
    colAligns: columns.map((column) => (isNumber(column.kind) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  const rows = columns[0]?.cells.length ?? 0;
  for (let row = 0; row < rows; row += 1) {
    table.push(columns.map((column) => cellText(column.cells[row] ?? null)));
  }
  return rows === 0 ? '(no rows)' : table.toString();
}

function isNumber(kind: ColumnKind): boolean {
  return kind === 'integer' || kind === 'float' || kind === 'decimal';
}

/** Cells come from other parties' rows: they may not steer the terminal. */
function cellText(cell: Cell): string {
  return cell === null ? '' : printable(String(cell));
}
