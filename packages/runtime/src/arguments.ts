import { Command, CommanderError } from 'commander';
import type { z } from 'zod';
import { RuntimeError } from './coded-error.ts';
import { failCommand } from './command.ts';
import { useProxy } from './proxy.ts';

/** A program whose refusals are thrown, and printed by nobody else. */
export function createProgram(name: string, description = ''): Command {
  return new Command(name)
    .description(description)
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
    if (isHelp(error)) return false;
    throw asUsageError(error);
  }
}

/** The same for a whole process whose actions take their time: what is thrown ends it, told. */
export async function runProgram(program: Command, args: readonly string[]): Promise<void> {
  try {
    useProxy();
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!isHelp(error)) failCommand(asUsageError(error), args.includes('--json'));
  }
}

/** @throws ERR_USAGE with the first option that does not have its shape */
export function checkOptions<T>(shape: z.ZodType<T>, options: unknown): T {
  const parsed = shape.safeParse(options);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0] ?? '');
  const argument = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new RuntimeError('ERR_USAGE', { argument, problem: issue?.message ?? 'is wrong' });
}

/** What no shape can say, such as two options that go together. */
export function usageError(problem: string): RuntimeError {
  return new RuntimeError('ERR_USAGE', { problem });
}

const isHelp = (error: unknown) => error instanceof CommanderError && error.exitCode === 0;

/** What commander refuses is our usage error, in our words and with our exit code. */
function asUsageError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.code === 'commander.help') return usageError('a command is missing');
  return usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '));
}
