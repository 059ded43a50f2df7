import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { MessageMemory } from '@strongroom/protocol/message-memory';
import type { LogEntry } from '@strongroom/record-log/log';
import { Closer } from './closer.ts';
import { EntryQueue } from './entry-queue.ts';
import { commit, type Life, type WorkerOptions } from './life.ts';
import { QuarantineOutbox } from './quarantine.ts';
import { ReadPlaces } from './read-places.ts';
import { readAll } from './reading.ts';
import type { Part } from './suspects.ts';
import { Tick, tickMsOf } from './tick.ts';
import type { StreamProgress, ToldOutcome } from './vault/door.ts';
import { type Watched, watchProgress } from './watchdog.ts';

/** Where reading goes on. */
export interface Flow {
  /** Every query had emitted its last result already. */
  readonly done: boolean;
  readonly from: readonly {
    readonly dataset: string;
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
  }[];
}

/** Requests to the vault that may be on their way: one that is served and one that waits. */
const REQUESTS_AHEAD = 2;
const WATCH_MS = 250;
/** A manifest comes behind its batches, so a log that lacks them for so long has lost them. */
const TRUNCATED_MS = 3_000;
/** Longer than any request to the vault may take. */
const STALL_MS = 180_000;

/**
 * Records of all datasets through the vault, results back to the log, until all is done, the
 * deadline, or the signal.
 * @returns whether every query has emitted its last result
 */
export async function runFlow(life: Life, flow: Flow, options: WorkerOptions): Promise<boolean> {
  const places = new ReadPlaces(flow.from);
  const state = new FlowState(life, flow, places, options);
  await state.closeWindows();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal, life.leases.lost]);
  const queue = new EntryQueue(options.clock);
  signal.addEventListener('abort', () => queue.close(), { once: true });
  if (signal.aborted || state.isComplete) stop.abort();
  const tasks = [
    readAll(life, places, queue, { signal, logger: options.logger, views: state.memory }),
    serveAll(queue, state, () => stop.abort()),
    watch(state, stop, signal),
    watchProgress(state.watched, signal),
  ];
  try {
    await Promise.all(tasks);
  } catch (error) {
    stop.abort();
    // What hangs does not end by itself: it ends with what this life has opened.
    if (codeOf(error) !== 'ERR_WORKER_STALLED') await Promise.allSettled(tasks);
    throw error;
  }
  life.leases.lost.throwIfAborted();
  if (!state.isDone) await state.closeWindows();
  const isBounded = options.untilComplete || options.deadlineMs !== undefined;
  if (isBounded && !state.isDone && !options.signal.aborted) await state.refuseIncomplete();
  // What was counted since the last result need not be reported again by the next life.
  if (!state.isDone) await state.checkpoint();
  return state.isDone;
}

/**
 * Answers are handled in the order of their requests, while the vault serves the next one and while
 * what it has closed leaves.
 */
async function serveAll(queue: EntryQueue, state: FlowState, stop: () => void): Promise<void> {
  let handled = Promise.resolve();
  const ahead: Promise<unknown>[] = [];
  const closer = new Closer(async (since) => {
    await state.closeWindows(since).catch((error: unknown) => {
      stop();
      throw error;
    });
    if (state.isComplete) stop();
  });
  const settled = async () => {
    await handled;
    await closer.idle();
  };
  try {
    for (let group = await queue.take(); group; group = await queue.take()) {
      const { dataset, since } = group;
      for (const part of state.partsOf(group)) {
        const isAlone = part.deaths !== undefined;
        // Nothing else is on its way when a suspect is tried, so that a loss is its own.
        if (isAlone) await settled();
        const answered = state.accept(dataset, part);
        answered.catch(() => undefined);
        handled = handled.then(async () => {
          const mayClose = await state.handle(part.entries, await answered);
          // The vault has read all of the request before it answers.
          state.memory.giveBack(part.entries.map(({ value }) => value));
          if (mayClose) closer.ask(since);
        });
        handled.catch(stop);
        ahead.push(handled);
        if (isAlone) await settled();
        if (ahead.length >= REQUESTS_AHEAD) await ahead.shift();
        await closer.room();
      }
    }
    await settled();
  } finally {
    stop();
  }
}

/** Ends a bounded run that waits for nothing that can come. */
async function watch(state: FlowState, stop: AbortController, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(WATCH_MS, undefined, { signal }).catch(() => undefined);
    if (state.isOverdue()) stop.abort();
  }
}

/** After these a window may be complete that was not before. */
const CLOSING: ReadonlySet<ToldOutcome['kind']> = new Set(['manifest', 'opening', 'retraction']);

class FlowState {
  readonly #life: Life;
  readonly #options: WorkerOptions;
  readonly #places: ReadPlaces;
  readonly #quarantine: QuarantineOutbox;
  readonly #since: number;
  readonly memory = new MessageMemory();
  #lastEntry: number;
  #streams: readonly StreamProgress[] = [];
  isDone: boolean;

  constructor(life: Life, flow: Flow, places: ReadPlaces, options: WorkerOptions) {
    this.#life = life;
    this.#options = options;
    this.#places = places;
    this.#quarantine = new QuarantineOutbox(life.log, life.contractId, options.namespace);
    this.#since = options.clock.monotonic();
    this.#lastEntry = this.#since;
    this.isDone = flow.done;
  }

  get watched(): Watched {
    const { clock, logger, stallMs = STALL_MS } = this.#options;
    const { log, monitor } = this.#life;
    const lastEntry = () => this.#lastEntry;
    return { log, places: this.#places, monitor, lastEntry, clock, logger, stallMs };
  }

  get isComplete(): boolean {
    return this.isDone && this.#options.untilComplete;
  }

  partsOf({ dataset, entries }: { dataset: string; entries: readonly LogEntry[] }): Part[] {
    return this.#options.tally.suspects.partsOf(dataset, entries);
  }

  async accept(dataset: string, part: Part): Promise<readonly ToldOutcome[]> {
    const { suspects } = this.#options.tally;
    const heads = part.entries.map(({ value: _value, topic: _topic, trace: _trace, ...head }) =>
      part.deaths === undefined ? head : { ...head, deaths: part.deaths },
    );
    const values = part.entries.map(({ value }) => value);
    const request = { dataset, entries: heads, at: this.#options.clock.now() };
    try {
      const { answer, records } = await this.#life.vault.request('accept', request, values);
      const isFatal = answer.outcomes.some(({ code }) => code === 'ERR_RECORD_FATAL');
      suspects.taken(dataset, part, isFatal);
      this.#quarantine.put(records);
      return answer.outcomes;
    } catch (error) {
      suspects.failed(dataset, part, error);
      throw error;
    }
  }

  /** @returns whether a window may be complete now */
  async handle(entries: readonly LogEntry[], outcomes: readonly ToldOutcome[]): Promise<boolean> {
    const { tally, clock } = this.#options;
    this.#lastEntry = clock.monotonic();
    tally.count(outcomes);
    this.#report(entries, outcomes);
    const last = outcomes.findLastIndex(({ kind }) => CLOSING.has(kind));
    const mayClose = last >= 0 || this.#misses();
    this.#life.traces.handled(entries, mayClose ? entries.at(last) : undefined);
    await this.#quarantine.flush();
    return mayClose;
  }

  #report(entries: readonly LogEntry[], outcomes: readonly ToldOutcome[]): void {
    for (const [index, { code, again, offset }] of outcomes.entries()) {
      if (code === undefined || again) continue;
      const entry = entries[index];
      const place = { topic: entry?.topic, partition: entry?.partition, offset };
      const ids = this.#life.traces.idsOf(entry);
      this.#options.logger.warn('record-refused', { code, ...place, ...ids });
    }
  }

  /**
   * Closes what is complete, in as many transactions as it takes, each at a tick of its own: before
   * it is prepared, since the log shows that, and before an owner is asked.
   * @param since when that came which completed it
   */
  async closeWindows(since = this.#options.clock.monotonic()): Promise<void> {
    const { tally, logger, clock } = this.#options;
    const tick = new Tick(tickMsOf(this.#life.contract), since, clock);
    this.#life.traces.closes();
    for (let more = true; more; ) {
      const closed = await this.#life.vault.request('close', {});
      if (closed.records.length > 0) await tick.next();
      await this.#commit(closed);
      const { answer } = closed;
      tally.close(answer, this.#life.epoch);
      this.#life.monitor.counted(answer);
      tally.committed(answer);
      tally.memory(this.#life.vault.peakBytes);
      const { windows: count } = answer;
      if (count > 0) logger.info('windows-closed', { count, ...this.#life.traces.ofStep });
      this.#streams = answer.streams;
      for (const stream of answer.streams) this.#places.seek(stream);
      this.isDone = answer.done;
      more = answer.more;
    }
  }

  async checkpoint(): Promise<void> {
    await this.#commit(await this.#life.vault.request('checkpoint', {}));
  }

  /** The vault may have served a later group of records already, which this step covers too. */
  async #commit(departing: Parameters<typeof commit>[1]): Promise<void> {
    await this.#quarantine.flush();
    await commit(this.#life, departing, this.#options.namespace);
  }

  isOverdue(): boolean {
    const { untilComplete, deadlineMs, clock } = this.#options;
    const now = clock.monotonic();
    if (deadlineMs !== undefined && now - this.#since > deadlineMs) return true;
    return untilComplete && this.#misses() && now - this.#lastEntry > TRUNCATED_MS;
  }

  /**
   * @throws ERR_STREAM_TRUNCATED; with --until-complete ERR_INPUT_INCOMPLETE naming the datasets
   */
  async refuseIncomplete(): Promise<void> {
    await this.#life.vault.request('finish', {});
    if (!this.#options.untilComplete) return;
    const open = this.#streams.filter(({ final }) => !final).map(({ dataset }) => dataset);
    throw new StrongroomError('ERR_INPUT_INCOMPLETE', { datasets: [...new Set(open)] });
  }

  #misses(): boolean {
    return this.#streams.some(({ missing }) => missing > 0);
  }
}
