import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { RecordLog } from '@strongroom/record-log/log';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createLogger, type Logger } from '@strongroom/runtime/logger';
import { openTracing, type Tracing } from '@strongroom/runtime/tracing';
import { type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import type { RecordBatch } from 'apache-arrow';
import { dialectFor } from './agree-on-dialect.ts';
import { type Agreement, agreementOf, checkOwner, chooseStream } from './agreement.ts';
import type { SourceRequest } from './check-source.ts';
import { wantedColumns } from './column-mapping.ts';
import { openRequested } from './open-requested.ts';
import { type ProducerOptions, type PublishOptions, producerSettings } from './producer-options.ts';
import { publishBatches } from './publish-batches.ts';
import type { PublishReport } from './publish-report.ts';
import { connectLog, publishRequest, readJoinKeys, sourceRequest } from './publish-request.ts';
import type { RowValue } from './row-lines.ts';
import { type AnyRows, openRows } from './row-stream.ts';
import type { Settings } from './settings.ts';

/** What one `publish` did. */
export interface PublishSummary extends PublishReport {
  /** It was told to stop: rows of the source may be missing, and the next run goes on there. */
  readonly stopped: boolean;
}

/** Objects of which every member may be a value of a column: interfaces and types alike. */
export type RowLike<Row> = { readonly [Name in keyof Row]: RowValue };

/** Publishes the rows of one stream of one dataset, each row once. */
export interface Producer {
  /**
   * Publishes rows that a program has: plain objects, one member a column.
   *
   * They are a source like standard input: read once, never held in memory, sealed in batches of up
   * to 8,192 rows or 900,000 bytes. When the process dies in between, give the same rows again from
   * their first one, with the same state folder: those that were published are left out. Rows of a
   * `publish` that came to its end are not known again, so do not give them twice.
   * @throws ERR_COLUMN_*, ERR_EVENT_TIME_MISSING, ERR_LATE_ROWS, ERR_STATE_*, ERR_LOG_*; what the
   *   rows themselves throw; ERR_SOURCE_CHANGED after a `publish` that was `final`; ERR_USAGE while
   *   another `publish` runs and after `close`
   */
  publish<Row extends RowLike<Row>>(
    rows: Iterable<Row> | AsyncIterable<Row>,
    options?: PublishOptions,
  ): Promise<PublishSummary>;
  /** The same for batches of apache-arrow, all with the columns of the first one. */
  publish(
    arrowBatches: Iterable<RecordBatch> | AsyncIterable<RecordBatch>,
    options?: PublishOptions,
  ): Promise<PublishSummary>;
  /**
   * Publishes what the command's `--source` takes: a file, a folder, a pattern, `s3:`, `postgres:`
   * or `kafka:` (docs/connectors.md). These are known again: what was published is left out, also
   * when all of it was.
   * @throws also ERR_FILE_UNREADABLE, ERR_SOURCE_*, ERR_CSV_DIALECT
   */
  publish(source: string, options?: PublishOptions): Promise<PublishSummary>;
  /**
   * Ends a `publish` that runs after the records that it is at, waits for it and leaves the log.
   * May be called several times.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Reads contract and identity, checks that they agree, and connects. Nothing is published yet.
 *
 * @example
 * ```ts
 * const clinic = await openProducer({
 *   contract: 'contract.json',
 *   brokers: 'localhost:9092',
 *   dataset: 'visits-north',
 *   identity: 'north.identity.json',
 *   state: './visits-north',
 * });
 * const { rows } = await clinic.publish(visits(), { final: true });
 * await clinic.close();
 * ```
 * @throws ERR_USAGE for an option that is wrong, ERR_FILE_UNREADABLE, ERR_JSON_MALFORMED,
 *   ERR_CONTRACT_*, ERR_AMENDMENT_REFUSED, ERR_DATASET_UNKNOWN, ERR_STREAM_UNKNOWN,
 *   ERR_IDENTITY_*, ERR_JOIN_KEY_*, ERR_KAFKA_CONFIG, ERR_LOG_*
 */
export function openProducer(options: ProducerOptions): Promise<Producer> {
  return openProducerOn(options, connectLog);
}

/** @param connect to the log, when everything else is found to be right */
export async function openProducerOn(
  options: ProducerOptions,
  connect: typeof connectLog,
): Promise<Producer> {
  const settings = producerSettings(options);
  const signedContract = await contentOf(options.contract);
  const amendments = await Promise.all((options.amendments ?? []).map(contentOf));
  const joinKeys = await readJoinKeys(settings.joinKey);
  const files = { signedContract, amendments, joinKeys };
  const identity = parseIdentity(await readTextFile(options.identity));
  const agreement = await agreementOf({ ...files, datasetId: settings.dataset });
  checkOwner(agreement, identity);
  chooseStream(agreement.dataset, settings.stream);
  const logger = createLogger('producer', { level: settings.logLevel });
  const tracingOptions = { service: 'producer', otlp: undefined, environment: process.env, logger };
  const [log, tracing] = await Promise.all([
    connect(settings, identity, logger),
    openTracing(tracingOptions),
  ]);
  return new OpenProducer(options, { files, identity, agreement, logger, log, tracing });
}

/** A path is read; what was read already stays what it is. @throws ERR_FILE_*, ERR_JSON_* */
async function contentOf(file: string | object): Promise<unknown> {
  return typeof file === 'string' ? await readJsonFile(file) : file;
}

interface Parts {
  readonly files: Pick<SourceRequest, 'signedContract' | 'amendments' | 'joinKeys'>;
  readonly identity: PartyIdentity;
  readonly agreement: Agreement;
  readonly logger: Logger;
  readonly log: RecordLog;
  readonly tracing: Tracing | undefined;
}

class OpenProducer implements Producer {
  readonly #options: ProducerOptions;
  readonly #parts: Parts;
  readonly #closing = new AbortController();
  #running: Promise<PublishSummary> | undefined;
  #closed: Promise<void> | undefined;
  #final = false;

  constructor(options: ProducerOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  async publish(rows: AnyRows | string, options: PublishOptions = {}): Promise<PublishSummary> {
    if (this.#closed !== undefined) throw misused('the producer is closed');
    if (this.#running !== undefined) throw misused('one publish at a time');
    if (this.#final) {
      const facts = { dataset: this.#options.dataset, problem: 'the stream has ended' };
      throw new StrongroomError('ERR_SOURCE_CHANGED', facts);
    }
    this.#running = this.#publish(rows, options);
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    // Whoever called it has its outcome.
    await this.#running?.catch(() => undefined);
    await Promise.all([this.#parts.log.close(), this.#parts.tracing?.close()]);
  }

  async #publish(rows: AnyRows | string, options: PublishOptions): Promise<PublishSummary> {
    const signals = options.signal === undefined ? [] : [options.signal];
    const signal = AbortSignal.any([this.#closing.signal, ...signals]);
    const source = typeof rows === 'string' ? rows : undefined;
    const settings = producerSettings(this.#options, options, source);
    const opened = await this.#open(rows, settings, signal);
    const stopWaiting = () => opened.input.type === 'stream' && opened.input.cancel();
    signal.addEventListener('abort', stopWaiting, { once: true });
    try {
      const report = await publishBatches(await this.#request(settings, opened, signal));
      this.#final = report.final;
      return { ...report, stopped: signal.aborted };
    } catch (error) {
      // What is told of a wait that was ended is who ended it.
      throw opened.failure() ?? (error === opened.stopped ? signal.reason : error);
    } finally {
      signal.removeEventListener('abort', stopWaiting);
      stopWaiting();
      if (opened.input.type === 'growing') await opened.input.close();
    }
  }

  async #open(rows: AnyRows | string, settings: Settings, signal: AbortSignal) {
    const { format, columns } = settings;
    if (typeof rows === 'string') {
      const input = await openRequested(settings);
      return { input, format, failure: () => undefined, stopped: undefined };
    }
    const { dataset, mapping } = wantedColumns(this.#parts.agreement.dataset, columns);
    return openRows(rows, dataset, mapping, signal);
  }

  async #request(
    settings: Settings,
    { input, format }: Pick<SourceRequest, 'input' | 'format'>,
    signal: AbortSignal,
  ) {
    const { files, agreement, identity, logger, log, tracing } = this.#parts;
    const asked = { ...sourceRequest(settings, files, input, signal), format };
    const { csv } = settings;
    // Nobody sits at a terminal: a dialect that was detected is told, to be written down.
    const agreed = async () => false;
    const dialect =
      csv === undefined ? {} : { csv: await dialectFor(csv, agreement.dataset, asked, agreed) };
    const { onProgress } = this.#options;
    const told = { identity, logger, log, tracing };
    const wiring = { ...told, ...(onProgress === undefined ? {} : { onProgress }) };
    return publishRequest(settings, { ...asked, ...dialect }, wiring);
  }
}

function misused(problem: string): StrongroomError {
  return new StrongroomError('ERR_USAGE', { problem });
}
