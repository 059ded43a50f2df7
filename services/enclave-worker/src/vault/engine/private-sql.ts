import assert from 'node:assert/strict';
import {
  type Dimension,
  dimensionName,
  type Measure,
  middleOf,
  type PrivatePlan,
  type Statistic,
  statisticNames,
} from '@strongroom/analysis/private-plan';
import { quoted } from '@strongroom/analysis/rule-scope';
import type { DomainValue } from '@strongroom/protocol/analysis-rules';
import { JOINED_ROWS_DEFAULT } from '@strongroom/protocol/limits';
import { duckdbType } from './row-group.ts';

/**
 * SQL for the exact statistics of a query with noise. The rows of each contributor are bounded and
 * every value is clamped before anything is added, so that what one of them can change is known:
 *
 *   bounded   of tables that are joined by the contributor, so many rows of each one of them
 *   rows      the query's own FROM and WHERE
 *   clamped   rows of a contributor, in the domain, with values in fixed point within their bounds
 *   ranked    a contributor's groups, and its rows in each, in an order that is a keyed hash
 *   counted   as many as count, added up by group
 *
 * Not a number and NULL are no value; an infinite one is at its bound. The order does not depend on
 * when rows came, nobody without the key can choose which rows count, and rows of one content are
 * one as good as the other.
 *
 * @param orderKey in hex; a secret, and another one for each window
 */
export function statisticsSql(plan: PrivatePlan, orderKey: string): string {
  const { dimensions, measures, statistics, privacy } = plan;
  const groups = dimensions.map((_dimension, at) => dimensionOf(at));
  const values = measures.map((_measure, at) => measureName(at));
  const counted = statistics.flatMap((each, at) => sumsOf(each, at, measures));
  const grouped = groups.length > 0 ? `GROUP BY ${groups.join(', ')}` : '';
  const { groupsPerContributor, rowsPerGroup } = privacy;
  const bounded = plan.joined.map((each) => `${boundedTable(each, orderKey, privacy)}, `).join('');
  return `WITH ${bounded}rows AS (${plan.rowsSql}),
  clamped AS (
    SELECT ${['contributor', ...groups, ...measures.map(clamped)].join(', ')} FROM rows
    WHERE ${['contributor IS NOT NULL', ...dimensions.flatMap(inDomain)].join(' AND ')}),
  hashed AS (
    SELECT *, ${hashOf(orderKey, 'group', ['contributor', ...groups])} AS "group hash",
      ${hashOf(orderKey, 'row', ['contributor', ...groups, ...values])} AS "row hash"
    FROM clamped),
  ranked AS (
    SELECT *,
      dense_rank() OVER (
        PARTITION BY contributor
        ORDER BY ${['"group hash"', ...groups].join(', ')}) AS "group rank",
      row_number() OVER (
        PARTITION BY ${['contributor', ...groups].join(', ')}
        ORDER BY ${['"row hash"', ...values].join(', ')}) AS "row rank"
    FROM hashed),
  counted AS (
    SELECT ${[...groups, ...counted].join(', ')} FROM ranked
    WHERE "group rank" <= ${groupsPerContributor} AND "row rank" <= ${rowsPerGroup} ${grouped})
  ${wholeDomain(plan)}`;
}

/** A whole row; no column has a name with a space. */
const ROW = '"bounded row"';

/** Takes a relation's name, and of its rows as many of each contributor as may be joined. */
function boundedTable(
  { relation, contributor }: PrivatePlan['joined'][number],
  orderKey: string,
  { rowsPerTable = JOINED_ROWS_DEFAULT }: PrivatePlan['privacy'],
): string {
  return `"${relation}" AS (
    SELECT * EXCLUDE ("row rank") FROM (
      SELECT *, row_number() OVER (
        PARTITION BY "${contributor}"
        ORDER BY ${hashOf(orderKey, relation, [ROW])}, ${ROW}) AS "row rank"
      FROM main."${relation}" ${ROW})
    WHERE "row rank" <= ${rowsPerTable})`;
}

/** All groups of a public domain, those without rows too; else those that there are. */
function wholeDomain({ dimensions, measures, statistics }: PrivatePlan): string {
  const groups = dimensions.map((_dimension, at) => dimensionOf(at));
  const isWhole = dimensions.every(({ values }) => values !== null);
  if (!isWhole || groups.length === 0) {
    return `SELECT * FROM counted ${groups.length > 0 ? `ORDER BY ${groups.join(', ')}` : ''}`;
  }
  const domain = dimensions.map((dimension, at) => {
    const rows = literalsOf(dimension).map((value) => `(${value})`);
    return `(VALUES ${rows.join(', ')}) "domain ${at}"(${dimensionOf(at)})`;
  });
  const ofDomain = groups.map((name, at) => `"domain ${at}".${name}`);
  const pairs = groups.map((name, at) => `c.${name} IS NOT DISTINCT FROM ${ofDomain[at]}`);
  const numbers = statistics
    .flatMap((each, at) => namesIn(each, at, measures))
    .map((name) => `coalesce(c.${name}, 0) AS ${name}`);
  return `SELECT ${[...ofDomain, ...numbers].join(', ')}
  FROM ${domain.join(' CROSS JOIN ')} LEFT JOIN counted c ON ${pairs.join(' AND ')}
  ORDER BY ${ofDomain.join(', ')}`;
}

/** Groups outside of the domain do not count, and take no other group's place. */
function inDomain(dimension: Dimension, at: number): string[] {
  if (dimension.values === null) return [];
  const name = dimensionOf(at);
  const listed = `${name} IN (${literalsOf(dimension).join(', ')})`;
  return [dimension.values.includes(null) ? `(${name} IS NULL OR ${listed})` : listed];
}

function literalsOf({ values, type }: Dimension): string[] {
  return (values ?? []).map((value) => `CAST(${literalOf(value)} AS ${sqlTypeOf(type)})`);
}

/** Of a decimal only NULL can be in a domain, whatever its digits are. */
function sqlTypeOf(type: Dimension['type']): string {
  if (type === null) return 'VARCHAR';
  return `${duckdbType(type === 'decimal128' ? { type, precision: 38, scale: 0 } : { type })}`;
}

function literalOf(value: DomainValue): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  return value === null ? 'NULL' : `${value}`;
}

/** A measure in fixed point: clamped as a double, rounded, and clamped again as an integer. */
function clamped(measure: Measure, at: number): string {
  const name = measureName(at);
  const { type, digits, low, high, isCounted } = measure;
  const isFloat = type.startsWith('float');
  const isNumber = isFloat ? `AND NOT isnan(${name})` : '';
  const bounded = (value: string) => `least(greatest(${value}, ${low}), ${high})`;
  const scale = 10n ** BigInt(digits);
  const ends = [low, high].map((end) => `${end} / ${scale}::DOUBLE`);
  const double = `least(greatest(${name}::DOUBLE, ${ends[0]}), ${ends[1]})`;
  const whole = `${name}::HUGEINT * ${scale}`;
  const exact = type === 'decimal128' ? decimalUnits(name, measure) : whole;
  const units = isFloat ? `round(${double} * ${scale})::HUGEINT` : exact;
  const value = isCounted ? '0::HUGEINT' : bounded(units);
  return `CASE WHEN ${name} IS NOT NULL ${isNumber} THEN ${value} END AS ${name}`;
}

/**
 * A decimal's digits are a whole number of at most 38, which the engine gives as text alone. Where
 * more are kept they are bounded before they get longer; others are rounded, a half away from 0.
 */
function decimalUnits(name: string, { scale, digits, low, high }: Measure): string {
  const unscaled = `replace(${name}::VARCHAR, '.', '')::HUGEINT`;
  const factor = 10n ** BigInt(Math.abs(digits - scale));
  if (digits >= scale) {
    return `least(greatest(${unscaled}, ${low / factor - 1n}), ${high / factor + 1n}) * ${factor}`;
  }
  return `((abs(${unscaled}) + ${factor / 2n}) // ${factor}) * sign(${unscaled})`;
}

/** The integers of a statistic, each as an aggregate of the rows that count. */
function sumsOf(statistic: Statistic, at: number, measures: readonly Measure[]): string[] {
  const names = namesIn(statistic, at, measures);
  return expressionsOf(statistic, measures).map(
    (sum, index) => `coalesce(${sum}, 0)::HUGEINT AS ${names[index]}`,
  );
}

function expressionsOf(statistic: Statistic, measures: readonly Measure[]): string[] {
  if (statistic.kind === 'contributors') return ['count(DISTINCT contributor)'];
  if (statistic.measure === null) return ['count(*)'];
  const name = measureName(statistic.measure);
  const measure = measures[statistic.measure];
  assert(measure, 'a statistic is of a measure of the plan');
  const difference = `(${name} - ${middleOf(measure)})`;
  if (statistic.kind === 'rows') return [`count(${name})`];
  if (statistic.kind === 'sum') return [`sum(${name})`];
  if (statistic.kind === 'centred') return [`sum(${difference})`];
  if (statistic.kind === 'squares') return [`sum(${difference} * ${difference})`];
  const inner = measure.edges.slice(1, -1);
  return measure.edges.slice(1).map((_edge, bin) => {
    const from = bin === 0 ? [] : [`${name} >= ${inner[bin - 1]}`];
    const until = bin === inner.length ? [] : [`${name} < ${inner[bin]}`];
    const within = [`${name} IS NOT NULL`, ...from, ...until].join(' AND ');
    return `count(*) FILTER (WHERE ${within})`;
  });
}

/** Of a contributor's group or row in an order that only the key decides. */
function hashOf(orderKey: string, what: string, columns: readonly string[]): string {
  const parts = columns.map((name) => `coalesce(${name}::VARCHAR, chr(0))`);
  return `sha256(concat_ws(chr(31), '${orderKey}', '${what}', ${parts.join(', ')}))`;
}

function dimensionOf(at: number): string {
  return quoted(dimensionName(at));
}

function namesIn(statistic: Statistic, at: number, measures: readonly Measure[]): string[] {
  return statisticNames(statistic, at, measures).map(quoted);
}

function measureName(at: number): string {
  return `"measure ${at}"`;
}
