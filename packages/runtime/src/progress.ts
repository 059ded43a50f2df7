import { Presets, SingleBar } from 'cli-progress';
import { type Clock, systemClock } from './clock.ts';

export interface Progress {
  /** `extra` is shown at the end of the bar or line, e.g. "12.3 MB/s". */
  advance(amount: number, extra?: string): void;
  done(): void;
}

export interface ProgressOptions {
  readonly stream?: NodeJS.WriteStream;
  readonly clock?: Clock;
}

const LINE_INTERVAL_MS = 5_000;

/**
 * How far a long step is, on stderr: a bar for a person at a terminal; elsewhere a line every five
 * seconds, so that a short step writes nothing. Without `total` only the count is known.
 */
export function createProgress(
  label: string,
  total?: number,
  options: ProgressOptions = {},
): Progress {
  const stream = options.stream ?? process.stderr;
  if (stream.isTTY) return createBar(label, total, stream);
  return createLines(label, total, stream, options.clock ?? systemClock);
}

function createBar(label: string, total: number | undefined, stream: NodeJS.WriteStream): Progress {
  const format =
    total === undefined
      ? `${label} {value} {extra}`
      : `${label} [{bar}] {percentage}% {value}/{total} {extra}`;
  const bar = new SingleBar(
    { format, stream, hideCursor: true, barsize: 30 },
    Presets.shades_classic,
  );
  bar.start(total ?? 0, 0, { extra: '' });
  let extra = '';
  return {
    advance(amount, newExtra) {
      extra = newExtra ?? extra;
      bar.increment(amount, { extra });
    },
    done: () => bar.stop(),
  };
}

function createLines(
  label: string,
  total: number | undefined,
  stream: NodeJS.WriteStream,
  clock: Clock,
): Progress {
  let value = 0;
  let printedAt = clock.monotonic();
  let printed = false;
  const line = (extra: string) => {
    const share = total === undefined ? `${value}` : `${value}/${total}`;
    stream.write(`${[label, share, extra].filter((part) => part !== '').join(' ')}\n`);
    printed = true;
  };
  return {
    advance(amount, extra = '') {
      value += amount;
      if (clock.monotonic() - printedAt < LINE_INTERVAL_MS) return;
      printedAt = clock.monotonic();
      line(extra);
    },
    done() {
      if (printed) line('done');
    },
  };
}
