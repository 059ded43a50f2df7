import type { QueryStatus, StreamStatus, WorkerStatus } from '@strongroom/protocol/worker-status';
import { printable } from '@strongroom/runtime/printable';
import type { LogStatus } from './status-of-log.ts';

/** What is known of a computation, and what that means for whoever operates it. */
export interface Status {
  readonly contract: string;
  readonly title: string;
  readonly state: (typeof STATES)[number];
  readonly log: LogStatus;
  /** Null when no worker was asked, or none has answered. */
  readonly worker: WorkerStatus | null;
}

/** Worst last; from `stalled` on somebody should look. */
const STATES = ['done', 'ended', 'running', 'waiting', 'unknown', 'stalled', 'failing'] as const;

/** In one word. Without a worker's answer the log alone cannot tell running from dead. */
export function stateOf(log: LogStatus, worker: WorkerStatus | null, now: number): Status['state'] {
  if (log.isEnded) return 'ended';
  if (!worker) return 'unknown';
  if (worker.queries.length > 0 && worker.queries.every(({ done }) => done)) return 'done';
  if (worker.phase !== 'running') return worker.lives > 1 ? 'failing' : 'waiting';
  if (worker.streams.some((stream) => isStalled(stream, now))) return 'stalled';
  const isBehind = worker.streams.some(({ lag }) => (lag ?? 0) > 0);
  return isBehind ? 'running' : 'waiting';
}

const STALLED_MS = 30_000;

function isStalled({ stalledSince }: StreamStatus, now: number): boolean {
  return stalledSince !== null && now - stalledSince >= STALLED_MS;
}

export function needsSomebody(state: Status['state']): boolean {
  return state === 'stalled' || state === 'failing';
}

/** One screen. */
export function statusText(status: Status, now: number): string {
  const { contract, title, state, log, worker } = status;
  const lines = [
    `${title} (contract ${contract.slice(0, 16)}…): ${state}`,
    newestText(log),
    ...(worker ? workerLines(worker, now) : ['no worker was asked: what follows is the log alone']),
    'streams',
    ...(worker ? worker.streams.map((each) => streamText(each, now)) : log.streams.map(pileText)),
    'queries',
    ...(worker ? worker.queries.map(queryText) : log.results.map(resultText)),
    `refused records set aside on the log: ${log.quarantined ?? 'none'}`,
  ];
  return lines.map(printable).join('\n');
}

function newestText({ newest, starts, isPrepared }: LogStatus): string {
  if (!newest) return `no step has left yet; ${starts} workers have announced themselves`;
  const { epoch, checkpoint } = newest;
  const next = isPrepared ? '; the next one is prepared and has not left' : '';
  return `newest step: checkpoint ${checkpoint} of epoch ${epoch}; ${starts} starts${next}`;
}

function workerLines(worker: WorkerStatus, now: number): string[] {
  const { phase, lives, lastEnd, lastStepAt, refusals } = worker;
  const ended = lastEnd === null ? '' : `, the last one ended with ${lastEnd}`;
  const step = lastStepAt === null ? 'none yet' : `${secondsSince(lastStepAt, now)} ago`;
  const codes = Object.entries(refusals).map(([code, count]) => `${count} x ${code}`);
  return [
    `worker: ${phase}, life ${lives}${ended}; its last step: ${step}`,
    ...(codes.length === 0 ? [] : [`it refused ${codes.join(', ')}`]),
  ];
}

function streamText(stream: StreamStatus, now: number): string {
  const { sequences, rows, watermark, final, missing, held, lag, stalledSince } = stream;
  const until = final ? 'ended' : `complete until ${timeText(watermark)}`;
  const gaps = missing === 0 ? '' : `; ${missing} batches missing, ${held} wait behind them`;
  const since = stalledSince === null ? '' : ` since ${secondsSince(stalledSince, now)}`;
  const behind = (lag ?? 0) > 0 ? `; ${lag} records unread` : '';
  const counted = `${sequences} batches, ${rows} rows, ${until}`;
  return `  ${placeText(stream)}: ${counted}${gaps}${since}${behind}`;
}

function pileText(stream: LogStatus['streams'][number]): string {
  return `  ${placeText(stream)}: ${stream.records ?? 'no topic, so no'} records`;
}

function queryText({ query, emissions, done, closedUntil, waitsFor }: QueryStatus): string {
  if (done) return `  ${query}: done, ${emissions} results`;
  const until = closedUntil === null ? '' : ` until ${timeText(closedUntil)}`;
  const waits = waitsFor.map((each) => `${WHAT[each.what]} of ${placeText(each)}`);
  const what = waits.length === 0 ? 'nothing' : waits.join(', ');
  return `  ${query}: ${emissions} results${until}; waits for ${what}`;
}

const WHAT = {
  batches: 'missing batches',
  opening: 'an opening that fits',
  manifest: 'a manifest',
  end: 'the end',
} as const;

function resultText({ query, emissions }: LogStatus['results'][number]): string {
  return `  ${query}: ${emissions} results`;
}

function placeText(at: { dataset: string; stream: string | null; partition: number }): string {
  const stream = at.stream === null ? '' : ` ${at.stream}`;
  return `${at.dataset}${stream}${at.partition === 0 ? '' : ` (partition ${at.partition})`}`;
}

/** JavaScript's dates end there. */
const MILLISECONDS_SHOWN_MAX = 8.64e15;

function timeText(at: number | null): string {
  if (at === null) return 'no time yet';
  return Math.abs(at) > MILLISECONDS_SHOWN_MAX ? String(at) : new Date(at).toISOString();
}

function secondsSince(at: number, now: number): string {
  return `${Math.max(0, Math.round((now - at) / 1_000))} s`;
}
