import process from 'node:process';
import type { Command } from 'commander';

/** A command that does something: it has an example in its help and knows `--json`. */
export function leafCommand(
  parent: Command,
  nameAndArguments: string,
  description: string,
  example: string,
): Command {
  return parent
    .command(nameAndArguments)
    .description(description)
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  ${example}`);
}

/** A noun: it only groups its verbs. */
export function nounCommand(parent: Command, noun: string, description: string): Command {
  return parent.command(noun).description(description);
}

/** Data of a command: one JSON line, or text for a person. */
export function printResult(json: boolean | undefined, value: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`);
}

/** What a person should know but a pipe should not get. */
export function printNotice(text: string): void {
  process.stderr.write(`${text}\n`);
}
