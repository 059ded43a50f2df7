import { join } from 'node:path';
import process from 'node:process';
import { PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { usageError } from '@strongroom/runtime/arguments';
import { printable } from '@strongroom/runtime/printable';
import { type Command, Option } from 'commander';
import { leafCommand, printResult } from '../leaf-command.ts';
import { type GivenAnswers, ROLES, readAnswers, wholeAnswers } from './answers.ts';
import { askAnswers, confirmPlan } from './ask-answers.ts';
import { describeRows } from './describe-rows.ts';
import { joinDraft, newDraft } from './draft.ts';
import { nextSteps, type Step } from './next-steps.ts';
import { type Plan, planOf } from './plan.ts';
import { demandFree, writePlan } from './write-plan.ts';

/** `strongroom init`: from nothing to a party that can join a contract. */
export function addInitCommand(program: Command): void {
  leafCommand(
    program,
    'init',
    'set up an organisation: keys, folders, settings of its key release service, a draft',
    'strongroom init\n' +
      '  strongroom init --party north --keys-url https://keys.north.example --yes\n' +
      '  strongroom init --party north --source visits.csv\n' +
      '  strongroom init --party north --source visits.csv --csv "dates=31.12.2001"\n' +
      '  strongroom init --answers north.answers.json --join received/draft.json --dry-run',
  )
    .option('--party <id>', 'your id in contracts: a-z, 0-9 and hyphens')
    .option('--name <text>', 'your name, as other parties read it; default: the id')
    .addOption(new Option('--role <role>', 'what you are; default: owner').choices([...ROLES]))
    .option('--folder <dir>', 'to be made; default: the id')
    .addOption(
      new Option('--platform <kind>', 'where it will run; default: amd').choices([
        ...PLATFORM_KINDS,
      ]),
    )
    .option('--attestation <url>', 'attestation service; default: https://localhost:8480')
    .option('--keys-url <url>', 'of an owner’s key release; default: https://localhost:8470')
    .option('--dataset <id>', 'of an owner; default: rows-ID')
    .option('--relation <name>', 'the SQL table of its rows; default: data')
    .option('--source <file>', 'of an owner: a file with rows, to take columns from')
    .option('--csv <dialect>', 'how that file is written, as `producer publish --csv` takes it')
    .option('--join <draft>', "another party's draft, as it handed it over with its folder")
    .option('--answers <file>', 'JSON object with these options as members, in camelCase')
    .option('--yes', 'ask nothing: take the defaults for what is not given')
    .option('--dry-run', 'say what would be made, make nothing')
    .addHelpText(
      'after',
      '\nNothing is ever overwritten: the folder must not exist. Where no terminal is, nothing\n' +
        'is asked. Secrets are made here, are readable by you alone, and are never printed.',
    )
    .action(init);
}

interface InitOptions extends GivenAnswers {
  readonly answers?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

async function init(options: InitOptions): Promise<void> {
  const { answers: file, yes, dryRun = false, json, ...flags } = options;
  const given = { ...(file === undefined ? {} : await readAnswers(file)), ...flags };
  const isAsking = !yes && !json && file === undefined && process.stdin.isTTY === true;
  const answers = wholeAnswers(isAsking ? await askAnswers(given) : given);
  const { folder, join: draftPath, source, csv } = answers;
  if (csv !== undefined && source === undefined) throw usageError('--csv says how a --source is');
  await demandFree(folder);
  const rows = source === undefined ? undefined : await describeRows(source, csv);
  const draft =
    draftPath === undefined ? newDraft(answers, rows) : await joinDraft(draftPath, answers);
  const plan = await planOf(answers, draft, rows?.mapping);
  if (isAsking && !dryRun) await confirmPlan(folder, planLines(plan));
  if (!dryRun) await writePlan(folder, plan);
  const next = nextSteps(answers, draft.missing);
  const { party, role } = answers;
  const files = plan.files.map(({ path, mode, holds }) => ({
    ...{ path: join(folder, path), mode: octal(mode), holds },
  }));
  const leftOut = rows?.leftOut ?? [];
  const facts = { party, role, folder, dryRun, files, missing: draft.missing, leftOut, next };
  const omissions = leftOut.map(({ name, problem }) => `left out: ${name}: ${problem}`);
  printResult(json, facts, initText(folder, [...planLines(plan), ...omissions], next, dryRun));
}

function initText(
  folder: string,
  holds: readonly string[],
  next: readonly Step[],
  dryRun: boolean,
): string {
  const lines = [
    dryRun ? `${folder} would hold` : `${folder} holds`,
    ...holds.map((line) => `  ${line}`),
    '',
    'What to do next',
    ...next.flatMap(({ what, run }, at) => [
      `  ${at + 1}. ${what}`,
      ...run.map((line) => `       ${line}`),
    ]),
  ];
  return lines.map(printable).join('\n');
}

function planLines({ files }: Plan): string[] {
  const width = Math.max(...files.map(({ path }) => path.length));
  return files.map(({ path, mode, holds }) => `${path.padEnd(width)}  ${octal(mode)}  ${holds}`);
}

const octal = (mode: number) => `0${mode.toString(8)}`;
