import { StrongroomError } from '@strongroom/protocol/errors';
import { Command, CommanderError } from 'commander';

/** What is wrong with arguments is thrown, and printed by nobody else. */
export function createProducerProgram(): Command {
  return new Command('strongroom producer')
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}

/**
 * Runs the action of the command that is named.
 * @returns false when help was asked for and printed
 * @throws ERR_USAGE with the argument that is wrong
 */
export function parseArguments(program: Command, args: readonly string[]): boolean {
  try {
    program.parse(args, { from: 'user' });
    return true;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 && error.code !== 'commander.help') return false;
    throw new StrongroomError('ERR_USAGE', { problem: error.message.replace('error: ', '') });
  }
}
