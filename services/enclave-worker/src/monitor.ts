import type { Contract } from '@strongroom/protocol/contract';
import type { StreamStatus, WorkerStatus } from '@strongroom/protocol/worker-status';
import { type Clock, systemClock } from '@strongroom/runtime/clock';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { Closing, StreamProgress } from './vault/door.ts';
import { waitingOf } from './waiting.ts';

/** Parts of a step, in their order; how long each takes is measured. */
export type StepPart = 'prepare' | 'lease' | 'commit';

/**
 * What whoever operates the worker asks: what is it doing, and what does it wait for? Times are
 * told as moments, so that a reader counts the age of what it reads.
 */
export class Monitor {
  readonly #meters: Meters;
  readonly #clock: Clock;
  /** By dataset and stream: since when nothing of what is missing has come. */
  readonly #stalls = new Map<string, { readonly sequences: number; readonly since: number }>();
  readonly #lags = new Map<string, number>();
  #contract: { readonly contract: Contract; readonly id: string } | undefined;
  #phase: WorkerStatus['phase'] = 'starting';
  #epoch: number | null = null;
  #lives = 0;
  #stoodAt: string | undefined;
  #lastEnd: string | null = null;
  #lastStepAt: number | null = null;
  #closing: Pick<Closing, 'streams' | 'queries'> = { streams: [], queries: [] };

  constructor(metrics: Metrics, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#meters = createMeters(metrics);
  }

  lifeBegins(): void {
    this.#lives += 1;
    this.#phase = 'starting';
    this.#meters.lives.inc();
  }

  lifeEnds(code: string): void {
    this.#phase = 'pausing';
    this.#lastEnd = code;
    this.#meters.lifeEnds.inc({ code });
  }

  runs(contract: Contract, id: string, epoch: number): void {
    this.#contract = { contract, id };
    this.#phase = 'running';
    this.#epoch = epoch;
  }

  /** Measures one part of a step, whether it succeeds or not. */
  async timed<Result>(part: StepPart, act: () => Promise<Result>): Promise<Result> {
    const done = this.#meters.step.startTimer({ part });
    try {
      return await act();
    } finally {
      done();
    }
  }

  stepLeft(): void {
    this.#lastStepAt = this.#clock.now();
    this.#meters.lastStep.set(this.#lastStepAt / 1_000);
  }

  /** @param lag records of the partition that were not read yet */
  read(dataset: string, partition: number, lag: number): void {
    this.#lags.set(`${dataset} ${partition}`, lag);
    this.#meters.lag.set({ dataset, partition }, lag);
  }

  counted(closing: Pick<Closing, 'streams' | 'queries'>): void {
    this.#closing = closing;
    const now = this.#clock.now();
    for (const stream of closing.streams) this.#noteStall(stream, now);
    const furthest = Math.max(
      ...closing.streams.map(({ watermark }) => watermark ?? Number.NEGATIVE_INFINITY),
    );
    for (const { dataset, stream, watermark } of closing.streams) {
      if (watermark === null) continue;
      const of = { dataset, stream: stream ?? '' };
      this.#meters.watermark.set(of, watermark / 1_000);
      this.#meters.eventTimeLag.set(of, (furthest - watermark) / 1_000);
    }
    this.#showWaiting();
  }

  /** Streams that have missed batches for so long, without one of them coming. */
  stalledBefore(moment: number): readonly StreamStatus[] {
    return this.#streams().filter(
      ({ stalledSince }) => stalledSince !== null && stalledSince <= moment,
    );
  }

  alarm({ dataset, stream }: StreamStatus): void {
    this.#meters.inputStalled.set({ dataset, stream: stream ?? '' }, 1);
  }

  /** @returns whether a life has ended at this place before */
  standsAt(place: string): boolean {
    const isKnown = this.#stoodAt === place;
    this.#stoodAt = place;
    return isKnown;
  }

  status(refusals: Readonly<Record<string, number>>): WorkerStatus {
    const { contract, id = null } = this.#contract ?? {};
    const { streams, queries } = this.#closing;
    return {
      contract: id,
      phase: this.#phase,
      epoch: this.#epoch,
      lives: this.#lives,
      lastEnd: this.#lastEnd,
      lastStepAt: this.#lastStepAt,
      streams: this.#streams(),
      queries: contract ? waitingOf(contract, queries, streams) : [],
      refusals: { ...refusals },
    };
  }

  #streams(): StreamStatus[] {
    return this.#closing.streams.map(
      ({ rereadFrom: _rereadFrom, rereads: _rereads, ...stream }) => ({
        ...stream,
        stalledSince: this.#stalls.get(nameOf(stream))?.since ?? null,
        lag: this.#lags.get(`${stream.dataset} ${stream.partition}`) ?? null,
      }),
    );
  }

  /** One that gets on is no stall, also while more is missing. */
  #noteStall(stream: StreamProgress, now: number): void {
    const { dataset, sequences } = stream;
    const name = nameOf(stream);
    const isShort = stream.missing > 0 || stream.stalled;
    if (this.#stalls.get(name)?.sequences === sequences && isShort) return;
    this.#meters.inputStalled.set({ dataset, stream: stream.stream ?? '' }, 0);
    if (!isShort) this.#stalls.delete(name);
    else this.#stalls.set(name, { sequences, since: now });
  }

  #showWaiting(): void {
    this.#meters.waiting.reset();
    if (!this.#contract) return;
    const { streams, queries } = this.#closing;
    for (const { query, waitsFor } of waitingOf(this.#contract.contract, queries, streams)) {
      for (const { dataset, stream, what } of waitsFor) {
        this.#meters.waiting.set({ query, dataset, stream: stream ?? '', what }, 1);
      }
    }
  }
}

function nameOf({
  dataset,
  stream,
  partition,
}: Pick<StreamProgress, 'dataset' | 'stream' | 'partition'>) {
  return `${dataset} ${stream} ${partition}`;
}

type Meters = ReturnType<typeof createMeters>;

function createMeters(metrics: Metrics) {
  return {
    lives: metrics.counter('strongroom_worker_lives_total'),
    lifeEnds: metrics.counter('strongroom_worker_life_ends_total'),
    step: metrics.histogram('strongroom_worker_step_seconds'),
    lastStep: metrics.gauge('strongroom_worker_last_step_timestamp_seconds'),
    lag: metrics.gauge('strongroom_worker_lag_records'),
    watermark: metrics.gauge('strongroom_worker_watermark_timestamp_seconds'),
    eventTimeLag: metrics.gauge('strongroom_worker_event_time_lag_seconds'),
    inputStalled: metrics.gauge('strongroom_worker_input_stalled'),
    waiting: metrics.gauge('strongroom_worker_query_waiting'),
  };
}
