import assert from 'node:assert/strict';
import { groupsOf, widthOf } from '@strongroom/analysis/private-plan';
import {
  addWindow,
  drawsInTotal,
  levelsOf,
  NO_WINDOWS,
  type RunningTotals,
} from '@strongroom/privacy/continual-release';
import { addNoise } from '@strongroom/privacy/noise';
import { seededSource } from '@strongroom/privacy/random-source';
import type { QueryTotals } from '@strongroom/protocol/checkpoint';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CONTINUAL_NUMBERS_MAX } from '@strongroom/protocol/limits';
import { debitSpanOf } from '@strongroom/protocol/privacy';
import { type Disclosable, discloseNoisy } from './disclose.ts';
import type { Aggregator, Statistics } from './engine/aggregate.ts';
import type { TimeWindow } from './engine/window.ts';
import { type NoiseSeeds, statisticsDigest } from './noise-seeds.ts';
import { drawAll, type PlannedNoise, planNoise } from './private-noise.ts';

interface NoisyResult {
  readonly result: Disclosable;
  /** Of a query with running totals, as they are after this window. */
  readonly totals?: QueryTotals;
}

/** Queries with noise: bounded rows, noise that only depends on what was counted, a result. */
export class PrivateQueries {
  readonly #aggregator: Aggregator;
  readonly #noise: ReadonlyMap<string, PlannedNoise>;

  /** @throws ERR_QUERY_REFUSED when a loss is too small to buy any noise */
  constructor(contract: Contract, aggregator: Aggregator) {
    this.#aggregator = aggregator;
    this.#noise = new Map(
      contract.queries.flatMap((query) => {
        const plan = aggregator.planOf(query);
        return plan ? [[query.id, planNoise(plan)] as const] : [];
      }),
    );
    demandRoom(contract, aggregator);
  }

  /**
   * @param totals of a query with running totals, as they were after the window before
   * @throws ERR_QUERY_FAILED, ERR_VAULT_MEMORY, ERR_LIMIT_EXCEEDED
   */
  async result(
    query: Query,
    window: TimeWindow | null,
    seeds: NoiseSeeds,
    totals: QueryTotals | undefined,
  ): Promise<NoisyResult> {
    const orderKey = seeds.orderKey(query, window);
    const exact = await this.#aggregator.statistics(query, window, orderKey);
    return this.withNoise(exact, window, seeds, totals);
  }

  /** The same of rows that were counted already. @param totals as `result` takes them */
  withNoise(
    exact: Statistics,
    window: TimeWindow | null,
    seeds: NoiseSeeds,
    totals: QueryTotals | undefined,
  ): NoisyResult {
    const { query } = exact.plan;
    const planned = this.#noise.get(query.id);
    assert(planned, 'a query with noise was planned');
    const digest = statisticsDigest(exact);
    if (window && query.privacy?.continual) {
      return runningTotal(exact, planned, window, digest, seeds, totals);
    }
    const source = seededSource(seeds.ofWindow(query, window, digest));
    const noise = drawAll(planned, exact.plan, exact.groups.length, source);
    const groups = exact.groups.map((numbers, row) => addNoise(numbers, noise[row] ?? []));
    return { result: discloseNoisy({ ...exact, groups, planned, terms: 1 }) };
  }
}

/** Running totals have to fit into a checkpoint, all of them, and not only at first. */
function demandRoom(contract: Contract, aggregator: Aggregator): void {
  let numbers = 0;
  for (const query of contract.queries) {
    const plan = aggregator.planOf(query);
    if (!plan || !query.privacy?.continual) continue;
    const width = plan.statistics.reduce((sum, each) => sum + widthOf(each, plan.measures), 0);
    numbers += groupsOf(plan.dimensions) * width * levelsOf(query.privacy.continual.windows);
    if (numbers > CONTINUAL_NUMBERS_MAX) {
      const place = 'running totals of too many groups';
      throw new StrongroomError('ERR_QUERY_REFUSED', { query: query.id, place });
    }
  }
}

/** Adds a window to the tree of its period; the first of a period begins another one. */
function runningTotal(
  exact: Statistics,
  planned: PlannedNoise,
  window: TimeWindow,
  digest: string,
  seeds: NoiseSeeds,
  before: QueryTotals | undefined,
): { readonly result: Disclosable; readonly totals: QueryTotals } {
  const { plan, groups } = exact;
  const period = debitSpanOf(plan.query, window)?.start ?? window.start;
  const tree = before?.period === period ? opened(before) : NO_WINDOWS;
  const width = groups[0]?.length ?? 0;
  const { totals, released } = addWindow(tree, groups.flat(), digest, (node) => {
    const source = seededSource(seeds.ofNode(plan.query, window, node));
    return drawAll(planned, plan, groups.length, source).flat();
  });
  const rows = groups.map((_numbers, row) => released.slice(row * width, (row + 1) * width));
  const terms = drawsInTotal(totals.steps);
  const result = discloseNoisy({ ...exact, groups: rows, planned, terms });
  return { result, totals: kept(period, totals) };
}

function opened({ steps, nodes }: QueryTotals): RunningTotals {
  return { steps, nodes: nodes.map((node) => ({ ...node, sums: node.sums.map(BigInt) })) };
}

function kept(period: number, { steps, nodes }: RunningTotals): QueryTotals {
  return { period, steps, nodes: nodes.map((node) => ({ ...node, sums: node.sums.map(String) })) };
}
