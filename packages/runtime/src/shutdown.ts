import { failCommand } from './command.ts';
import { useProxy } from './proxy.ts';

export interface ServiceContext {
  /** Aborted when the service is told to stop. */
  readonly signal: AbortSignal;
  /** Registers what has to be closed; the last registered is closed first. */
  onShutdown(close: () => Promise<void> | void): void;
  /** Stops the service from inside, as a signal would: for work that has an end. */
  finish(): void;
}

/** Longer than an HTTP request or a Kafka commit takes; shorter than an orchestrator's patience. */
const SHUTDOWN_MS_MAX = 20_000;

/**
 * The life of a service. `start` resolves when the service is up; from then on it lives until
 * SIGTERM, SIGINT or `finish()`. Then the signal aborts and everything registered is closed in
 * reverse order. An error of `start` closes the same things and sets its exit code; so does an
 * error while closing. A second signal ends the process at once.
 */
export async function runService(
  name: string,
  start: (context: ServiceContext) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const closers: (() => Promise<void> | void)[] = [];
  const stop = () => {
    if (stopping.signal.aborted) process.exit(EXIT_INTERRUPTED);
    stopping.abort();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    useProxy();
    const stopped = whenAborted(stopping.signal);
    await start({
      signal: stopping.signal,
      onShutdown: (close) => closers.unshift(close),
      finish: () => stopping.abort(),
    });
    await stopped;
  } catch (error) {
    // What a wait throws because it was told to stop is no failure.
    if (!(stopping.signal.aborted && isAbort(error))) failCommand(error, false);
    stopping.abort();
  }
  await closeAll(name, closers);
  process.off('SIGTERM', stop);
  process.off('SIGINT', stop);
}

/** 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;

/** Resolves when it is told to stop; at once, if it was. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

async function closeAll(
  name: string,
  closers: readonly (() => Promise<void> | void)[],
): Promise<void> {
  const overdue = setTimeout(() => {
    process.stderr.write(`${name} did not stop in ${SHUTDOWN_MS_MAX} ms and was ended\n`);
    process.exit(1);
  }, SHUTDOWN_MS_MAX);
  for (const close of closers) {
    try {
      await close();
    } catch (error) {
      failCommand(error, false);
    }
  }
  clearTimeout(overdue);
}
