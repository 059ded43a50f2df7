import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { failCommand } from '@strongroom/runtime/command';
import { createProgress } from '@strongroom/runtime/progress';
import { type LaneOutcome, runLanes } from './lanes.ts';
import type { Outcome } from './run-schedule.ts';
import { FAULT_KINDS, type FaultKind, scheduleOf } from './schedule.ts';
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
  --rows M      rows of each schedule (4000)
  --lanes L     so many at a time, each with a broker and services of its own (3)
  --kinds A,B   only these: ${FAULT_KINDS.slice(0, 7).join(', ')},
                ${FAULT_KINDS.slice(7).join(', ')}
  --out FILE    append one JSON line a schedule; seeds that are in it are not run again
  --print       print the schedules and run nothing
  --keep        leave the folder with all logs of a schedule that failed
  --json        one JSON line a schedule on stdout, and the summary as the last one

Exit code: 0 no anomaly, 1 an anomaly (its seed is printed), 64 usage, 69 no Kafka.
`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    rows: { type: 'string', default: '4000' },
    lanes: { type: 'string', default: '3' },
    kinds: { type: 'string' },
    out: { type: 'string' },
    print: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const SHOWN_MAX = 10;
/** 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;
const first = Number(values.seed ?? 1);
const count = Number(values.seeds ?? (values.seed === undefined ? 40 : 1));
const all = Array.from({ length: count }, (_, index) => first + index);
const kinds = values.kinds?.split(',') as FaultKind[] | undefined;
const unknown = kinds?.find((kind) => !FAULT_KINDS.includes(kind));
const isWrong = [first, count, Number(values.rows), Number(values.lanes)].some(
  (number) => !Number.isSafeInteger(number) || number < 1,
);

if (values.help) process.stdout.write(HELP);
else if (unknown !== undefined || isWrong) {
  process.stderr.write(unknown === undefined ? HELP : `no such kind of fault: ${unknown}\n`);
  process.exitCode = 64;
} else if (values.print) {
  for (const seed of all) process.stdout.write(`${JSON.stringify(scheduleOf(seed, kinds))}\n`);
} else {
  process.once('SIGINT', endEarly).once('SIGTERM', endEarly);
  await run().catch((error: unknown) => failCommand(error, values.json));
}

async function run(): Promise<void> {
  const before = earlier(values.out);
  const known = new Set(before.map(({ seed }) => seed));
  const seeds = all.filter((seed) => !known.has(seed));
  const bar = createProgress('fault schedules', seeds.length);
  const outcomes: Outcome[] = [...before];
  await runLanes({
    ...{ seeds, rows: Number(values.rows), lanes: Number(values.lanes), keep: values.keep },
    ...(kinds === undefined ? {} : { kinds }),
    onMissing: (missing) => {
      for (const [kind, why] of Object.entries(missing)) {
        process.stderr.write(`not done here: ${kind} (${why})\n`);
      }
    },
    onOutcome: (outcome) => {
      outcomes.push(outcome);
      tell(outcome);
      bar.advance(1, `schedules, ${outcomes.filter(isBad).length} with anomalies`);
    },
  });
  bar.done();
  const summary = summarize(outcomes);
  process.stdout.write(`${JSON.stringify({ summary }, undefined, values.json ? 0 : 2)}\n`);
  process.exitCode = outcomes.some(isBad) ? 1 : 0;
}

function endEarly(): void {
  void closeWorlds().finally(() => process.exit(EXIT_INTERRUPTED));
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
  const { seed, anomalies, folder } = outcome;
  process.stderr.write(`seed ${seed}: ${JSON.stringify(scheduleOf(seed, kinds))}\n`);
  for (const each of anomalies.slice(0, SHOWN_MAX)) {
    process.stderr.write(`  ${each.kind} ${JSON.stringify(each.facts)}\n`);
  }
  if (folder !== undefined) process.stderr.write(`  logs: ${folder}\n`);
}
