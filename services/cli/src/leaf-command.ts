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
  process.stdout.write(json ? `${jsonLine(value)}\n` : `${text}\n`);
}

/** JSON leaves these as they are, and a terminal obeys them: C1, and what reorders a line. */
const OBEYED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    OBEYED,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What a person should know but a pipe should not get. */
export function printNotice(text: string): void {
  process.stderr.write(`${text}\n`);
}
