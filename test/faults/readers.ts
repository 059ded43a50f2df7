import { setTimeout as delay } from 'node:timers/promises';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogEntry } from '@strongroom/record-log/log';
import { fingerprint } from './fingerprint.ts';
import type { Poll } from './history.ts';

/** A reader of committed records that goes on through all faults and writes down what it is shown. */
export class Reader {
  readonly #brokers: string;
  readonly #topic: string;
  readonly #name: string;
  readonly #stopping = new AbortController();
  readonly polls: Poll[] = [];
  /** When a worker's announcement, and when a result, was first seen. */
  readonly announced: number[] = [];
  readonly #results = new Map<number, number>();
  #sessions = 0;
  #reading: Promise<void> | undefined;

  constructor(brokers: string, topic: string, name: string) {
    this.#brokers = brokers;
    this.#topic = topic;
    this.#name = name;
  }

  start(): void {
    this.#reading = this.#readOn();
  }

  get results(): number {
    return this.#results.size;
  }

  /** When the newest result was first seen; undefined before the first. */
  get lastResultAt(): number | undefined {
    return [...this.#results.values()].at(-1);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reading;
  }

  /** A last session over everything that is there. */
  async readWhole(): Promise<void> {
    await this.#session(0, undefined);
  }

  async #readOn(): Promise<void> {
    let next = 0;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#session(next, signal).catch(() => undefined);
      next = Math.max(0, ...this.polls.flatMap(({ entries }) => entries.map(after)));
      await delay(100, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @param signal ends it; without one it ends where the log does */
  async #session(from: number, signal: AbortSignal | undefined): Promise<void> {
    this.#sessions += 1;
    const session = `${this.#name}-${this.#sessions}`;
    const clientId = 'fault-reader';
    const log = await connectKafkaLog({ brokers: [this.#brokers], clientId });
    try {
      const reading = signal === undefined ? { untilEnd: true } : { signal };
      for await (const shown of log.read([{ topic: this.#topic, offset: from }], reading)) {
        const entries = shown.map((entry) => ({
          offset: entry.offset,
          value: fingerprint(entry),
        }));
        this.#note(shown);
        const end = await log.endOffset(this.#topic);
        this.polls.push({ session, topic: this.#topic, from, entries, end });
      }
    } finally {
      await log.close();
    }
  }

  #note(shown: readonly LogEntry[]): void {
    const now = performance.now();
    for (const { headers, offset } of shown) {
      const type = headers['ce_type'];
      if (type === RECORD_TYPES.aggregate && !this.#results.has(offset)) {
        this.#results.set(offset, now);
      }
      if (type === RECORD_TYPES.token && !this.#stopping.signal.aborted) this.announced.push(now);
    }
  }
}

const after = ({ offset }: { readonly offset: number }) => offset + 1;
