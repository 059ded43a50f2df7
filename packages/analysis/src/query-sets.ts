import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { contributorOf } from '@strongroom/protocol/privacy';

/**
 * Exact queries whose results can be subtracted from each other: two of them that read one
 * relation, and one alone whose windows overlap. What no minimum is asked of, and what all parties
 * accept (`disclosure.differences`), is in none. Here is only what the contract says; `shared-
 * rows.ts` looks at the SQL.
 */
export type QuerySet = readonly Query[];

function querySetsOf(contract: Contract): readonly QuerySet[] {
  const found = known.get(contract) ?? makeSets(contract);
  known.set(contract, found);
  return found;
}

/** They are asked for with every batch. */
const known = new WeakMap<Contract, readonly QuerySet[]>();

function makeSets(contract: Contract): QuerySet[] {
  const sets: Query[][] = [];
  for (const query of contract.queries.filter((each) => isProtected(contract, each))) {
    const isNear = (set: Query[]) => set.some((other) => sharesRows(contract, query, other));
    const [near, apart] = [sets.filter(isNear), sets.filter((set) => !isNear(set))];
    sets.splice(0, sets.length, ...apart, [...near.flat(), query]);
  }
  const inOrder = (query: Query) => contract.queries.indexOf(query);
  return sets
    .filter(([first, ...more]) => more.length > 0 || first?.window.kind === 'hopping')
    .map((set) => set.sort((one, other) => inOrder(one) - inOrder(other)));
}

export function querySetOf(contract: Contract, query: Query): QuerySet | undefined {
  return querySetsOf(contract).find((set) => set.some(({ id }) => id === query.id));
}

/**
 * What comes behind a closed window of any of the set counts in none of its windows: two results
 * over the same time would differ by just these rows.
 */
export function leavesLateRowsOut(set: QuerySet | undefined): boolean {
  return set?.every(({ window }) => window.kind !== 'whole') ?? false;
}

/** Others whose results can be subtracted from those of the query. */
export function besides(contract: Contract, query: Query): QuerySet {
  if (query.privacy) return [];
  return contract.queries.filter(
    (other) => other.id !== query.id && !other.privacy && sharesRows(contract, query, other),
  );
}

/** Whether what its results tell together has to keep to a minimum. */
export function isProtected(contract: Contract, query: Query): boolean {
  const { minimumGroupRows, differences } = query.disclosure;
  if (query.privacy || differences === 'accepted') return false;
  const datasets = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  return minimumGroupRows > 1 || datasets.some(({ rules }) => rules?.minimumContributors);
}

/** Reference data that is about nobody, by its owners' rules, tells of nobody. */
function sharesRows(contract: Contract, one: Query, other: Query): boolean {
  const shared = one.relations.filter((relation) => other.relations.includes(relation));
  return shared.some((relation) =>
    datasetsOf(contract, relation).some(
      (dataset) => !dataset.rules || contributorOf(dataset) !== undefined,
    ),
  );
}
