import { factsInBrackets, isCodedError } from './coded-error.ts';

/** sysexits EX_SOFTWARE: the program, not its input, is wrong. */
const EXIT_PROGRAMMER_ERROR = 70;

/**
 * Ends a command that failed: one line on stderr, and the exit code of the error. With `json` the
 * line is `{"error":{"code","expected","remedy","facts"}}`. The process ends by itself, so that
 * what was written to stdout arrives.
 */
export function failCommand(
  error: unknown,
  json: boolean,
  stderr: { write(text: string): unknown } = process.stderr,
): void {
  const shown = isCodedError(error) ? error.toJSON() : programmerError(error);
  process.exitCode = isCodedError(error) ? error.exitCode : EXIT_PROGRAMMER_ERROR;
  if (json) {
    stderr.write(`${JSON.stringify({ error: shown })}\n`);
    return;
  }
  const { code, expected, remedy, facts } = shown;
  stderr.write(`error ${code}: ${expected}${factsInBrackets(facts)}. ${remedy}\n`);
}

/** No stack: it names files of the machine and helps nobody who only runs the command. */
function programmerError(error: unknown) {
  const name = error instanceof Error ? error.name : typeof error;
  const message = error instanceof Error ? error.message : 'a value that is no error was thrown';
  return {
    code: 'ERR_INTERNAL',
    expected: `no error of this kind is expected: ${name}: ${message}`,
    remedy: 'This is a defect of Strongroom; please report it with the command that you ran.',
    facts: {},
  };
}
