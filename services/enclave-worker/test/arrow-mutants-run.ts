import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { MutantKind } from './arrow-mutants.ts';
import type { MutantsRead } from './arrow-mutants-child.ts';

/** What became of all mutants, and how the process lived that had them read. */
export interface MutantsRun {
  readonly outcomes: Partial<Record<MutantKind, Record<string, number>>>;
  readonly wrong: string[];
  /** Mutants that a child hung or died on. */
  readonly killed: string[];
  readonly slowestMs: number;
  readonly peakBytes: number;
  /** The longest that the parent's own thread was busy without a turn of its loop. */
  readonly stallMs: number;
}

const CHUNK = 500;
const CHUNK_MS = 180_000;
/** A mutant alone, with the start of its child. */
const ONE_MS = 60_000;
const HEAP_MB = 128;
const TICK_MS = 10;

export async function runMutants(from: number, to: number): Promise<MutantsRun> {
  const run = { outcomes: {}, wrong: [], killed: [], slowestMs: 0, peakBytes: 0, stallMs: 0 };
  const watch = watchStalls();
  const reader = new Reader();
  try {
    for (let start = from; start < to; start += CHUNK) {
      await readRange(reader, start, Math.min(to, start + CHUNK), run);
    }
  } finally {
    await reader.end();
    run.stallMs = watch.end();
  }
  return run;
}

type Mutable = { -readonly [Key in keyof MutantsRun]: MutantsRun[Key] };

/** Where a child is lost with many mutants, each of them is read alone. */
async function readRange(reader: Reader, from: number, to: number, run: Mutable): Promise<void> {
  const read = await reader.read(from, to, to - from > 1 ? CHUNK_MS : ONE_MS);
  if (read) {
    add(run, read);
  } else if (to - from === 1) {
    run.killed.push(`${from}`);
  } else {
    for (let number = from; number < to; number++) await readRange(reader, number, number + 1, run);
  }
}

function add(run: Mutable, read: MutantsRead): void {
  run.wrong.push(...read.wrong);
  run.slowestMs = Math.max(run.slowestMs, read.slowestMs);
  run.peakBytes = Math.max(run.peakBytes, read.peakBytes);
  for (const [kind, counts] of Object.entries(read.outcomes)) {
    const sums = run.outcomes[kind as MutantKind] ?? {};
    for (const [outcome, count] of Object.entries(counts)) {
      sums[outcome] = (sums[outcome] ?? 0) + count;
    }
    run.outcomes[kind as MutantKind] = sums;
  }
}

/** A child that reads mutants; a new one when it had to be killed. */
class Reader {
  #child: ChildProcess | undefined;

  /** @returns undefined when the child died or did not answer in time */
  async read(from: number, to: number, deadlineMs: number): Promise<MutantsRead | undefined> {
    this.#child ??= fork(join(import.meta.dirname, 'arrow-mutants-child.ts'), {
      execArgv: ['--conditions=strongroom:source', `--max-old-space-size=${HEAP_MB}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const child = this.#child;
    const answer = await answerOf(child, { from, to }, deadlineMs);
    if (answer === undefined) await this.end();
    return answer;
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** @returns undefined when the child ends, or the deadline passes, before it has answered */
async function answerOf(
  child: ChildProcess,
  question: { readonly from: number; readonly to: number },
  deadlineMs: number,
): Promise<MutantsRead | undefined> {
  const settled = new AbortController();
  const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(deadlineMs)]);
  try {
    const answered = once(child, 'message', { signal });
    const ended = once(child, 'exit', { signal }).then(() => []);
    child.send(question, () => undefined);
    const [read] = await Promise.race([answered, ended]);
    return read;
  } catch {
    return undefined;
  } finally {
    settled.abort();
  }
}

/** Of the thread's own time: what other processes take of the machine is no stall. */
function watchStalls(): { end(): number } {
  let longest = 0;
  let before = process.threadCpuUsage();
  const look = () => {
    const { user, system } = process.threadCpuUsage(before);
    before = process.threadCpuUsage();
    longest = Math.max(longest, (user + system) / 1_000);
  };
  const timer = setInterval(look, TICK_MS);
  return {
    end() {
      look();
      clearInterval(timer);
      return longest;
    },
  };
}
