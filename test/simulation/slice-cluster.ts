import { hash } from 'node:crypto';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { encodePartial, type SlicePartial } from '@strongroom/protocol/partial';
import { streamsOfSlice } from '@strongroom/protocol/slices';
import { Aggregator } from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import {
  type ArrowBatch,
  readArrowBatch,
} from '../../services/enclave-worker/src/vault/engine/arrow-batch.ts';
import { encodeResult } from '../../services/enclave-worker/src/vault/engine/result-types.ts';
import {
  type TimeWindow,
  windowRuleOf,
  windowsToClose,
} from '../../services/enclave-worker/src/vault/engine/window.ts';
import { SliceInputs } from '../../services/enclave-worker/src/vault/slices/slice-inputs.ts';
import { datasetWith, encodeColumns } from '../../services/enclave-worker/test/arrow-tables.ts';

/**
 * More workers than a machine can run, one after the other in one process: the code that assigns
 * partitions, counts, orders and merges is the real one. Nothing is sealed, opened or sent.
 */

const HOUR_MS = 3_600_000;
/** Of each window. */
export const GROUPS = 100;
const contractId = ContractIdSchema.parse('5c'.repeat(32));

const columns = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'region', type: 'utf8', nullable: false },
  { name: 'qty', type: 'int64', nullable: false },
] as const;

const query = {
  ...{ id: 'q', relations: ['t'], window: { kind: 'tumbling', sizeMs: HOUR_MS }, latenessMs: 0 },
  sql: 'SELECT region, count(*) AS n, sum(qty) AS qty FROM t GROUP BY region ORDER BY region',
  ...{ readers: [], disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' } },
} as unknown as Query;

export interface ClusterSize {
  readonly slices: number;
  readonly partitions: number;
  /** Of each partition in each window. */
  readonly rows: number;
  readonly windows: number;
}

export interface ClusterRun {
  /** By window: rows and sum over all groups. */
  readonly totals: readonly { readonly n: bigint; readonly qty: bigint }[];
  /** Microseconds of a processor. */
  readonly counting: number;
  readonly merging: number;
}

export async function runCluster(size: ClusterSize): Promise<ClusterRun> {
  const dataset = {
    ...datasetWith(columns, { relation: 't', eventTime: 'at' }),
    streams: Array.from({ length: size.partitions }, (_none, partition) => ({
      ...{ id: `p${partition}`, partition },
    })),
  };
  const contract = {
    datasets: [dataset],
    queries: [query],
    slices: size.slices,
  } as unknown as Contract;
  const aggregator = await Aggregator.open(contract);
  try {
    return await new Cluster(size, contract, aggregator).run();
  } finally {
    aggregator.close();
  }
}

class Cluster {
  readonly #size: ClusterSize;
  readonly #contract: Contract;
  readonly #aggregator: Aggregator;
  readonly #inputs: SliceInputs;
  readonly #heads = new Map<number, string>();
  #closedUntil: number | null = null;
  #counting = 0;
  #merging = 0;

  constructor(size: ClusterSize, contract: Contract, aggregator: Aggregator) {
    this.#size = size;
    this.#contract = contract;
    this.#aggregator = aggregator;
    this.#inputs = new SliceInputs(contract, contractId, () => false);
  }

  async run(): Promise<ClusterRun> {
    const totals: { n: bigint; qty: bigint }[] = [];
    for (let hour = 1; hour <= this.#size.windows; hour += 1) {
      const window = { start: hour * HOUR_MS, end: (hour + 1) * HOUR_MS };
      for (const { slice } of this.#inputs.chains) await this.#count(slice, window);
      const merged = await this.#measure('merging', () => this.#mergeAll());
      totals.push(...merged);
    }
    return { totals, counting: this.#counting, merging: this.#merging };
  }

  #headOf(slice: number): string {
    return this.#heads.get(slice) ?? hash('sha256', contractId, 'hex');
  }

  /** One slice in one window, and what it tells of that. */
  async #count(slice: number, window: TimeWindow): Promise<void> {
    const chain = this.#inputs.of(slice);
    const [dataset] = this.#contract.datasets;
    const { streams = [] } = dataset ?? {};
    if (!dataset) throw new Error('a dataset');
    const mine = streamsOfSlice(streams, this.#contract, slice);
    const batches = mine.map(({ partition }, index) => ({
      ...{ arrowBatch: this.#rowsOf(partition, window), stream: 0, batchNumber: index },
    }));
    const result = await this.#measure('counting', async () => {
      await this.#aggregator.append(dataset.id, batches, Number.NEGATIVE_INFINITY);
      return await this.#aggregator.partial(query, window);
    });
    await this.#aggregator.rows.clear(dataset.id);
    const eventTime = { min: HOUR_MS, max: window.end - 1 };
    const standing = {
      ...{ query: query.id, closedUntil: window.end, ended: false, eventTime, inputs: [] },
    };
    await this.#measure('merging', async () => {
      const arrow = encodeResult(result.columns, result.groups);
      const about = { ...standing, told: { window, groups: result.groups } };
      const place = { contract: contractId, slice, sequence: chain.sequence };
      const partial: SlicePartial = { v: 1, ...place, previous: this.#headOf(slice), about };
      const head = hash('sha256', encodePartial(partial, arrow), 'hex');
      this.#heads.set(slice, head);
      chain.take({ partial, arrow, hash: head }, partial.sequence);
    });
  }

  /** All windows that every slice has told. */
  async #mergeAll() {
    const rule = windowRuleOf(query);
    if (!rule) throw new Error('windows');
    const progress = this.#inputs.progressOf(query);
    const totals: { n: bigint; qty: bigint }[] = [];
    for (const window of windowsToClose(progress, rule, this.#closedUntil, 64)) {
      const { arrows } = this.#inputs.gather(query, window);
      const { columns: found } = await this.#aggregator.merge(query, arrows);
      this.#inputs.forget(query, window);
      this.#closedUntil = window.end;
      const sumOf = (name: string) =>
        (found.find((each) => each.name === name)?.values ?? []).reduce<bigint>(
          (sum, value) => sum + BigInt(String(value)),
          0n,
        );
      totals.push({ n: sumOf('n'), qty: sumOf('qty') });
    }
    return totals;
  }

  #rowsOf(partition: number, { start }: TimeWindow): ArrowBatch {
    const [dataset] = this.#contract.datasets;
    if (!dataset) throw new Error('a dataset');
    const numbers = Array.from({ length: this.#size.rows }, (_none, index) => index);
    const bytes = encodeColumns([
      { contract: columns[0], values: numbers.map((n) => BigInt(start + n)) },
      { contract: columns[1], values: numbers.map((n) => `region ${(n + partition) % GROUPS}`) },
      { contract: columns[2], values: numbers.map(() => BigInt(partition)) },
    ]);
    return readArrowBatch(bytes, dataset, numbers.length);
  }

  async #measure<Result>(part: 'counting' | 'merging', act: () => Promise<Result>) {
    const began = process.cpuUsage();
    const result = await act();
    const { user, system } = process.cpuUsage(began);
    if (part === 'counting') this.#counting += user + system;
    else this.#merging += user + system;
    return result;
  }
}
