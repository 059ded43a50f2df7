import assert from 'node:assert/strict';
import type { Json } from '@strongroom/protocol/canonical-json';
import type { ColumnContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CountSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';
import { placeColumns, sourceNames } from './column-mapping.ts';
import { PostgresSnapshot } from './postgres-connection.ts';
import { postgresType } from './postgres-types.ts';
import type { GrowingInput, Portion, Standing, WantedColumns } from './source-input.ts';
import { quoteIdentifier, quoteText } from './sql-text.ts';
import { corruptState } from './stream-state.ts';

export interface PostgresOptions {
  /** postgres://user@host:port/database, without a password. */
  readonly url: URL;
  readonly passwordFile?: string | undefined;
  /** Of which all rows are published: `SELECT …`, or `TABLE "name"`. */
  readonly sql: string;
  /** Rows are new when its value is above all that were published. Absent: they are read once. */
  readonly increment?: string | undefined;
}

/** What the state keeps of the portion that was published last or is being published. */
const PositionSchema = z.strictObject({
  /** Values of the increment, as PostgreSQL writes them: rows above `after`, up to `upTo`. */
  after: z.string().nullable(),
  upTo: z.string().nullable(),
  /** Of the portion. */
  rows: CountSchema,
  /** A sum of hashes of its rows, in any order. */
  digest: z.string(),
  /** Rows up to `upTo` that there were. */
  total: CountSchema,
});
type Position = z.infer<typeof PositionSchema>;

/**
 * The rows of a query, read in one snapshot. With an increment, each run publishes the rows above
 * the highest value that was published; whether any came below it since is counted, and refused.
 */
export function openPostgres(options: PostgresOptions): GrowingInput {
  let snapshot: PostgresSnapshot | undefined;
  const { url, sql, increment } = options;
  const database = `${url.host}${url.pathname}${url.searchParams.get('host') ?? ''}`;
  return {
    type: 'growing',
    knownBy: { kind: 'postgres', database, sql, increment: increment ?? null },
    follow: false,
    async next(before, wanted) {
      await snapshot?.close();
      snapshot = await PostgresSnapshot.open(url, options.passwordFile);
      return portionOf(await describe(snapshot, options, wanted), before);
    },
    close: async () => snapshot?.close(),
  };
}

/** A query whose columns are known, at one moment. */
interface Described {
  readonly snapshot: PostgresSnapshot;
  readonly options: PostgresOptions;
  /** Names of the query's columns that are published, in the order of the contract. */
  readonly names: readonly string[];
  /** Those again, so that rows come in the same order whenever they are read. */
  readonly order: string;
}

/** @throws ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN, ERR_COLUMN_TYPE, ERR_USAGE */
async function describe(
  snapshot: PostgresSnapshot,
  options: PostgresOptions,
  { dataset, mapping }: WantedColumns,
): Promise<Described> {
  const { increment } = options;
  const found = await snapshot.columnsOf(options.sql);
  const wanted = sourceNames(dataset, mapping);
  // What rows are told apart by need not be in the contract.
  const offered = found.filter(({ name }) => name !== increment || wanted.includes(name));
  const { present, places } = placeColumns(
    dataset,
    mapping,
    offered.map(({ name }) => name),
  );
  const columns = places.map((place, index) => {
    const column = offered[place];
    const contract = present.columns[index];
    assert(column !== undefined && contract !== undefined);
    demandType(column, contract);
    return { name: column.name, contract: contract.name };
  });
  if (increment !== undefined) demandIncrement(increment, found);
  const names = columns.map(({ name }) => name);
  const time = columns.find(({ contract }) => contract === dataset.eventTime)?.name;
  return { snapshot, options, names, order: orderOf(increment ?? time, names) };
}

function demandType(
  { oid, kind }: { oid: number; kind?: string },
  { name, type }: ColumnContract,
): void {
  const found = postgresType(oid, kind);
  if (found?.becomes.includes(type)) return;
  throw new StrongroomError('ERR_COLUMN_TYPE', {
    column: name,
    expectedType: type,
    foundType: found?.name ?? `a type that no contract can name (${oid})`,
  });
}

function demandIncrement(name: string, found: readonly { name: string; oid: number }[]): void {
  const column = found.find((each) => each.name === name);
  if (column && postgresType(column.oid, undefined)?.orders) return;
  const problem = 'a column of the query, a whole number, a decimal, a date or a time';
  throw new StrongroomError('ERR_USAGE', { argument: '--increment', problem });
}

/** Letter by letter, whatever the database's collation is: it may be another one tomorrow. */
function orderOf(first: string | undefined, names: readonly string[]): string {
  const texts = names.map((name) => `${quoteIdentifier(name)}::text COLLATE "C"`);
  return [...(first === undefined ? [] : [quoteIdentifier(first)]), ...texts].join(', ');
}

async function portionOf(
  query: Described,
  before: Standing | undefined,
): Promise<Portion | undefined> {
  const position = before && positionIn(before.position);
  if (before && position && !before.complete) {
    const again = await measure(query, position.after, position.upTo);
    if (again.rows !== position.rows || again.digest !== position.digest) {
      throw changed('rows of the part that is being published came, went or changed');
    }
    return portion(query, position, before.cursor);
  }
  if (query.options.increment === undefined && position) {
    const { rows, digest } = await measure(query, null, null);
    if (rows === position.rows && digest === position.digest) return undefined;
    throw changed('rows came, went or changed since: an increment would tell which are new');
  }
  const upTo = await highest(query, position);
  const after = position?.upTo ?? null;
  const { rows, digest } = await measure(query, after, upTo);
  if (position && rows === 0) return undefined;
  const total = rows + (position ? await countUpTo(query, position.upTo) : 0);
  return portion(query, { after, upTo, rows, digest, total }, 0);
}

/**
 * The highest value of the increment now.
 * @throws ERR_COLUMN_NULL, ERR_SOURCE_CHANGED when rows have come at or below the highest value
 *   that was published: a run that goes on above it would never see them
 */
async function highest(query: Described, position: Position | undefined): Promise<string | null> {
  const { increment } = query.options;
  if (increment === undefined) return null;
  const name = quoteIdentifier(increment);
  const [[upTo = null, nulls] = []] = await query.snapshot.rows(
    `SELECT max(${name})::text, count(*) FILTER (WHERE ${name} IS NULL)::text ${from(query)}`,
  );
  if (nulls !== '0') throw new StrongroomError('ERR_COLUMN_NULL', { column: increment });
  if (position && (await countUpTo(query, position.upTo)) > position.total) {
    throw changed('rows came at or below the highest increment that was published');
  }
  return upTo;
}

async function countUpTo(query: Described, upTo: string | null): Promise<number> {
  if (upTo === null) return 0;
  const [[count] = []] = await query.snapshot.rows(
    `SELECT count(*)::text ${from(query)} WHERE ${conditions(query, null, upTo)}`,
  );
  return Number(count);
}

/** How many rows lie between, and a sum of their hashes: rows that change do not go unseen. */
async function measure(
  query: Described,
  after: string | null,
  upTo: string | null,
): Promise<{ rows: number; digest: string }> {
  const row = `ROW(${query.names.map(quoteIdentifier).join(', ')})::text`;
  const [[rows, digest] = []] = await query.snapshot.rows(
    `SELECT count(*)::text, coalesce(sum(hashtextextended(${row}, 0)::numeric), 0)::text
     ${from(query)} WHERE ${conditions(query, after, upTo)}`,
  );
  return { rows: Number(rows), digest: digest ?? '' };
}

function portion(query: Described, position: Position, cursor: number): Portion {
  const { snapshot, names, order } = query;
  const columns = names.map(quoteIdentifier).join(', ');
  const rows = conditions(query, position.after, position.upTo);
  const sql = `SELECT ${columns} ${from(query)} WHERE ${rows} ORDER BY ${order}`;
  const header = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',');
  return {
    input: {
      type: 'replayable',
      bytes: () => snapshot.copy(sql),
      knownBy: async () => position,
    },
    format: 'csv',
    start: Buffer.from(`${header}\n`),
    cursor,
    position,
  };
}

function from({ options }: Described): string {
  return `FROM (${options.sql}\n) AS source`;
}

function conditions({ options }: Described, after: string | null, upTo: string | null): string {
  const name = quoteIdentifier(options.increment ?? '');
  const above = after === null ? [] : [`${name} > ${quoteText(after)}`];
  const below = upTo === null ? [] : [`${name} <= ${quoteText(upTo)}`];
  return [...above, ...below, 'true'].join(' AND ');
}

function positionIn(value: Json): Position {
  const parsed = PositionSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw corruptState('state.json', 'its position is none of a query');
}

function changed(problem: string): StrongroomError {
  return new StrongroomError('ERR_SOURCE_CHANGED', { source: 'postgres', problem });
}
