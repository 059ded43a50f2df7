import process from 'node:process';
import type { Command } from 'commander';
import { exitsWith } from './exit-codes.ts';

/** What is known of a command beside what commander keeps: for its help and for docs/cli.md. */
export interface LeafFacts {
  /** Command lines as one would type them. */
  readonly example: string;
  /** Exit codes that only this command has, or what a common one means here. */
  readonly exits: Readonly<Record<number, string>>;
  /** Why it has no `--json`; most have. */
  readonly withoutJson?: string;
  /** The program of a service reads its options: `service-options.ts` lists them. */
  readonly ownProgram?: boolean;
}

const FACTS = new WeakMap<Command, LeafFacts>();

/** A command that does something: its help has an example and its exit codes; it knows `--json`. */
export function leafCommand(
  parent: Command,
  nameAndArguments: string,
  description: string,
  example: string,
  own: Omit<Partial<LeafFacts>, 'example'> = {},
): Command {
  const leaf = parent.command(nameAndArguments).description(description);
  const facts = { exits: {}, ...own, example };
  FACTS.set(leaf, facts);
  if (!facts.ownProgram && facts.withoutJson === undefined) leaf.option('--json', 'print JSON');
  return leaf.addHelpText('after', () => helpTail(facts));
}

/** @returns undefined for a noun */
export function factsOf(leaf: Command): LeafFacts | undefined {
  return FACTS.get(leaf);
}

/** What every help ends with, also that of a service. */
export function helpTail({ example, exits }: LeafFacts): string {
  const codes = exitsWith(exits).map(([code, meaning]) => `  ${String(code).padEnd(4)}${meaning}`);
  return ['', 'Examples:', `  ${example}`, '', 'Exit codes:', ...codes].join('\n');
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
