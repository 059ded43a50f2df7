import type { Query } from '@strongroom/protocol/contract';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { printable } from '@strongroom/runtime/printable';
import { stopLines } from '@strongroom/sealing/notice';
import Table from 'cli-table3';
import type { VerifiedResult } from './open-aggregate.ts';
import { proofLines } from './proof-text.ts';
import { type Cell, isNumber } from './result-columns.ts';
import { resultWords } from './result-words.ts';

/** One result as a table for a person, with its proof below when it is asked for. */
export function resultText(result: VerifiedResult, query: Query, withProof: boolean): string {
  const proof = withProof ? proofLines(result).map((line) => `  ${line}`) : [];
  return `${[resultWords(result, query).join(' | '), tableOf(result), ...proof].join('\n')}\n\n`;
}

/** The worker's last word, as it signed it. */
export function noticeText(notice: StopNotice): string {
  return `${['CONTRACT ENDED', ...stopLines(notice)].join('\n  ')}\n\n`;
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

/** Cells come from other parties' rows: they may not steer the terminal. */
function cellText(cell: Cell): string {
  return cell === null ? '' : printable(String(cell));
}
