import type { Json } from '@strongroom/protocol/canonical-json';
import type { LogRecord } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { StreamSealer } from '@strongroom/sealing/seal';
import type { ArrowBatch } from './arrow-batch.ts';
import type { BatchSource } from './batch-source.ts';
import type { CompressionChoice } from './compression-choice.ts';
import type { SealedGroup } from './group-file.ts';
import type { StreamState } from './stream-state.ts';
import { advance, type WatermarkRule } from './watermark.ts';

/** What is written, sent and vouched for by one manifest together. */
const GROUP_BATCHES_MAX = 32;
/** A slow source does not hold its rows back for longer. */
const GROUP_MS_MAX = 1_000;

export interface GroupOptions {
  readonly source: AsyncIterable<ArrowBatch> & Pick<BatchSource, 'passed'>;
  readonly sealer: StreamSealer;
  readonly compression: CompressionChoice;
  /** Where the stream stands before the first group. */
  readonly state: StreamState;
  /** SHA-256 of what the source is known by. */
  readonly fingerprint: string;
  /** Where a growing source stands behind so many rows. */
  readonly positionAt?: ((rows: number) => Json) | undefined;
  readonly rule: WatermarkRule;
  /** Whether the end of the source is the end of the stream. */
  readonly final: boolean;
  /** At which of its rows the source was told to end. */
  readonly limitRows: number;
  /** Ends the current group early, and no group follows. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Seals a source group by group: batches in the order of the source, then a manifest of them. The
 * last group of a source says that it is complete; it may have no record.
 */
export async function* sealGroups(options: GroupOptions): AsyncGenerator<SealedGroup> {
  const batches = new ImpatientReader(options.source, options.signal, options.clock);
  const { fingerprint } = options;
  let { state } = options;
  for (;;) {
    const { sealed, times, cursor, ended } = await sealBatches(batches, state, options);
    const records: LogRecord[] = (await Promise.all(sealed)).map(({ record }) => record);
    const final = ended && options.final;
    if (records.length > 0 || (final && !state.final)) {
      records.push(await options.sealer.manifest({ watermark: times.watermark, final }));
    }
    if (records.length === 0 && !ended) return;
    state = {
      ...state,
      ...times,
      group: state.group + 1,
      point: options.sealer.point(),
      final,
      source: {
        ...state.source,
        fingerprint,
        cursor,
        complete: ended && cursor < options.limitRows,
        ...(options.positionAt === undefined ? {} : { position: options.positionAt(cursor) }),
      },
    };
    yield { state, records };
    if (ended || options.signal.aborted) return;
  }
}

/** Takes batches until the group is full, the source has ended, or there is no time to wait. */
async function sealBatches(batches: ImpatientReader, state: StreamState, options: GroupOptions) {
  const sealed: ReturnType<StreamSealer['seal']>[] = [];
  const { clock, sealer, rule, compression } = options;
  const until = clock.monotonic() + GROUP_MS_MAX;
  let times = { newestEventTime: state.newestEventTime, watermark: state.watermark };
  let cursor = state.source?.cursor ?? 0;
  let ended = false;
  while (sealed.length < GROUP_BATCHES_MAX && !options.signal.aborted) {
    const next = await batches.next(sealed.length === 0 ? undefined : until);
    if (next === 'later') break;
    if (next === 'end') {
      ended = true;
      cursor = Math.max(cursor, options.source.passed ?? 0);
      break;
    }
    times = advance(times, next, rule);
    const facts = { rows: next.rows, eventTime: next.eventTime };
    const sealing = sealer.seal(next.bytes, facts, compression.levelFor(next.bytes));
    // Awaited with the others of the group; a failure must not count as unhandled before.
    sealing.catch(() => undefined);
    sealed.push(sealing);
    ({ cursor } = next);
  }
  return { sealed, times, cursor, ended };
}

/** Reads one batch ahead at most, and stops waiting for it without losing it. */
class ImpatientReader {
  readonly #source: AsyncIterator<ArrowBatch>;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  #waiting: Promise<IteratorResult<ArrowBatch>> | undefined;

  constructor(source: AsyncIterable<ArrowBatch>, signal: AbortSignal, clock: Clock) {
    this.#source = source[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#clock = clock;
  }

  /** @param until monotonic time in milliseconds; waits as long as it takes when absent */
  async next(until: number | undefined): Promise<ArrowBatch | 'end' | 'later'> {
    this.#waiting ??= this.#source.next();
    const next = await this.#first(this.#waiting, until);
    if (next === 'later') return 'later';
    this.#waiting = undefined;
    return next.done === true ? 'end' : next.value;
  }

  /** Promise.race would keep every batch reachable from the signal for as long as that lives. */
  #first<Value>(value: Promise<Value>, until: number | undefined): Promise<Value | 'later'> {
    return new Promise((resolve, reject) => {
      const stop = () => resolve('later');
      const wait = until === undefined ? undefined : until - this.#clock.monotonic();
      const timer = wait === undefined ? undefined : setTimeout(stop, Math.max(0, wait));
      this.#signal.addEventListener('abort', stop, { once: true });
      const settle = () => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', stop);
      };
      value.then(
        (read) => {
          settle();
          resolve(read);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }
}
