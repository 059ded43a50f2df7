import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { failCommand } from '@strongroom/runtime/command';
import { createProgress } from '@strongroom/runtime/progress';
import { type Job, type LaneOutcome, runLanes } from './lanes.ts';
import type { Outcome } from './run-schedule.ts';
import {
  coverOf,
  FAULT_KINDS,
  type FaultKind,
  type Mode,
  pairOf,
  type Schedule,
  scheduleOf,
} from './schedule.ts';
import { summarize } from './summary.ts';
import { closeWorlds } from './world.ts';

/** `npm run test:faults`: seeded schedules of faults on real processes and a real Kafka. */

const HELP = `npm run test:faults -- [--seeds N] [--seed S] [--rows M] [--json]

Seeded schedules of faults: the worker, its vault, the broker and the owners' key release are
killed, put to sleep, cut off, misled about the time, starved and filled up, while rows are
published, counted and read. Afterwards the history is checked: every row in exactly one result,
one byte string a result, no anomaly that Jepsen's checker for Kafka has a name for.

  --seeds N     so many schedules (40)
  --seed S      the first seed (1); alone, only this one: what it did is done again
  --pairs N     and so many with deaths at two random failpoints and no other fault (0)
  --cover       then kill a process at each failpoint at which none died
  --rows M      rows of each schedule (4000)
  --lanes L     so many at a time, each with a broker and services of its own (3)
  --kinds A,B   only these: ${FAULT_KINDS.slice(0, 5).join(', ')},
                ${FAULT_KINDS.slice(5, 10).join(', ')},
                ${FAULT_KINDS.slice(10).join(', ')}
  --out FILE    append one JSON line a schedule; seeds that are in it are not run again
  --print       print the schedules and run nothing
  --keep        leave the folder with all logs of a schedule that failed
  --json        one JSON line a schedule on stdout, and the summary as the last one

Exit code: 0 no anomaly, 1 an anomaly (its seed is printed), 64 usage, 69 no Kafka.
`;

const values = readOptions();

const SHOWN_MAX = 10;
let isEnding = false;
const COVER_ROUNDS = 2;
const COVER_PLACES = 4;
/** 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;
const first = Number(values.seed ?? 1);
const pairs = Number(values.pairs ?? 0);
const usual = values.seed === undefined ? 40 : 1;
const count = Number(values.seeds ?? (values.pairs === undefined ? usual : 0));
const wanted: readonly Wanted[] = [
  ...Array.from(
    { length: count },
    (_, index) => ({ mode: 'faults', seed: first + index }) as const,
  ),
  ...Array.from({ length: pairs }, (_, index) => ({ mode: 'pairs', seed: first + index }) as const),
];
const kinds = values.kinds?.split(',') as FaultKind[] | undefined;
const unknown = kinds?.find((kind) => !FAULT_KINDS.includes(kind));
const isWrong = [first, wanted.length, Number(values.rows), Number(values.lanes)].some(
  (number) => !Number.isSafeInteger(number) || number < 1,
);

if (values.help) process.stdout.write(HELP);
else if (unknown !== undefined || isWrong) {
  process.stderr.write(unknown === undefined ? HELP : `no such kind of fault: ${unknown}\n`);
  process.exitCode = 64;
} else if (values.print) {
  for (const each of wanted) process.stdout.write(`${JSON.stringify(draw(each))}\n`);
} else {
  process.once('SIGINT', endEarly).once('SIGTERM', endEarly);
  await run().catch((error: unknown) => failCommand(error, values.json));
}

async function run(): Promise<void> {
  const before = earlier(values.out);
  if (values.out !== undefined) mkdirSync(path.dirname(values.out), { recursive: true });
  const known = new Set(before.map(({ mode, seed }) => `${mode} ${seed}`));
  const left = wanted.filter(({ mode, seed }) => !known.has(`${mode} ${seed}`));
  const outcomes: Outcome[] = [...before];
  await runJobs(
    left.map((each) => (possible) => draw(each, possible)),
    outcomes,
  );
  for (let round = 1; values.cover && round <= COVER_ROUNDS; round += 1) {
    await runJobs(coverJobs(summarize(outcomes).missed, round), outcomes);
  }
  const summary = summarize(outcomes);
  process.stdout.write(`${JSON.stringify({ summary }, undefined, values.json ? 0 : 2)}\n`);
  process.exitCode = outcomes.some(isBad) ? 1 : 0;
}

function endEarly(): void {
  isEnding = true;
  void closeWorlds().finally(() => process.exit(EXIT_INTERRUPTED));
}

/** What is no option of ours is a usage error, like everywhere else. */
function readOptions() {
  try {
    return parseArgs({
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        rows: { type: 'string', default: '4000' },
        lanes: { type: 'string', default: '3' },
        kinds: { type: 'string' },
        out: { type: 'string' },
        pairs: { type: 'string' },
        cover: { type: 'boolean', default: false },
        print: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exit(64);
  }
}

interface Wanted {
  readonly mode: Exclude<Mode, 'cover'>;
  readonly seed: number;
}

function draw(
  { mode, seed }: Wanted,
  possible: readonly FaultKind[] | undefined = kinds,
): Schedule {
  return mode === 'pairs' ? pairOf(seed) : scheduleOf(seed, possible);
}

/** A few workers each, and a seed of its own, so that no line of a file is taken for another. */
function coverJobs(missed: readonly string[], round: number): Job[] {
  const jobs: Job[] = [];
  for (let at = 0; at < missed.length; at += COVER_PLACES) {
    const seed = first + round * 1_000 + at;
    jobs.push(() => coverOf(seed, missed.slice(at, at + COVER_PLACES)));
  }
  return jobs;
}

async function runJobs(jobs: readonly Job[], outcomes: Outcome[]): Promise<void> {
  if (jobs.length === 0) return;
  const bar = createProgress('fault schedules', jobs.length);
  await runLanes({
    ...{ jobs, rows: Number(values.rows), lanes: Number(values.lanes), keep: values.keep },
    ...(kinds === undefined ? {} : { kinds }),
    onMissing: (missing) => {
      for (const [kind, why] of Object.entries(missing)) {
        process.stderr.write(`not done here: ${kind} (${why})\n`);
      }
    },
    onOutcome: (outcome) => {
      // What ends a run early ends its schedules somehow.
      if (isEnding) return;
      outcomes.push(outcome);
      tell(outcome);
      bar.advance(1, `schedules, ${outcomes.filter(isBad).length} with anomalies`);
    },
  });
  bar.done();
}

function earlier(file: string | undefined): Outcome[] {
  if (file === undefined || !existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

function isBad({ anomalies }: Outcome): boolean {
  return anomalies.length > 0;
}

function tell(outcome: LaneOutcome): void {
  const line = `${JSON.stringify(outcome)}\n`;
  if (values.out !== undefined) appendFileSync(values.out, line);
  if (values.json) process.stdout.write(line);
  if (!isBad(outcome)) return;
  const { mode, seed, anomalies, folder } = outcome;
  const shown = mode === 'cover' ? outcome : draw({ mode, seed });
  process.stderr.write(`${mode} ${seed}: ${JSON.stringify(shown)}\n`);
  for (const each of anomalies.slice(0, SHOWN_MAX)) {
    process.stderr.write(`  ${each.kind} ${JSON.stringify(each.facts)}\n`);
  }
  if (folder !== undefined) process.stderr.write(`  logs: ${folder}\n`);
}
