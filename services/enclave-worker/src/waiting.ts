import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import type { QueryStatus } from '@strongroom/protocol/worker-status';
import type { QueryProgress, StreamProgress } from './vault/door.ts';

/** Of each query, what keeps its next window open. */
export function waitingOf(
  contract: Contract,
  queries: readonly QueryProgress[],
  streams: readonly StreamProgress[],
): QueryStatus[] {
  return contract.queries.map((query) => {
    const progress = queries.find((each) => each.query === query.id);
    const { emissions = 0, done = false, closedUntil = null } = progress ?? {};
    const waitsFor = done ? [] : waitsOf(query, inputsOf(contract, query, streams));
    return { query: query.id, emissions, done, closedUntil, waitsFor };
  });
}

function inputsOf(contract: Contract, query: Query, streams: readonly StreamProgress[]) {
  const datasets = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  return streams.filter(({ dataset }) => datasets.some(({ id }) => id === dataset));
}

function waitsOf({ window }: Query, inputs: readonly StreamProgress[]): QueryStatus['waitsFor'] {
  const open = inputs.filter(({ final }) => !final);
  const furthestBack = Math.min(...open.map(watermarkOf));
  return inputs.flatMap((input): QueryStatus['waitsFor'] => {
    const { dataset, stream, partition } = input;
    const place = { dataset, stream, partition };
    if (input.stalled) return [{ ...place, what: 'opening' }];
    if (input.missing > 0 || input.held > 0) return [{ ...place, what: 'batches' }];
    if (input.final) return [];
    if (window.kind === 'whole') return [{ ...place, what: 'end' }];
    return watermarkOf(input) > furthestBack ? [] : [{ ...place, what: 'manifest' }];
  });
}

function watermarkOf({ watermark }: StreamProgress): number {
  return watermark ?? Number.NEGATIVE_INFINITY;
}
