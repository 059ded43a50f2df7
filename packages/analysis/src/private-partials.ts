import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { PartialColumn, PartialPlan } from './partial-plan.ts';
import { dimensionName, type PrivatePlan, statisticNames } from './private-plan.ts';
import { quoted } from './rule-scope.ts';
import { declarationOf, parseOne, type SqlParser } from './sql-bound.ts';
import { nodeOf } from './sql-tree.ts';
import { resultTypeOf } from './sql-types.ts';

/**
 * The exact statistics of a query with noise, put together from parts that have no contributor in
 * common: each part has bounded all rows of its contributors, and whole numbers add up. Noise comes
 * afterwards, once.
 */
type PrivatePartials = Pick<PartialPlan, 'columns' | 'mergeSql'>;

/**
 * @param statisticsSql of a part, whatever its order key is: only its types are looked at
 * @returns undefined for a query that joins, or groups by floating-point numbers
 * @throws ERR_QUERY_REFUSED, ERR_VAULT_MEMORY
 */
export async function planPrivatePartials(
  parser: SqlParser,
  contract: Contract,
  plan: PrivatePlan,
  statisticsSql: string,
  table: string,
): Promise<PrivatePartials | undefined> {
  const { dimensions, measures, statistics, query } = plan;
  const rows = await parseOne(parser, plan.rowsSql);
  if (nodeOf(rows['from_table'])['type'] !== 'BASE_TABLE' || query.relations.length > 1) {
    return undefined;
  }
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
  const isExact = types.every((type) => !/^(FLOAT|DOUBLE)$/.test(resultTypeOf(type) ?? 'DOUBLE'));
  if (!isExact) return undefined;
  const by = keys.map(quoted).join(', ');
  const sums = numbers.map(quoted).map((name) => `coalesce(sum(${name}), 0)::HUGEINT AS ${name}`);
  const grouped = by === '' ? '' : ` GROUP BY ${by} ORDER BY ${by}`;
  const items = [...keys.map(quoted), ...sums].join(', ');
  return { columns, mergeSql: `SELECT ${items} FROM ${quoted(table)}${grouped}` };
}
