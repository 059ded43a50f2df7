import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId } from '@strongroom/protocol/fields';
import type { Privacy } from '@strongroom/protocol/privacy';
import { Aggregator } from '../src/vault/engine/aggregate.ts';
import { readArrowBatch } from '../src/vault/engine/arrow-batch.ts';
import { datasetWith, encodeColumns } from './arrow-tables.ts';

/** Visits and stays of people at places, and what is known of places: for queries with noise. */

export interface Visit {
  readonly person: string;
  readonly place: string | null;
  readonly delay: number | null;
  readonly bags: bigint;
}

export interface Stay {
  readonly person: string;
  readonly nights: bigint;
}

export interface Place {
  readonly place: string;
  readonly region: string;
}

export interface Scene {
  readonly visits: readonly Visit[];
  readonly stays?: readonly Stay[];
  readonly places?: readonly Place[];
}

const COLUMNS = {
  visits: [
    { name: 'person', type: 'utf8', nullable: false },
    { name: 'place', type: 'utf8', nullable: true },
    { name: 'delay', type: 'float64', nullable: true },
    { name: 'bags', type: 'int64', nullable: false },
  ],
  stays: [
    { name: 'person', type: 'utf8', nullable: false },
    { name: 'nights', type: 'int64', nullable: false },
  ],
  places: [
    { name: 'place', type: 'utf8', nullable: false },
    { name: 'region', type: 'utf8', nullable: false },
  ],
} as const;

export const PLACES = ['SFO', 'JFK', 'LHR'];

const RULES: Record<keyof typeof COLUMNS, AnalysisRules> = {
  visits: {
    columns: {
      person: { contributor: true, joinKey: {}, measure: { functions: ['count_distinct'] } },
      place: { dimension: { values: PLACES }, joinKey: {} },
      delay: { measure: { low: '-10', high: '100.5' } },
      bags: { measure: { low: '0', high: '3' }, dimension: {} },
    },
  },
  stays: {
    columns: {
      person: { contributor: true, joinKey: {} },
      nights: { measure: { low: '0', high: '30' } },
    },
  },
  places: { columns: { place: { joinKey: {} }, region: { dimension: {} } } },
};

export const PRIVACY: Privacy = {
  mechanism: 'laplace',
  loss: { epsilon: '1', delta: '0.000001' },
  groupsPerContributor: 2,
  rowsPerGroup: 2,
  fractionDigits: { delay: 1 },
  bins: { delay: ['-10', '0', '15', '60', '100.5'] },
  confidence: '0.95',
};

export function privateQuery(sql: string, privacy: Partial<Privacy> = {}): Query {
  return {
    id: 'q' as QueryId,
    sql,
    relations: Object.keys(COLUMNS).filter((name) => sql.includes(name)),
    window: { kind: 'whole' },
    latenessMs: 0,
    readers: [],
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
    privacy: { ...PRIVACY, ...privacy },
  };
}

export function privateContract(queries: readonly Query[], rules: Partial<typeof RULES> = {}) {
  const datasets = (['visits', 'stays', 'places'] as const).map((id) => ({
    ...datasetWith(COLUMNS[id], { id: id as DatasetId, relation: id }),
    rules: rules[id] ?? RULES[id],
  }));
  return { datasets, queries } as unknown as Contract;
}

/** Replaces all rows. */
export async function show(aggregator: Aggregator, { visits, stays = [], places = [] }: Scene) {
  const tables = {
    visits: visits.map(({ person, place, delay, bags }) => [person, place, delay, bags]),
    stays: stays.map(({ person, nights }) => [person, nights]),
    places: places.map(({ place, region }) => [place, region]),
  };
  for (const id of ['visits', 'stays', 'places'] as const) {
    await aggregator.rows.clear(id as DatasetId);
    const rows = tables[id];
    if (rows.length === 0) continue;
    const bytes = encodeColumns(
      COLUMNS[id].map((contract, at) => ({ contract, values: rows.map((row) => row[at] ?? null) })),
    );
    const dataset = datasetWith(COLUMNS[id], { id: id as DatasetId, relation: id });
    const arrowBatch = readArrowBatch(bytes, dataset, rows.length);
    const batches = [{ arrowBatch, stream: 0, batchNumber: 0 }];
    await aggregator.append(id as DatasetId, batches, Number.NEGATIVE_INFINITY);
  }
}

/** An engine for one query of the scene. */
export async function openPrivate(query: Query, rules: Partial<typeof RULES> = {}) {
  return await Aggregator.open(privateContract([query], rules), { memoryMb: 128 });
}
