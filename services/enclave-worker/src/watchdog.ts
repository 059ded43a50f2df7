import { setTimeout as delay } from 'node:timers/promises';
import { StrongroomError } from '@strongroom/protocol/errors';
import { INPUT_STALL_MS } from '@strongroom/protocol/limits';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { Logger } from '@strongroom/runtime/logger';
import type { Monitor } from './monitor.ts';
import type { ReadPlaces } from './read-places.ts';

/**
 * Looks whether the worker gets on. Where records wait and none is handled, its life ends; where it
 * waits for records that the log does not show, an alarm is raised, for a new life would wait too.
 */
export interface Watched {
  readonly log: RecordLog;
  readonly places: ReadPlaces;
  readonly monitor: Monitor;
  /** When a record was handled last, by the monotonic clock. */
  readonly lastEntry: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stallMs: number;
  /** How often; default 2 s. */
  readonly lookMs?: number;
}

const LOOK_MS = 2_000;

/** @throws ERR_WORKER_STALLED; once for each place where it stands, so that it makes no loop */
export async function watchProgress(watched: Watched, signal: AbortSignal): Promise<void> {
  const { monitor, clock, stallMs, lookMs = LOOK_MS } = watched;
  const alarmed = new Set<string>();
  while (!signal.aborted) {
    await delay(lookMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const waiting = await lookAtLags(watched);
    await raiseAlarms(watched, alarmed);
    if (waiting === 0 || clock.monotonic() - watched.lastEntry() < stallMs) continue;
    if (monitor.standsAt(watched.places.standing)) continue;
    throw new StrongroomError('ERR_WORKER_STALLED', { waiting });
  }
}

/** @returns how many records wait; what cannot be known now counts as none */
async function lookAtLags({ log, places, monitor }: Watched): Promise<number> {
  let waiting = 0;
  for (const { dataset, topic, partition, offset } of places.all) {
    const end = await log.endOffset(topic, partition).catch(() => offset);
    const lag = Math.max(0, end - offset);
    monitor.read(dataset, partition, lag);
    waiting += lag;
  }
  return waiting;
}

async function raiseAlarms(watched: Watched, alarmed: Set<string>): Promise<void> {
  const { log, places, monitor, clock, logger } = watched;
  const stalled = monitor.stalledBefore(clock.now() - INPUT_STALL_MS);
  for (const stream of stalled) {
    const { dataset, partition, sequences: sequence } = stream;
    const name = `${dataset} ${stream.stream} ${sequence}`;
    if (alarmed.has(name)) continue;
    alarmed.add(name);
    monitor.alarm(stream);
    const of = { dataset, stream: stream.stream ?? undefined, partition, sequence };
    logger.warn('input-stalled', { code: 'ERR_STREAM_GAP', ...of });
    await places.rewind(log, stream).catch(() => undefined);
  }
}
