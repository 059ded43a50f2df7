import { spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@strongroom/record-log/free-port';
import { stopLocalKafka } from '@strongroom/record-log/local-kafka';
import { firstMissing, type Step, stepsOf } from './fences.ts';

/** Runs the commands of pages as a person would type them, in one shell, in an empty folder. */

const ROOT = join(import.meta.dirname, '../..');

/** In the order in which they are run, one after the other in one folder. */
export const RUN_PAGES: readonly string[] = [
  'docs/tutorial.md',
  'docs/how-to/read-an-error-code.md',
];

/** They go on there, in long runs. */
export const LONG_PAGES: readonly string[] = [
  'docs/how-to/README.md',
  'docs/how-to/recover-an-outbox.md',
  'docs/how-to/amend-a-contract.md',
  'docs/how-to/rotate-a-key.md',
  'docs/how-to/back-up-key-release.md',
  'docs/how-to/add-an-owner.md',
  'docs/how-to/revoke-a-dataset.md',
];

export interface PageRun {
  /** One line for each block that did not do what its page says. */
  readonly faults: readonly string[];
  readonly blocks: number;
  /** What was printed, for a person who looks for the cause. */
  readonly log: string;
  readonly seconds: number;
  /** Of the processor, by all that ended: not Kafka. */
  readonly busySeconds: number;
}

/** @param pages paths from the root, in the order in which they are followed */
export async function runPages(pages: readonly string[], deadlineMs: number): Promise<PageRun> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-docs-'));
  const startedAt = performance.now();
  try {
    await symlink(ROOT, join(folder, 'strongroom'));
    const swap = await portsOf(await textOf(pages));
    const steps = (await Promise.all(pages.map(pageSteps)))
      .flat()
      .map((step) => swapped(step, swap));
    const script = join(folder, '.commands.sh');
    await writeFile(script, [...steps.map(shellOf), ...THE_END].join('\n'));
    const log = await runShell(script, folder, deadlineMs);
    const seconds = (performance.now() - startedAt) / 1_000;
    return {
      faults: faultsIn(steps, log),
      blocks: steps.length,
      log,
      seconds,
      busySeconds: busyIn(log),
    };
  } finally {
    await stopLocalKafka(join(folder, '.strongroom', 'kafka'));
    await rm(folder, { recursive: true, force: true });
  }
}

const textOf = async (pages: readonly string[]) => (await Promise.all(pages.map(pageText))).join();
const pageText = (page: string) => readFile(join(ROOT, page), 'utf8');
const pageSteps = async (page: string) => stepsOf(page, await pageText(page));

/** The pages name fixed ports, which somebody else on this machine may have taken. */
const PORT = /(?<=localhost:|--port )\d{4,5}\b/g;

async function portsOf(text: string): Promise<ReadonlyMap<string, string>> {
  const ports = new Map<string, string>();
  for (const port of new Set(text.match(PORT))) {
    let free = String(await freePort());
    while ([...ports.values()].includes(free)) free = String(await freePort());
    ports.set(port, free);
  }
  return ports;
}

function swapped({ commands, promised }: Step, ports: ReadonlyMap<string, string>): Step {
  const swap = (line: string) => line.replaceAll(PORT, (port) => ports.get(port) ?? port);
  return {
    commands: { ...commands, lines: commands.lines.map(swap) },
    promised: promised.map(swap),
  };
}

/** What pages leave running would be waited for until the deadline. */
const THE_END = ['kill $(jobs -p) 2>/dev/null || true', 'wait', 'times'];

const MARK = '\u001e';

/** The shell ends with the first command that fails: what follows would fail for that reason. */
function shellOf({ commands: { lines, exit } }: Step, at: number): string {
  const head = at === 0 ? ['set -e'] : [];
  const body =
    exit === undefined ? lines : ['code=0', '(', ...lines, `) || code=$?`, exitTest(exit)];
  return [...head, mark(at, 'begin'), ...body, mark(at, 'end')].join('\n');
}

const exitTest = (exit: number) =>
  `[ "$code" = ${exit} ] || { echo "exit code $code, not ${exit}"; exit 1; }`;

/** A command may have ended without a new line. */
const mark = (at: number, what: string) => `printf '\\n${MARK}${what} ${at}\\n'`;

async function runShell(script: string, folder: string, deadlineMs: number): Promise<string> {
  const logFile = join(folder, '.log');
  const log = await open(logFile, 'w');
  const { KAFKA_BROKERS, STRONGROOM, ...others } = process.env;
  // A group of its own, so that what the pages leave running in the background ends with it.
  const shell = spawn('bash', [script], {
    cwd: folder,
    env: { ...others, NO_COLOR: '1' },
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  });
  const ended = new Promise<void>((resolve, reject) => {
    shell.once('error', reject).once('exit', () => resolve());
  });
  const timer = setTimeout(() => endGroup(shell.pid), deadlineMs);
  await ended;
  clearTimeout(timer);
  endGroup(shell.pid);
  await log.close();
  return readFile(logFile, 'utf8');
}

/** The shell's `times`: its own, then those of its children, user and system. */
function busyIn(log: string): number {
  const spans = log.slice(-100).matchAll(/(\d+)m([\d.]+)s/g);
  return [...spans].reduce(
    (sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest),
    0,
  );
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it runs any more.
  }
}

function faultsIn(steps: readonly Step[], log: string): string[] {
  return steps.flatMap(({ commands, promised }, at) => {
    const where = `${commands.page}:${commands.line}`;
    const [, after] = log.split(`${MARK}begin ${at}\n`);
    if (after === undefined) return [];
    const [printed = '', behind] = after.split(`${MARK}end ${at}\n`);
    const lines = printed.split('\n');
    if (behind === undefined)
      return [`${where} ended with an error:\n${lines.slice(-15).join('\n')}`];
    const missing = firstMissing(promised, lines);
    return missing === undefined ? [] : [`${where} did not print: ${missing}\nbut:\n${printed}`];
  });
}
