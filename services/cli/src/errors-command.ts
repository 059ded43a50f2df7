import {
  ERRORS,
  EXIT_CODE_ENDED,
  EXIT_CODES,
  isErrorCode,
  StrongroomError,
} from '@strongroom/protocol/errors';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';

/** `strongroom errors list`: the whole table of refusals, with the way out of each. */
export function addErrorsCommands(program: Command): void {
  const errors = nounCommand(program, 'errors', 'what each error code means and what to do');
  leafCommand(errors, 'list', 'all error codes', 'strongroom errors list --json | jq length')
    .argument('[code]', 'only this code')
    .action((code: string | undefined, options: { json?: boolean }) => {
      const rows = errorRows(code);
      printResult(options.json, rows, asTable(rows));
    });
}

interface ErrorRow {
  readonly code: string;
  readonly disposition: string;
  readonly exitCode: number;
  readonly expected: string;
  readonly remedy: string;
}

/** @throws ERR_USAGE for a code that does not exist */
function errorRows(code?: string): ErrorRow[] {
  if (code !== undefined && !isErrorCode(code)) {
    throw new StrongroomError('ERR_USAGE', { problem: `no error code ${code}` });
  }
  const codes = code === undefined ? Object.keys(ERRORS).filter(isErrorCode) : [code];
  return codes.map((each) => {
    const { disposition, expected, remedy } = ERRORS[each];
    const exitCode = new StrongroomError(each).exitCode;
    return { code: each, disposition, exitCode, expected, remedy };
  });
}

function asTable(rows: readonly ErrorRow[]): string {
  const table = new Table({
    head: ['code', 'exit', 'expected', 'what to do'],
    colWidths: [32, 6, 50, 50],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const row of rows) table.push([row.code, row.exitCode, row.expected, row.remedy]);
  const { retry, quarantine, halt } = EXIT_CODES;
  const legend =
    `exit ${retry}: may succeed later; ${quarantine}: bad data; ${halt}: refused; ` +
    `${EXIT_CODE_ENDED}: the contract has ended`;
  return `${table.toString()}\n${legend}`;
}
