import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { codeOf } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { failCommand } from '@strongroom/runtime/command';
import { findKafka } from '@strongroom/testkit/find-kafka';
import { prepareFolders, setUp } from '../deployment/organisations.ts';
import type { Deployment } from '../deployment/pipeline.ts';
import { Processes } from '../deployment/processes.ts';
import { heading, say, step } from '../deployment/terminal.ts';
import { type Comparison, compareWithPlaintext, type ShownAggregate } from './compare.ts';
import { demoPlan, MINIMUM_GROUP_ROWS } from './contract.ts';
import { type MainJob, readAggregates, runMainJob } from './main-job.ts';
import { showOperatorsView } from './operator-view.ts';
import { type Refusal, showRefusals } from './refusals.ts';
import { type Sources, splitSources } from './sources.ts';

/**
 * The product's main job, on real input and a real Kafka: five owners, an enclave worker on the
 * simulated platform, two analysts, and a Kafka operator who cheats.
 */

const ROOT = path.resolve(import.meta.dirname, '../..');

async function demo(options: { rows: number | undefined; json: boolean; keep: boolean }) {
  const began = performance.now();
  const folders = await prepareFolders(path.join(ROOT, '.strongroom', `demo-${process.pid}`));
  const processes = new Processes(folders.logs);
  processes.watch('demo', process.pid);
  endCleanlyOn(['SIGINT', 'SIGTERM', 'SIGHUP'], () => {
    processes.killAll();
    if (!options.keep) rmSync(folders.run, { recursive: true, force: true });
  });
  const kafka = await step('Kafka', () =>
    findKafka({ folder: path.join(folders.run, 'kafka'), onProgress: say }),
  );
  if (kafka.pid > 0) processes.watch('kafka', kafka.pid);
  const log = await connectKafkaLog({ brokers: kafka.brokers.split(','), clientId: 'demo' });
  try {
    const sources = await step('Split the flights among three operators', () =>
      splitSources(path.join(folders.run, 'owners'), options.rows),
    );
    const agreement = await step('Owners, their key releases, one contract signed by all', () =>
      setUp(processes, folders, demoPlan(true)),
    );
    const deployment = { processes, folders, agreement, log, brokers: kafka.brokers };
    const outcome = await compute(deployment, sources);
    report({ ...outcome, sources, peaks: processes.peaksMb(), began }, options.json);
  } finally {
    await processes.stopAll();
    await log.close();
    await kafka.stop();
    if (!options.keep) await rm(folders.run, { recursive: true, force: true });
  }
}

/** Ctrl-C in the middle leaves no process and no private key behind; shells see 128 + the signal. */
function endCleanlyOn(signals: readonly ('SIGINT' | 'SIGTERM' | 'SIGHUP')[], clean: () => void) {
  for (const signal of signals) {
    process.once(signal, () => {
      clean();
      process.exit(128 + constants.signals[signal]);
    });
  }
}

async function compute(deployment: Deployment, sources: Sources) {
  const { truncated, ...job } = await step('Seal, publish, attest, release, compute', () =>
    runMainJob(deployment, sources),
  );
  const shown = await step('The authority verifies and opens its results', () =>
    readAggregates(deployment),
  );
  showSample(shown);
  const comparison = await step('The same SQL on the raw files', () =>
    compareWithPlaintext(shown, sources, MINIMUM_GROUP_ROWS),
  );
  await showOperatorsView(deployment.log, deployment.agreement);
  const refusals = await step('Six who must be refused', () =>
    showRefusals(deployment, { seenByWorker: job.worker.refusals, truncated }),
  );
  return { ...job, shown, comparison, refusals };
}

interface Outcome extends Omit<MainJob, 'truncated'> {
  readonly sources: Sources;
  readonly shown: readonly ShownAggregate[];
  readonly comparison: Comparison;
  readonly refusals: readonly Refusal[];
  readonly peaks: Readonly<Record<string, number>>;
  readonly began: number;
}

/** One line for machines; every figure is counted, none is known beforehand. */
function summaryOf(outcome: Outcome) {
  const { sources, worker, evidence, shown, comparison, refusals, peaks, began } = outcome;
  return {
    rowsIn: sources.rows,
    rowsCounted: worker.rowsCounted,
    windows: worker.windows,
    evidence,
    aggregates: shown.length,
    matchesPlaintext: comparison.matches,
    comparedGroups: comparison.comparedGroups,
    refusals: refusals.map((each) => each.found),
    peakRssMb: peaks,
    secondsToFirstAggregate: inSeconds(outcome.firstAggregateAt - performance.timeOrigin - began),
    seconds: inSeconds(performance.now() - began),
  };
}

function inSeconds(milliseconds: number): number {
  return Number((milliseconds / 1000).toFixed(1));
}

/** What must be true at the end; a demo that cannot fail would show nothing. */
function faultsOf(outcome: Outcome): string[] {
  const { sources, worker, evidence, comparison, refusals, peaks } = outcome;
  const faults = [...comparison.differences];
  if (!comparison.matches) faults.push('the aggregates differ from the plaintext');
  if (evidence !== 'accepted') faults.push('the worker did not show what and where it is');
  if (worker.rowsCounted !== sources.rows) faults.push('not every row was counted once');
  for (const { attempt, expected, found } of refusals) {
    if (found !== expected) faults.push(`${attempt}: expected ${expected}, found ${found}`);
  }
  for (const [name, megabytes] of Object.entries(peaks)) {
    if (megabytes > RSS_MB_MAX) faults.push(`${name} used ${megabytes} MB`);
  }
  return faults;
}

const RSS_MB_MAX = 1024;

function report(outcome: Outcome, json: boolean): void {
  const summary = summaryOf(outcome);
  const faults = faultsOf(outcome);
  heading('Outcome');
  say(`${summary.rowsCounted} of ${summary.rowsIn} rows counted in ${summary.windows} windows`);
  say(`${summary.aggregates} aggregates, ${summary.comparedGroups} groups compared with plaintext`);
  say(`the first of them ${summary.secondsToFirstAggregate} s after the demo's start`);
  for (const [name, megabytes] of Object.entries(summary.peakRssMb)) {
    say(`peak ${String(megabytes).padStart(5)} MB  ${name}`);
  }
  for (const fault of faults) say(`FAULT: ${fault}`);
  say(faults.length === 0 ? `all as it should be, ${summary.seconds} s` : 'the demo failed');
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  if (faults.length > 0) process.exitCode = 1;
}

const SAMPLE_ROWS = 5;

function showSample(shown: readonly ShownAggregate[]): void {
  for (const { query, window, rows } of shown.filter((each) => each.window === null)) {
    say(`${query}${window === null ? '' : ` ${window.start}`}: ${rows.length} groups, the first:`);
    for (const row of rows.slice(0, SAMPLE_ROWS)) say(`  ${JSON.stringify(row)}`);
  }
}

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(`npm run demo -- [--rows N] [--json] [--keep]

  --rows N  use the first N of the 3,000,000 flights
  --json    end with one JSON line on stdout
  --keep    keep the run's folder (logs, Kafka's data) under .strongroom/
`);
} else {
  const rows = values.rows === undefined ? undefined : Number(values.rows);
  if (rows !== undefined && (!Number.isSafeInteger(rows) || rows < 1)) {
    process.stderr.write('error ERR_USAGE: --rows takes a whole number above 0\n');
    process.exitCode = 2;
  } else {
    await demo({ rows, json: values.json, keep: values.keep }).catch((error: unknown) => {
      if (codeOf(error) === undefined) throw error;
      failCommand(error, values.json);
    });
  }
}
