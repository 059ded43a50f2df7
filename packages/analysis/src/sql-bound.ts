import type { DuckDBType } from '@duckdb/node-api';
import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import type { LockedEngine } from './locked-engine.ts';
import { Problems } from './problems.ts';
import { checkPlan, type LiteralCast } from './sql-plan.ts';
import { makeTotal } from './sql-total.ts';
import { listOf, membersOf, nodeOf, refuse, shapeOf, type TreeNode } from './sql-tree.ts';
import { resultTypeOf, sqlTypeOf } from './sql-types.ts';

/** From text to tree and back, and to the plan that the engine makes of it. */

/** Whoever will run the SQL has to be the one who reads it. */
export type SqlParser = Pick<LockedEngine, 'parse' | 'unparse' | 'plan' | 'run'>;

/**
 * The text of a checked tree, without a place at which the values of a row could make it fail.
 * @throws ERR_QUERY_REFUSED, ERR_VAULT_MEMORY
 */
export async function writeTotal(
  parser: SqlParser,
  contract: Contract,
  query: Query,
  top: TreeNode,
): Promise<string> {
  const problems = new Problems();
  const sql = await tryTotal(parser, contract, query, top, problems);
  problems.demandNone();
  return sql;
}

/** `writeTotal`, and what is refused is put to the problems. */
export async function tryTotal(
  parser: SqlParser,
  contract: Contract,
  query: Query,
  top: TreeNode,
  problems: Problems,
): Promise<string> {
  const total = makeTotal(top);
  const sql = await writeOut(parser, total);
  const types = await checkBound(parser, contract, query, { sql, total }, problems);
  for (const [index, item] of listOf(top['select_list']).map(nodeOf).entries()) {
    const type = types[index];
    if (!type || resultTypeOf(type)) continue;
    problems.add(refuse(`a column of type ${type}, which no result can hold`, item));
  }
  return sql;
}

/** @throws ERR_QUERY_REFUSED unless the text is one SELECT */
export async function parseOne(parser: SqlParser, sql: string): Promise<TreeNode> {
  const tree = nodeOf(JSON.parse(await parser.parse(sql)));
  if (tree['error'] !== false) throw refuse('not a SELECT', { query_location: positionOf(tree) });
  const [statement, ...more] = listOf(tree['statements']).map(nodeOf);
  if (!statement || more.length > 0) throw refuse('more or less than one statement');
  membersOf(statement, ['node', 'named_param_map']);
  if (listOf(statement['named_param_map']).length > 0) throw refuse('a parameter');
  return nodeOf(statement['node']);
}

function positionOf(tree: TreeNode): unknown {
  return typeof tree['position'] === 'string' ? Number(tree['position']) : undefined;
}

/** The text of a changed tree; it must be read as that tree, or nothing runs. */
export async function writeOut(parser: SqlParser, top: TreeNode): Promise<string> {
  const statements = [{ node: top, named_param_map: [] }];
  const sql = await parser.unparse(shapeOf({ error: false, statements }));
  if (shapeOf(await parseOne(parser, sql)) !== shapeOf(top)) {
    throw refuse('what cannot be written out again', top);
  }
  return sql;
}

/** Binds the query to empty tables with the contract's columns, and judges what came of it. */
async function checkBound(
  parser: SqlParser,
  contract: Contract,
  query: Query,
  { sql, total }: { readonly sql: string; readonly total: TreeNode },
  problems: Problems,
): Promise<readonly DuckDBType[]> {
  const tables = query.relations.map((relation) => declarationOf(contract, query, relation));
  const bound = await parser.plan(sql, tables);
  const plan = nodeOf(JSON.parse(bound.plan));
  const places = placesOf(await parseOne(parser, sql), total);
  const locate = (location: unknown) => places.get(Number(location));
  if (plan['error'] !== false) {
    const query_location = locate(positionOf(plan));
    throw refuse('its columns and their types', { query_location });
  }
  const facts = { existsCount: countExists(total), problems, locate };
  for (const literal of checkPlan(plan['plans'], facts)) {
    await checkLiteral(parser, literal).catch((error: unknown) => problems.add(error));
  }
  return bound.types;
}

/** A relation's columns as a table. */
export function declarationOf(contract: Contract, query: Query, relation: string): string {
  const columns = (datasetsOf(contract, relation)[0]?.columns ?? []).map(
    (column) => `"${column.name}" ${sqlTypeOf(column)}`,
  );
  const { start, end, number } = SESSION_COLUMNS;
  const more = [`"${start}" TIMESTAMP`, `"${end}" TIMESTAMP`, `"${number}" BIGINT`];
  const all = query.window.kind === 'session' ? [...columns, ...more] : columns;
  return `"${relation}" (${all.join(', ')})`;
}

/** Where each place of a tree that was written out lies in the contract's own text. */
function placesOf(written: unknown, origin: unknown, found = new Map<number, number>()) {
  if (typeof written !== 'object' || written === null) return found;
  if (typeof origin !== 'object' || origin === null) return found;
  const others = new Map(Object.entries(origin));
  for (const [member, value] of Object.entries(written)) {
    const other = others.get(member);
    if (member === 'query_location' && Number(other) >= 0) found.set(Number(value), Number(other));
    placesOf(value, other, found);
  }
  return found;
}

function countExists(tree: unknown): number {
  if (typeof tree !== 'object' || tree === null) return 0;
  const own = 'subquery_type' in tree && tree.subquery_type === 'EXISTS' ? 1 : 0;
  return Object.values(tree).reduce((sum, each) => sum + countExists(each), own);
}

async function checkLiteral(parser: SqlParser, { sql, type }: LiteralCast): Promise<void> {
  try {
    await parser.run(`SELECT ${sql}`);
  } catch (error) {
    if (codeOf(error) === 'ERR_VAULT_MEMORY') throw error;
    throw refuse(`a literal that is no ${type}`);
  }
}
