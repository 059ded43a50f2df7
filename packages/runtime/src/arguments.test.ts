import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { checkOptions, createProgram, parseArguments, runProgram } from './arguments.ts';
import { isCodedError } from './coded-error.ts';

function greeting(greet: (options: unknown) => void | Promise<void>) {
  const program = createProgram('host', 'Greets');
  program.command('greet').requiredOption('--name <name>', 'whom').action(greet);
  return program;
}

function refusalOf(run: () => unknown) {
  try {
    run();
  } catch (error) {
    return isCodedError(error) ? { exitCode: error.exitCode, ...error.toJSON() } : error;
  }
  return undefined;
}

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

describe('arguments of a program', () => {
  test('run the command that is named', () => {
    const greet = vi.fn();
    expect(parseArguments(greeting(greet), ['greet', '--name', 'west'])).toBe(true);
    expect(greet.mock.calls[0]?.[0]).toEqual({ name: 'west' });
  });

  test.each([
    [['greet'], "required option '--name <name>' not specified"],
    [['greet', '--name', 'west', '--loud'], "unknown option '--loud'"],
    [['shout'], "unknown command 'shout'"],
    [[], 'a command is missing'],
  ])('%j is refused in our words', (args, problem) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(refusalOf(() => parseArguments(greeting(vi.fn()), args))).toMatchObject({
      exitCode: 2,
      code: 'ERR_USAGE',
      facts: { problem },
    });
  });

  test('help is printed and nothing is run', () => {
    const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const greet = vi.fn();
    expect(parseArguments(greeting(greet), ['greet', '--help'])).toBe(false);
    expect(String(printed.mock.calls[0])).toContain('--name <name>');
    expect(greet).not.toHaveBeenCalled();
  });

  test('a whole process ends with what its action throws', async () => {
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const fail = () => Promise.reject(new TypeError('of the action'));
    await runProgram(greeting(fail), ['greet', '--name', 'west']);
    expect(String(told.mock.calls[0])).toMatch(/^error ERR_INTERNAL: /);
    expect(process.exitCode).toBe(70);
  });

  test('an option that has not its shape is called as it is typed', () => {
    const shape = z.strictObject({ batchRows: z.coerce.number().int() });
    expect(checkOptions(shape, { batchRows: '7' })).toEqual({ batchRows: 7 });
    expect(refusalOf(() => checkOptions(shape, { batchRows: 'many' }))).toMatchObject({
      code: 'ERR_USAGE',
      facts: { argument: '--batch-rows' },
    });
  });
});
