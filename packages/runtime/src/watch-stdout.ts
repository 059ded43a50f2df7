import process from 'node:process';
import { systemCodeOf } from './coded-error.ts';
import { failCommand } from './command.ts';
import { writeError } from './files.ts';

/** Whoever reads the output went away (`| head`): nobody listens, and nothing is wrong. */
export const isReaderGone = (error: unknown) => systemCodeOf(error) === 'EPIPE';

export const STANDARD_OUTPUT = 'standard output';

/**
 * A command whose output could not be written has not done what it was asked for, whatever else
 * went well: a full disk ends it with an error. To be called once, before anything is written.
 */
export function watchStdout(json: boolean): void {
  let failure: unknown;
  process.stdout.on('error', (error) => {
    if (!isReaderGone(error)) failure ??= error;
  });
  process.on('exit', () => {
    const hasFailed = (process.exitCode ?? 0) !== 0;
    if (failure !== undefined && !hasFailed)
      failCommand(writeError(failure, STANDARD_OUTPUT), json);
  });
}
