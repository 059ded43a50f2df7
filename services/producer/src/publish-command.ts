import process from 'node:process';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createHttpServer, listen } from '@strongroom/runtime/http';
import { createLogger, type Logger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { createProgress, type Progress as ProgressBar } from '@strongroom/runtime/progress';
import type { ServiceContext } from '@strongroom/runtime/shutdown';
import { openTracing } from '@strongroom/runtime/tracing';
import { parseIdentity } from '@strongroom/sealing/identity';
import { askAtTerminal, dialectFor } from './agree-on-dialect.ts';
import { agreementOf } from './agreement.ts';
import { checkOnly } from './check-only.ts';
import type { SourceRequest } from './check-source.ts';
import { openRequested } from './open-requested.ts';
import { publishBatches } from './publish-batches.ts';
import type { Progress } from './publish-report.ts';
import { connectLog, publishRequest, readJoinKeys, sourceRequest } from './publish-request.ts';
import type { Settings } from './settings.ts';
import { showReport, showSummary } from './summary-text.ts';

type Context = Pick<ServiceContext, 'signal' | 'onShutdown'>;

/** One `publish`: reads the files that are named, connects, publishes, says what was done. */
export async function runPublish(settings: Settings, context: Context): Promise<void> {
  const signedContract = await readJsonFile(settings.contract);
  const amendments = await Promise.all((settings.amendment ?? []).map(readJsonFile));
  const joinKeys = await readJoinKeys(settings.joinKey);
  const input = await openRequested(settings);
  try {
    const files = { signedContract, amendments, joinKeys };
    const asked = sourceRequest(settings, files, input, context.signal);
    const request = { ...asked, ...(await dialectOf(settings, asked)) };
    if (settings.dryRun) {
      const summary = await checkOnly(request);
      // Half of a check must not look like a whole one.
      if (context.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
      else process.stdout.write(showSummary(summary, settings.json));
      return;
    }
    await publish(settings, request, context);
  } finally {
    // Standard input that nobody reads on would keep the process alive.
    if (input.type === 'stream') input.cancel();
    if (input.type === 'growing') await input.close();
  }
}

async function dialectOf(
  { csv, dryRun }: Settings,
  request: SourceRequest,
): Promise<Pick<SourceRequest, 'csv'>> {
  if (csv === undefined) return {};
  const { dataset } = await agreementOf(request);
  return { csv: await dialectFor(csv, dataset, request, dryRun ? undefined : askAtTerminal) };
}

/** 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;

async function publish(
  settings: Settings,
  request: SourceRequest,
  context: Context,
): Promise<void> {
  const environment = process.env;
  const identity = parseIdentity(await readTextFile(settings.identity ?? ''));
  const logger = createLogger('producer', { level: settings.logLevel });
  const observe = await serveMetrics(settings, logger, context);
  const tracingOptions = { service: 'producer', otlp: settings.otlp, environment, logger };
  const [log, tracing] = await Promise.all([
    connectLog(settings, identity, logger),
    openTracing(tracingOptions),
  ]);
  const bar = new LateBar(settings.dataset);
  try {
    const onProgress = (progress: Progress) => {
      bar.show(progress);
      observe(progress);
    };
    const wiring = { identity, log, logger, onProgress, tracing };
    const report = await publishBatches(publishRequest(settings, request, wiring));
    bar.done();
    process.stdout.write(showReport(report, settings.json));
  } finally {
    bar.done();
    await Promise.all([log.close(), tracing?.close()]);
  }
}

/** A bar that appears with the first rows, when it is known how many there will be. */
class LateBar {
  readonly #label: string;
  #bar: ProgressBar | undefined;
  #rows = 0;

  constructor(label: string) {
    this.#label = label;
  }

  show({ rows, bytes, seconds, rowsExpected }: Progress): void {
    this.#bar ??= createProgress(this.#label, rowsExpected);
    const megabytes = bytes / 1e6 / Math.max(seconds, 0.001);
    this.#bar.advance(rows - this.#rows, `rows, ${megabytes.toFixed(1)} MB/s`);
    this.#rows = rows;
  }

  done(): void {
    this.#bar?.done();
    this.#bar = undefined;
  }
}

/** With --port: health and metrics while rows are published. */
async function serveMetrics(
  { host, port }: Settings,
  logger: Logger,
  context: Context,
): Promise<(progress: Progress) => void> {
  if (port === undefined) return () => undefined;
  const metrics = createMetrics('producer');
  const rows = metrics.counter('strongroom_producer_rows_total');
  const bytes = metrics.counter('strongroom_producer_bytes_total');
  const watermark = metrics.gauge('strongroom_producer_watermark_timestamp_seconds');
  const app = createHttpServer({ service: 'producer', logger, metrics, ready: () => true });
  context.onShutdown(() => app.close());
  const address = await listen(app, host, port);
  logger.info('listening', { url: address.url, port: address.port });
  let seen = { rows: 0, bytes: 0 };
  return (progress) => {
    rows.inc(riseOf(progress.rows, seen.rows));
    bytes.inc(riseOf(progress.bytes, seen.bytes));
    seen = progress;
    if (progress.watermark !== null) watermark.set(progress.watermark / 1_000);
  };
}

/** A stream that is recovered is told in two totals, the second of which begins at nothing. */
function riseOf(now: number, before: number): number {
  return now >= before ? now - before : now;
}
