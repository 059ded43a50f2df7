/**
 * docs/cli.md and the options of services that the command itself does not read, made from the tree
 * of commands and from the services' own help:
 *
 *   node --conditions=strongroom:source scripts/write-cli.ts
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { Argument, Command, Option } from 'commander';
import { CHECKS } from '../services/cli/src/doctor/checks.ts';
import { EXIT_MEANINGS } from '../services/cli/src/exit-codes.ts';
import { factsOf } from '../services/cli/src/leaf-command.ts';
import { strongroomProgram } from '../services/cli/src/program.ts';
import { readServiceHelp } from '../services/cli/src/service-commands.ts';
import type { ServiceOption, ServiceOptions } from '../services/cli/src/service-options.ts';
import { VERBS } from '../services/cli/src/verbs.ts';

export const CLI_FILE = 'docs/cli.md';
export const OPTIONS_FILE = 'services/cli/service-options.json';

/** Words of a command, and the command. */
export type Leaf = readonly [path: string, command: Command];

export function leavesOf(command: Command = strongroomProgram(), path = ''): Leaf[] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((each) => leavesOf(each, `${path} ${each.name()}`.trim()));
}

/** Asks each service for its help: several programs are started. */
export async function serviceOptions(): Promise<ServiceOptions> {
  const own = leavesOf().filter(([, leaf]) => factsOf(leaf)?.ownProgram);
  const options: Record<string, ServiceOption[]> = {};
  for (const [path] of own) options[path] = optionsIn(await readServiceHelp(path));
  return options;
}

const OPTION_LINE = /^ {2}(--\S+(?: [<[]\S*?[\]>]+)?)(?: {2,}(.*))?$/;

/** The part of a help that commander writes under `Options:`, whose long lines are wrapped. */
export function optionsIn(help: string): ServiceOption[] {
  const [, block = ''] = /^Options:\n((?: {2}.*\n?)+)/m.exec(help) ?? [];
  const lines = block.replace(/\n {5,}/g, ' ').split('\n');
  return lines.flatMap((line) => {
    const [, flags, text = ''] = OPTION_LINE.exec(line) ?? [];
    if (flags === undefined) return [];
    const [, choices] = /\(choices: ("[^)]*?")(?:, default: .*)?\)/.exec(text) ?? [];
    const values = [...(choices ?? '').matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? '');
    return [{ flags, text: text.trim(), ...(values.length === 0 ? {} : { values }) }];
  });
}

export function cliPage(services: ServiceOptions): string {
  const nouns = strongroomProgram().commands;
  return [
    introduction(),
    ...nouns.flatMap((noun) => [
      ...(noun.commands.length === 0
        ? []
        : [`## ${noun.name()}\n\n${sentence(noun.description())}\n`]),
      ...leavesOf(noun, noun.name()).map(([path, leaf]) => leafPart(path, leaf, services[path])),
    ]),
  ].join('\n');
}

function introduction(): string {
  const exits = Object.entries(EXIT_MEANINGS).map(([code, text]) => `| ${code} | ${text} |`);
  const verbs = Object.entries(VERBS).map(([verb, text]) => `| ${verb} | ${text} |`);
  return `# The command line

\`strongroom NOUN VERB\`, made for people and for scripts alike:

- data goes to stdout; everything else (notices, progress, errors) to stderr;
- \`--json\` makes the data one line of JSON, and an error one line \`{"error":{…}}\`;
- nothing asks where no terminal is; where something asks, a flag answers;
- a bar shows how far long work is, at a terminal alone; elsewhere a line every five seconds;
- secrets are read from files and written to files that you alone can read; no option takes one.

\`strongroom init\` sets up an organisation, \`strongroom doctor\` says what is wrong and how to
mend it, \`strongroom completion\` is for your shell. Every [error code](errors.md) is on a page.
This page is made by \`scripts/write-cli.ts\` from the commands themselves.

**Ports.** Unless \`--port\` says otherwise, key release listens at 8470, attestation at 8480, an
owner's page at 8481, an analyst's page at 8482 and a worker at 8490; 0 takes any that is free, and
says which. A port that is taken is \`ERR_PORT_UNAVAILABLE\`.

**Exit codes.** A command that has others says so in its help and below.

| code | meaning |
|---|---|
${exits.join('\n')}

**Verbs** mean the same everywhere:

| verb | what it does |
|---|---|
${verbs.join('\n')}
`;
}

function leafPart(path: string, leaf: Command, service: readonly ServiceOption[] = []): string {
  const facts = factsOf(leaf);
  const options = facts?.ownProgram ? service : leaf.options.map(ownOption);
  const rows = options.map(({ flags, text }) => `| \`${flags}\` | ${cell(text)} |`);
  const args = leaf.registeredArguments.filter(() => !facts?.ownProgram).map(argumentText);
  const exits = Object.entries(facts?.exits ?? {}).map(([code, text]) => `${code}: ${text}`);
  const heading = path.includes(' ') ? '###' : '##';
  return [
    `${heading} strongroom ${[path, ...args.map(([shown]) => shown)].join(' ')}\n`,
    `${sentence(leaf.description())}\n`,
    ['```', facts?.example.replaceAll(/^ {2}/gm, ''), '```\n'].join('\n'),
    ...(exits.length === 0 ? [] : [`Exit codes: ${exits.join('; ')}.\n`]),
    ...(facts?.withoutJson === undefined ? [] : [`No \`--json\`: ${facts.withoutJson}.\n`]),
    ...args.map(([shown, text]) => `\`${shown}\`: ${text}\n`),
    ...(rows.length === 0 ? [] : ['| option | |\n|---|---|', `${rows.join('\n')}\n`]),
    ...(path === 'doctor' ? [checksPart()] : []),
  ].join('\n');
}

function checksPart(): string {
  const rows = Object.entries(CHECKS).map(
    ([code, { group, looks, mend }]) => `| ${code} | ${group} | ${looks} | ${cell(mend)} |`,
  );
  return ['| code | group | looks whether | how to mend it |\n|---|---|---|---|', ...rows, ''].join(
    '\n',
  );
}

function ownOption(option: Option): ServiceOption {
  const values = option.argChoices ?? [];
  const notes = [
    ...(values.length === 0 ? [] : [`one of ${values.join(', ')}`]),
    ...(option.defaultValue === undefined || option.defaultValue === ''
      ? []
      : [`default ${String(option.defaultValue)}`]),
    ...(option.envVar === undefined ? [] : [`or ${option.envVar}`]),
    ...(option.mandatory ? ['required'] : []),
  ];
  const note = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  return { flags: option.flags, text: `${option.description}${note}`.trim() };
}

function argumentText(argument: Argument): [string, string] {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return [argument.required ? `<${name}>` : `[${name}]`, argument.description || 'required'];
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
const cell = (text: string) => text.replaceAll('|', '\\|');

export function optionsText(services: ServiceOptions): string {
  return `${JSON.stringify(services, null, 1)}\n`;
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  const services = await serviceOptions();
  writeFileSync(join(root, OPTIONS_FILE), optionsText(services));
  writeFileSync(join(root, CLI_FILE), cliPage(services));
  process.stdout.write(`${CLI_FILE}, ${OPTIONS_FILE}\n`);
}
