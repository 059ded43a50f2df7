/** What stands between ``` in a page, and what comments before it say about running it. */

export interface Fence {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  /** The word behind the ```; '' without one. */
  readonly language: string;
  readonly lines: readonly string[];
  /** `<!-- not run: REASON -->` on the line before. */
  readonly notRun?: string;
  /** `<!-- exit: CODE -->` on the line before: it is to end so. */
  readonly exit?: number;
}

export function fencesOf(page: string, text: string): Fence[] {
  const lines = text.split('\n');
  const fences: Fence[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const [, language] = /^```(\S*)/.exec(lines[at] ?? '') ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`${page}:${at + 1}: the fence has no end`);
    const inside = lines.slice(at + 1, end);
    fences.push({ page, line: at + 2, language, lines: inside, ...marksIn(lines[at - 1] ?? '') });
    at = end;
  }
  return fences;
}

function marksIn(before: string): Pick<Fence, 'notRun' | 'exit'> {
  const notRun = /^<!-- not run: (.+) -->$/.exec(before)?.[1];
  const exit = /^<!-- exit: (\d+) -->$/.exec(before)?.[1];
  return {
    ...(notRun === undefined ? {} : { notRun }),
    ...(exit === undefined ? {} : { exit: Number(exit) }),
  };
}

/** A block of commands, and the `text` fence behind it that says what it prints. */
export interface Step {
  readonly commands: Fence;
  readonly promised: readonly string[];
}

const SHELL = ['sh', 'bash', 'console'];

export const isCommands = ({ language }: Fence) => SHELL.includes(language);

/** What is to be run of a page, in its order. */
export function stepsOf(page: string, text: string): Step[] {
  const fences = fencesOf(page, text);
  return fences.flatMap((commands, at) => {
    if (!isCommands(commands) || commands.notRun !== undefined) return [];
    const next = fences[at + 1];
    return [{ commands, promised: next?.language === 'text' ? next.lines : [] }];
  });
}

/**
 * Each promised line is printed, in that order; others may stand between them. `…` is any text
 * within a line. Spaces at both ends do not count.
 * @returns the first promised line that is not there
 */
export function firstMissing(
  promised: readonly string[],
  printed: readonly string[],
): string | undefined {
  let at = 0;
  for (const line of promised) {
    if (/^\s*…?\s*$/.test(line)) continue;
    const pattern = patternOf(line);
    const found = printed.findIndex((each, index) => index >= at && pattern.test(each.trim()));
    if (found < 0) return line;
    at = found + 1;
  }
  return undefined;
}

function patternOf(line: string): RegExp {
  const parts = line.trim().split('…');
  const exact = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${exact.join('.*')}$`);
}
