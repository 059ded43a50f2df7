import { readFile } from 'node:fs/promises';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import { aggregatesTopic, checkpointsTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { systemClock } from '@strongroom/runtime/clock';
import { parseIdentity } from '@strongroom/sealing/identity';
import { readAggregates } from '../../services/analyst/src/read-aggregates.ts';
import { identityFile, platformFolder } from '../deployment/organisations.ts';
import type { Deployment } from '../deployment/pipeline.ts';
import { hourOf } from './live-orders.ts';

/** An analyst who follows results, and beside it whoever sees when records can be read. */

/** Of one window, in milliseconds; each part from the end of the one before it. */
export interface Told {
  /** From the sending of the manifest to the decrypted result. */
  readonly whole: number;
  /** From the sending of the manifest to the log's word that it is written: beside what follows. */
  readonly acknowledged: number;
  readonly prepared: number;
  readonly result: number;
  readonly opened: number;
}

/** What the worker's own metrics say, in milliseconds. */
export interface PhaseMeans {
  readonly prepare: number;
  readonly commit: number;
}

export interface Seen {
  /** The manifest that completes this hour is sent now. */
  closes(hour: number): void;
  acknowledged(hour: number): void;
  /** Resolves when the analyst holds the hour's result. */
  result(hour: number): Promise<void>;
  /** Of the hours before this one. */
  told(hours: number): Told[];
  phases(): Promise<PhaseMeans>;
  stop(): Promise<void>;
}

interface Moments {
  sent?: number;
  acknowledged?: number;
  prepared?: number;
  readable?: number;
  opened?: number;
}

export async function watchResults(deployment: Deployment, port: number): Promise<Seen> {
  const watch = new Watch();
  const stopping = new AbortController();
  const brokers = deployment.brokers.split(',');
  const log = await connectKafkaLog({ brokers, clientId: 'analyst-bench' });
  const { contractId } = deployment.agreement;
  const { namespace } = deployment;
  const following = { ...deployment, log, signal: stopping.signal };
  const tasks = [
    followResults(following, watch),
    followTopic(following, checkpointsTopic(contractId, namespace), RECORD_TYPES.prepared, () =>
      watch.prepared(),
    ),
    followTopic(following, aggregatesTopic(contractId, namespace), RECORD_TYPES.aggregate, () =>
      watch.readable(),
    ),
  ];
  for (const task of tasks) task.catch((error: unknown) => watch.fail(error));
  return {
    closes: (hour) => watch.note(hour, 'sent'),
    acknowledged: (hour) => watch.note(hour, 'acknowledged'),
    result: (hour) => watch.opened(hour),
    told: (hours) => watch.told(hours),
    phases: () => phasesOf(port),
    async stop() {
      stopping.abort();
      await Promise.allSettled(tasks);
      await log.close();
    },
  };
}

type Following = Deployment & { readonly signal: AbortSignal };

async function followResults(following: Following, watch: Watch): Promise<void> {
  const { agreement, folders, log, namespace, signal } = following;
  const { contract, contractId } = agreement;
  const [analyst = ''] = contract.queries[0]?.readers ?? [];
  const identity = parseIdentity(await readFile(identityFile(folders, analyst), 'utf8'));
  const readings = readAggregates({
    ...{ contract, contractId, identity, log, clock: systemClock, follow: true, signal },
    ...(namespace === undefined ? {} : { namespace }),
    roots: simulatedRoots(platformFolder(folders)),
  });
  for await (const reading of readings) {
    if (reading.kind !== 'result') throw new Error('something else than a result was read');
    watch.note(hourOf(reading.result.seal.window?.start ?? 0), 'opened');
  }
}

async function followTopic(
  { log, signal }: Following,
  topic: string,
  type: string,
  see: () => void,
): Promise<void> {
  for await (const entries of log.read([{ topic, offset: await log.endOffset(topic) }], { signal }))
    for (const { headers } of entries) if (headers['ce_type'] === type) see();
}

/** Results come in the order of their windows, and each step holds some of them. */
class Watch {
  readonly #hours: Moments[] = [];
  #readable = 0;
  #failed: unknown;
  #wake: () => void = () => undefined;

  note(hour: number, what: keyof Moments): void {
    const moments = this.#at(hour);
    moments[what] = performance.now();
    this.#wake();
  }

  /** A step is prepared with all that is complete, so this is of those that were not told yet. */
  prepared(): void {
    const now = performance.now();
    for (const moments of this.#hours) {
      if (moments.sent !== undefined) moments.prepared ??= now;
    }
  }

  readable(): void {
    this.note(this.#readable, 'readable');
    this.#readable += 1;
  }

  async opened(hour: number): Promise<void> {
    while (this.#at(hour).opened === undefined) {
      if (this.#failed !== undefined) throw this.#failed;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  fail(error: unknown): void {
    this.#failed = error;
    this.#wake();
  }

  told(hours: number): Told[] {
    return this.#hours.slice(0, hours).map((moments) => {
      const { sent = 0, acknowledged = 0, prepared = 0, readable = 0, opened = 0 } = moments;
      return {
        whole: opened - sent,
        acknowledged: acknowledged - sent,
        prepared: prepared - sent,
        result: readable - prepared,
        opened: opened - readable,
      };
    });
  }

  #at(hour: number): Moments {
    const known = this.#hours[hour];
    if (known) return known;
    const moments: Moments = {};
    this.#hours[hour] = moments;
    return moments;
  }
}

/** Means over all steps of the worker so far. */
async function phasesOf(port: number): Promise<PhaseMeans> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const metric = (suffix: string, part: string) => {
    const pattern = new RegExp(
      `^strongroom_worker_step_seconds_${suffix}\\{.*part="${part}".*\\} (\\S+)$`,
      'm',
    );
    return Number(pattern.exec(text)?.[1] ?? Number.NaN);
  };
  const meanOf = (part: string) => (1_000 * metric('sum', part)) / metric('count', part);
  return { prepare: meanOf('prepare'), commit: meanOf('commit') };
}
