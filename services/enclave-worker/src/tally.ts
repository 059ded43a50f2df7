import { beginsResult } from '@strongroom/protocol/record';
import type { Metrics } from '@strongroom/runtime/metrics';
import { Monitor } from './monitor.ts';
import { Suspects } from './suspects.ts';
import type { Closing, DoorRecord, ToldOutcome } from './vault/door.ts';

/** What a run did, for the summary and for Prometheus: counts of what the vault reported. */
export class Tally {
  readonly #refusals = new Map<string, number>();
  readonly #meters: Meters;
  /** What is asked of a worker while it runs. */
  readonly monitor: Monitor;
  /** What vaults were lost on: known to the run, not to a life. */
  readonly suspects = new Suspects();
  #closing: Closing | undefined;
  windows = 0;
  aggregates = 0;
  /** Largest resident memory of any vault of this run. */
  vaultPeakBytes = 0;

  constructor(metrics: Metrics) {
    this.#meters = createMeters(metrics);
    this.monitor = new Monitor(metrics);
  }

  count(outcomes: readonly ToldOutcome[]): void {
    for (const outcome of outcomes) {
      if (outcome.again) continue;
      this.#meters.rows.inc(outcome.rows);
      for (const query of outcome.lateFor ?? []) this.#meters.lateBatches.inc({ query });
      if (outcome.kind === 'batch') this.#meters.batches.inc();
      if (outcome.code !== undefined) this.#refuse(outcome.code, 1);
      if (outcome.lateFor) this.#refuse('ERR_LATE_ROWS', 1);
    }
  }

  #refuse(code: string, count: number): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + count);
    this.#meters.refusals.inc({ code }, count);
  }

  close(closing: Closing, epoch: number): void {
    this.#closing = closing;
    this.#meters.epoch.set(epoch);
    for (const { dataset, stream, sequences, missing, held } of closing.streams) {
      const of = { dataset, stream: stream ?? '' };
      this.#meters.sequences.set(of, sequences);
      this.#meters.missing.set(of, missing);
      this.#meters.held.set(of, held);
    }
  }

  committed({ windows, aggregates }: Closing): void {
    this.windows += windows;
    this.aggregates += aggregates;
    this.#meters.windows.inc(windows);
    this.#meters.aggregates.inc(aggregates);
  }

  /** A step that an earlier worker had made, and that leaves only now. */
  repeated(records: readonly DoorRecord[]): void {
    const aggregates = records.filter(beginsResult).length;
    this.aggregates += aggregates;
    this.#meters.aggregates.inc(aggregates);
  }

  memory(vaultPeakBytes: number): void {
    this.vaultPeakBytes = Math.max(this.vaultPeakBytes, vaultPeakBytes);
    this.#meters.vaultMemory.set(this.vaultPeakBytes);
  }

  /** Rows of all streams up to where they were counted, earlier runs included. */
  get rowsCounted(): number {
    return (this.#closing?.streams ?? []).reduce((sum, { rows }) => sum + rows, 0);
  }

  get closing(): Closing | undefined {
    return this.#closing;
  }

  refusals(): Record<string, number> {
    return Object.fromEntries([...this.#refusals].sort());
  }
}

type Meters = ReturnType<typeof createMeters>;

function createMeters(metrics: Metrics) {
  return {
    rows: metrics.counter('strongroom_worker_rows_total'),
    lateBatches: metrics.counter('strongroom_worker_late_batches_total'),
    batches: metrics.counter('strongroom_worker_batches_total'),
    refusals: metrics.counter('strongroom_worker_refusals_total'),
    windows: metrics.counter('strongroom_worker_windows_total'),
    aggregates: metrics.counter('strongroom_worker_aggregates_total'),
    epoch: metrics.gauge('strongroom_worker_epoch'),
    sequences: metrics.gauge('strongroom_worker_sequences'),
    missing: metrics.gauge('strongroom_worker_missing_batches'),
    held: metrics.gauge('strongroom_worker_held_batches'),
    vaultMemory: metrics.gauge('strongroom_worker_vault_peak_memory_bytes'),
  };
}
