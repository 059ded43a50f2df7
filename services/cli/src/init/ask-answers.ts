import process from 'node:process';
import type { Readable, Writable } from 'node:stream';
import { confirm, intro, note, select, text } from '@clack/prompts';
import { PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type Answers, defaultsFor, type GivenAnswers, problemOf, ROLES } from './answers.ts';

/** Where a person is asked; on stderr, because stdout is for data. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

const TERMINAL: Terminal = { input: process.stdin, output: process.stderr };

type Name = keyof Answers;
type Texts = Exclude<Name, 'role' | 'platform' | 'join' | 'source' | 'csv'>;

const QUESTIONS: Readonly<Record<Texts, string>> = {
  party: 'Your id in contracts (a-z, 0-9, hyphens)',
  name: 'Your name, as other parties read it',
  folder: 'A folder for keys and settings, to be made',
  keysUrl: 'The address at which your key release service will answer',
  dataset: 'An id for your dataset',
  relation: 'The SQL table in which its rows appear; like that of the others',
  attestation: 'The attestation service that you all will believe',
};

const ROLE_HINTS = {
  owner: 'I bring data, and nobody may see its rows',
  reader: 'I read results',
  both: 'I bring data and read results',
} as const;

const PLATFORM_HINTS: Readonly<Record<string, string>> = {
  amd: 'AMD SEV-SNP',
  simulated: 'to try it out: it protects nothing',
};

/**
 * Asks for what was not given yet, one question after the other.
 * @throws ERR_USAGE when the person gives up: nothing was done
 */
export async function askAnswers(
  given: GivenAnswers,
  terminal: Terminal = TERMINAL,
): Promise<GivenAnswers> {
  intro('Set up an organisation', terminal);
  const answers: { -readonly [Each in Name]?: string | undefined } = { ...given };
  const ask = async (name: Texts) => {
    answers[name] ??= await askText(name, defaultsFor(answers)[name] ?? '', terminal);
  };
  const askPath = async (name: 'source' | 'join', message: string) => {
    if (answers[name] !== undefined) return;
    const path = answered(await text({ message, defaultValue: '', ...terminal }));
    if (path !== '') answers[name] = path;
  };
  await ask('party');
  await ask('name');
  answers.role ??= await choose('What are you?', ROLES, ROLE_HINTS, terminal);
  await ask('folder');
  answers.platform ??= await choose('Where will it run?', PLATFORM_KINDS, PLATFORM_HINTS, terminal);
  await ask('attestation');
  if (answers.role !== 'reader') {
    await ask('keysUrl');
    await ask('dataset');
    await ask('relation');
    await askPath('source', 'A file with your rows, to take its columns from; empty for none');
  }
  await askPath('join', "Another party's draft to join (its path); empty to begin one");
  return answers;
}

/** Shows what would be made, and asks once more. @throws ERR_USAGE */
export async function confirmPlan(
  title: string,
  lines: readonly string[],
  terminal: Terminal = TERMINAL,
): Promise<void> {
  note(lines.join('\n'), title, terminal);
  if ((await confirm({ message: 'Make these files?', ...terminal })) !== true) throw givenUp();
}

async function askText(name: Texts, initialValue: string, terminal: Terminal): Promise<string> {
  const answer = await text({
    message: QUESTIONS[name],
    initialValue,
    validate: (value) => problemOf(name, value ?? ''),
    ...terminal,
  });
  return answered(answer);
}

async function choose(
  message: string,
  values: readonly string[],
  hints: Readonly<Record<string, string>>,
  terminal: Terminal,
): Promise<string> {
  const options = values.map((value) => ({ value, label: value, hint: hints[value] ?? '' }));
  return answered(await select({ message, options, ...terminal }));
}

function answered(answer: string | symbol | undefined): string {
  if (typeof answer === 'symbol') throw givenUp();
  return answer ?? '';
}

function givenUp(): StrongroomError {
  return new StrongroomError('ERR_USAGE', { problem: 'it was given up; nothing was done' });
}
