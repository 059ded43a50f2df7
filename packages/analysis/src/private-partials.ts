import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { contributorsAreApart } from '@strongroom/protocol/slices';
import { coPartitionedRows } from './co-partitioned.ts';
import { type NeedsRows, NotMergeable } from './partial-names.ts';
import type { PartialColumn, PartialPlan } from './partial-plan.ts';
import { dimensionName, type PrivatePlan, statisticNames } from './private-plan.ts';
import { quoted } from './rule-scope.ts';
import { declarationOf, parseOne, type SqlParser } from './sql-bound.ts';
import { resultTypeOf } from './sql-types.ts';

/**
 * The exact statistics of a query with noise, put together from slices, which have no contributor
 * in common: each has bounded all rows of its contributors, before a join and after it, and whole
 * numbers add up. Noise comes afterwards, once.
 */
type PrivatePartials = Pick<PartialPlan, 'kind' | 'columns' | 'mergeSql'>;

/** Why no slices can count it; undefined: they can. @throws ERR_QUERY_REFUSED, ERR_VAULT_MEMORY */
export async function privateNeed(
  parser: SqlParser,
  contract: Contract,
  plan: PrivatePlan,
): Promise<NeedsRows | undefined> {
  try {
    await demandApart(parser, contract, plan);
    return undefined;
  } catch (error) {
    if (error instanceof NotMergeable) return error.need;
    throw error;
  }
}

async function demandApart(
  parser: SqlParser,
  contract: Contract,
  { query, rowsSql, dimensions }: PrivatePlan,
): Promise<void> {
  if (!contributorsAreApart(contract, query)) throw new NotMergeable('noise');
  const rows = await parseOne(parser, rowsSql);
  // Noise is not of groups of groups: the gate lets none through.
  const { folded } = coPartitionedRows(rows, contract, query);
  if (folded.length > 0) throw new NotMergeable('subquery');
  const tables = query.relations.map((relation) => declarationOf(contract, query, relation));
  // The contributor stands before them.
  const types = (await parser.plan(rowsSql, tables)).types.slice(1, 1 + dimensions.length);
  const isExact = types.every((type) => !/^(FLOAT|DOUBLE)$/.test(resultTypeOf(type) ?? 'DOUBLE'));
  if (!isExact || types.length < dimensions.length) throw new NotMergeable('floating-point');
}

/**
 * @param statisticsSql of a slice, whatever its order key is: only its types are looked at
 * @throws ERR_QUERY_REFUSED, ERR_VAULT_MEMORY
 */
export async function planPrivatePartials(
  parser: SqlParser,
  contract: Contract,
  plan: PrivatePlan,
  statisticsSql: string,
  table: string,
): Promise<PrivatePartials | NeedsRows> {
  const need = await privateNeed(parser, contract, plan);
  if (need) return need;
  const { dimensions, measures, statistics, query } = plan;
  const keys = dimensions.map((_dimension, at) => dimensionName(at));
  const numbers = statistics.flatMap((each, at) => statisticNames(each, at, measures));
  const tables = query.relations.map((relation) => declarationOf(contract, query, relation));
  const { types } = await parser.plan(statisticsSql, tables);
  const names = [...keys, ...numbers];
  if (types.length !== names.length) {
    throw new StrongroomError('ERR_QUERY_REFUSED', { query: query.id, place: 'its statistics' });
  }
  const columns = types.map((type, at): PartialColumn => {
    const role = at < keys.length ? 'key' : 'sum';
    return { name: names[at] ?? '', role, type: String(type) };
  });
  const by = keys.map(quoted).join(', ');
  const sums = numbers.map(quoted).map((name) => `coalesce(sum(${name}), 0)::HUGEINT AS ${name}`);
  const grouped = by === '' ? '' : ` GROUP BY ${by} ORDER BY ${by}`;
  const items = [...keys.map(quoted), ...sums].join(', ');
  const mergeSql = `SELECT ${items} FROM ${quoted(table)}${grouped}`;
  return { kind: 'partials', columns, mergeSql };
}
