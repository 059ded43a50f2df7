import type { LogEntry } from '@strongroom/record-log/log';
import type { Span, Tracing } from '@strongroom/runtime/tracing';

/**
 * What a worker tells of a trace: that records came, and that a step left. Both begin and end with
 * what the log shows. How long the vault takes is in neither: a span of it would tell whoever sees
 * spans what a tick keeps from whoever sees the log.
 *
 * Hints come from strangers. They choose which trace a span is drawn in, and nothing else; the
 * vault never sees one.
 */
export class Traces {
  readonly #tracing: Tracing | undefined;
  readonly #received = new WeakMap<LogEntry, Span>();
  /** What came up to the record after which windows may be complete, and that record. */
  #upTo = new Set<string>();
  #cause: string | undefined;
  /** What came behind it. */
  #behind = new Set<string>();
  /** What the steps that leave now have to do with. */
  #closing: { readonly cause: string | undefined; links: readonly string[] } = NOTHING;
  #step: Span['ids'] | undefined;

  constructor(tracing: Tracing | undefined) {
    this.#tracing = tracing;
  }

  /** Records of one partition came, of a dataset or of none that is read any more. */
  received(dataset: string | undefined, entries: readonly LogEntry[]): void {
    if (this.#tracing === undefined || dataset === undefined) return;
    for (const [parent, group] of byTrace(entries)) {
      const [first] = group;
      if (first === undefined) continue;
      const span = this.#tracing.begin({
        operation: 'receive',
        destination: first.topic,
        parent,
        attributes: {
          'messaging.batch.message_count': group.length,
          'messaging.destination.partition.id': `${first.partition}`,
          'messaging.kafka.offset': first.offset,
          'strongroom.dataset': dataset,
        },
      });
      span.end();
      for (const entry of group) this.#received.set(entry, span);
    }
  }

  /** For log lines about a record. */
  idsOf(entry: LogEntry | undefined): Span['ids'] | undefined {
    return entry === undefined ? undefined : this.#received.get(entry)?.ids;
  }

  /** For log lines about the newest step. */
  get ofStep(): Span['ids'] | undefined {
    return this.#step;
  }

  /**
   * Records are taken while a step waits. So it is the first of them that counts and not the newest
   * when the step leaves, which would tell how far the vault had come.
   * @param cause the one after which windows may be complete, if there is one
   */
  handled(entries: readonly LogEntry[], cause: LogEntry | undefined): void {
    if (this.#tracing === undefined) return;
    const came = this.#cause === undefined ? this.#upTo : this.#behind;
    for (const entry of entries) {
      const traceparent = this.#received.get(entry)?.traceparent;
      if (traceparent !== undefined && came.size < LINKS_MAX) came.add(traceparent);
    }
    this.#cause ??= cause && this.#received.get(cause)?.traceparent;
  }

  /** Windows are about to be closed: all steps of it go on with one trace. */
  closes(): void {
    const cause = this.#cause;
    this.#closing = { cause, links: [...this.#upTo].filter((each) => each !== cause) };
    this.#upTo = this.#behind;
    this.#behind = new Set();
    this.#cause = undefined;
  }

  /** A step is about to leave; whoever reads its results goes on with its trace. */
  beginStep(destination: string, epoch: number): Span | undefined {
    const { cause, links } = this.#closing;
    this.#closing = { cause, links: [] };
    const span = this.#tracing?.begin({
      operation: 'step',
      destination,
      parent: cause,
      links,
      attributes: { 'strongroom.epoch': epoch },
    });
    this.#step = span?.ids;
    return span;
  }
}

const NOTHING = { cause: undefined, links: [] };
const LINKS_MAX = 32;
/** Of records that come together; whoever sends more different hints is not drawn. */
const TRACES_MAX = 16;

function byTrace(entries: readonly LogEntry[]): Map<string | undefined, LogEntry[]> {
  const groups = new Map<string | undefined, LogEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.trace);
    if (group !== undefined) group.push(entry);
    else if (groups.size < TRACES_MAX) groups.set(entry.trace, [entry]);
  }
  return groups;
}
