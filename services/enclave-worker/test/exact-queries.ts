import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, PartyId, QueryId } from '@strongroom/protocol/fields';
import { tableFromIPC } from 'apache-arrow';
import { disclose } from '../src/vault/disclose.ts';
import { Aggregator } from '../src/vault/engine/aggregate.ts';
import { readArrowBatch } from '../src/vault/engine/arrow-batch.ts';
import { SharedAtoms } from '../src/vault/engine/atoms.ts';
import type { TimeWindow } from '../src/vault/engine/window.ts';
import { datasetWith, encodeColumns } from './arrow-tables.ts';

/** Exact queries over stays in a hospital: what leaves of them, without keys and without a log. */

const COLUMNS = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'patient', type: 'utf8', nullable: false },
  { name: 'ward', type: 'utf8', nullable: false },
  { name: 'sex', type: 'utf8', nullable: false },
  { name: 'cost', type: 'int64', nullable: false },
] as const;

export const STAY_RULES: AnalysisRules = {
  columns: {
    patient: { contributor: true },
    ward: { dimension: {} },
    sex: { dimension: {} },
    cost: { measure: { functions: ['sum', 'avg'] } },
  },
  minimumContributors: { group: 3 },
};

export interface Stay {
  readonly patient: string;
  readonly ward: string;
  readonly sex?: string;
  readonly at?: number;
  readonly cost?: bigint;
  /** It came behind a window that ends here. */
  readonly lateBelow?: number;
}

export interface Asked {
  readonly id: string;
  readonly sql: string;
  readonly window?: Query['window'];
  readonly minimumGroupRows?: number;
  readonly differences?: 'accepted';
}

function contractOf(asked: readonly Asked[], rules?: AnalysisRules): Contract {
  const dataset = datasetWith(COLUMNS, {
    ...{ id: 'stays' as DatasetId, owner: 'east' as PartyId, relation: 'stays', eventTime: 'at' },
    ...(rules ? { rules } : {}),
  });
  const places = datasetWith([{ name: 'name', type: 'utf8', nullable: false }], {
    ...{ id: 'wards' as DatasetId, owner: 'east' as PartyId, relation: 'wards' },
    rules: { columns: { name: { dimension: {}, joinKey: {} } } },
  });
  const queries = asked.map(({ id, sql, window = { kind: 'whole' }, ...more }): Query => {
    const { minimumGroupRows = 1, differences } = more;
    const disclosure = { minimumGroupRows, groupRowsColumn: 'n' };
    const relations = ['stays', 'wards'].filter((name) => sql.includes(name));
    return {
      ...{ id: id as QueryId, sql, relations, window, latenessMs: 0, readers: [] },
      disclosure: differences ? { ...disclosure, differences } : disclosure,
    };
  });
  return { datasets: [dataset, places], queries } as unknown as Contract;
}

/** Runs the queries over the rows, in this window of each. */
export class ExactQueries {
  readonly #contract: Contract;
  readonly #aggregator: Aggregator;

  private constructor(contract: Contract, aggregator: Aggregator) {
    this.#contract = contract;
    this.#aggregator = aggregator;
  }

  static async over(
    rows: readonly Stay[],
    asked: readonly Asked[],
    rules?: AnalysisRules,
  ): Promise<ExactQueries> {
    const contract = contractOf(asked, rules);
    const aggregator = await Aggregator.open(contract, { memoryMb: 128 });
    const queries = new ExactQueries(contract, aggregator);
    for (const late of new Set(rows.map(({ lateBelow }) => lateBelow))) {
      await queries.#append(
        rows.filter(({ lateBelow }) => lateBelow === late),
        late,
      );
    }
    return queries;
  }

  /** Groups that leave, as objects with numbers for integers. */
  async shown(
    id: string,
    window: TimeWindow | null = null,
    atoms = new SharedAtoms(),
  ): Promise<Record<string, unknown>[]> {
    const query = this.#contract.queries.find((each) => each.id === id);
    if (!query) throw new Error(`no query ${id}`);
    const result = disclose(await this.#aggregator.aggregate(query, window, '', atoms));
    const rows = tableFromIPC(result.encode()).toArray();
    return rows.map((row) =>
      Object.fromEntries(
        Object.entries(row.toJSON()).map(([name, value]) => [
          name,
          typeof value === 'bigint' ? Number(value) : value,
        ]),
      ),
    );
  }

  close(): void {
    this.#aggregator.close();
  }

  async #append(rows: readonly Stay[], late: number | undefined): Promise<void> {
    const [dataset] = this.#contract.datasets;
    if (!dataset || rows.length === 0) return;
    const [at, patient, ward, sex, cost] = COLUMNS;
    const bytes = encodeColumns([
      { contract: at, values: rows.map((row) => BigInt(row.at ?? 0)) },
      { contract: patient, values: rows.map((row) => row.patient) },
      { contract: ward, values: rows.map((row) => row.ward) },
      { contract: sex, values: rows.map((row) => row.sex ?? 'x') },
      { contract: cost, values: rows.map((row) => row.cost ?? 1n) },
    ]);
    const arrowBatch = readArrowBatch(bytes, dataset, rows.length);
    const lateBelow = new Map(
      late === undefined ? [] : this.#contract.queries.map(({ id }) => [id, late]),
    );
    const storedBatch = { arrowBatch, stream: 0, batchNumber: 0, lateBelow };
    await this.#aggregator.append(dataset.id, [storedBatch], Number.NEGATIVE_INFINITY);
  }
}

/** One stay of each of so many patients. */
export function stays(ward: string, count: number, more: Partial<Stay> = {}): Stay[] {
  return Array.from({ length: count }, (_none, index) => ({
    patient: `${ward}${more.sex ?? ''}${index}`,
    ward,
    ...more,
  }));
}
