import type { StopNotice } from '@strongroom/protocol/stop-notice';
import type { VerifiedResult } from './open-aggregate.ts';
import { proofFacts } from './proof-text.ts';
import type { Cell } from './result-columns.ts';

/**
 * One result as one line of JSON; window bounds in milliseconds since 1970. Integers beyond 2^53
 * and decimals are strings, so that no JSON reader rounds them; so are NaN and infinities, which
 * JSON lacks.
 */
export function resultJson(result: VerifiedResult, withProof: boolean): string {
  const { seal, content, columns } = result;
  const rows = Array.from({ length: content.rows }, (_, row) =>
    Object.fromEntries(columns.map((column) => [column.name, jsonCell(column.cells[row] ?? null)])),
  );
  const { query, window, epoch, emission } = seal;
  const { suppressedGroups, withheld } = content;
  const proof = withProof ? { proof: proofFacts(result) } : {};
  const why = withheld ? { withheld } : {};
  const line = { query, window, epoch, emission, suppressedGroups, ...why, rows, ...proof };
  return `${JSON.stringify(line)}\n`;
}

/** That the contract was ended, by whom, what follows it, and how far each stream was counted. */
export function noticeJson({ stoppedBy, at, epoch, successor, streams }: StopNotice): string {
  const follows = successor === undefined ? {} : { successor };
  const ended = { by: stoppedBy, at: new Date(at).toISOString(), epoch, ...follows, streams };
  return `${JSON.stringify({ ended })}\n`;
}

function jsonCell(cell: Cell): null | boolean | number | string {
  if (typeof cell === 'bigint') {
    const number = Number(cell);
    return Number.isSafeInteger(number) ? number : cell.toString();
  }
  return typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell;
}
