import { leavesOf } from '../../scripts/write-cli.ts';
import { readServiceOptions } from '../../services/cli/src/service-options.ts';
import type { Fence } from './fences.ts';

/** `strongroom …` lines of pages, whether they are run or not: their verbs and options exist. */

/** Read by the programs of the simulated platform alone, whose help no other one shows. */
const SIMULATED = ['--simulated', '--roots', '--platform-dir'];
const LANGUAGES = ['', 'sh', 'bash', 'console'];

const known = new Map(
  leavesOf().map(([path, leaf]) => [
    path,
    [
      ...leaf.options.map(({ long }) => long ?? ''),
      ...(readServiceOptions()[path] ?? []).map(({ flags }) => flags.split(' ')[0] ?? ''),
      '--help',
    ],
  ]),
);

/** @returns what is wrong with the lines of a fence, with the line */
export function unknownCommands({ page, line, language, lines }: Fence): string[] {
  if (!LANGUAGES.includes(language)) return [];
  const text = lines.join('\n').replaceAll(/\\\n\s*/g, ' ');
  return text.split('\n').flatMap((each) => {
    const problem = each
      .split(/[|;&]|\$\(/)
      .map(problemOf)
      .find((found) => found !== undefined);
    return problem === undefined ? [] : [`${page}:${line}: ${problem}: ${each.trim()}`];
  });
}

/** Whether words begin with a command, or are the noun of several, as a sentence may call them. */
export function isCommandOrNoun(words: string): boolean {
  const args = words.trim().split(/\s+/);
  const names = args.slice(0, args.findIndex((arg) => !/^[a-z][a-z-]*$/.test(arg)) >>> 0);
  const isNoun = [...known.keys()].some((path) => path.startsWith(`${names.join(' ')} `));
  return isNoun || [3, 2, 1].some((length) => known.has(names.slice(0, length).join(' ')));
}

function problemOf(command: string): string | undefined {
  const words = command.replaceAll(/[)"']/g, ' ').trim().split(/\s+/);
  if (words[0] === '$') words.shift();
  const start = words.join(' ').startsWith('npm run strongroom --') ? 4 : 1;
  if (start === 1 && !/(^|\/)strongroom(\.mjs)?$/.test(words[0] ?? '')) return undefined;
  const args = words.slice(start);
  // A sentence, or a help that names no verb.
  if (args.length === 0 || !/^(--|[a-z][a-z-]*$)/.test(args[0] ?? '')) return undefined;
  if (args[0]?.startsWith('--')) return undefined;
  const path = [3, 2, 1]
    .map((length) => args.slice(0, length).join(' '))
    .find((each) => known.has(each));
  if (path === undefined) return 'no such command';
  const options = known.get(path) ?? [];
  const simulated = args.includes('--simulated') ? SIMULATED : [];
  const used = args.flatMap((arg) => /^--[a-z][a-z0-9-]*/.exec(arg)?.[0] ?? []);
  const odd = used.find((option) => !options.includes(option) && !simulated.includes(option));
  return odd === undefined ? undefined : `${path} has no ${odd}`;
}
