/**
 * The closed lists of the SQL gate. What is not named here does not run; in particular nothing that
 * carries a row's value past its group: list, array_agg, string_agg, any_value, first, last, mode,
 * arg_max, histogram, quantiles, window functions, DISTINCT rows, samples, set operations.
 */

/** They fail where the sum of squares does not fit into a double. */
export const DEVIATIONS: ReadonlySet<string> = new Set([
  'stddev',
  'stddev_samp',
  'stddev_pop',
  'variance',
  'var_samp',
  'var_pop',
]);

/** Functions that fold the rows of a group. min and max are checked further: numbers only. */
export const AGGREGATE_FUNCTIONS: ReadonlySet<string> = new Set([
  'count',
  'count_star',
  'sum',
  'avg',
  'min',
  'max',
  ...DEVIATIONS,
]);

/**
 * Functions that queries with noise may name besides: only over bins that the contract fixes, and
 * the vault counts those itself (private-plan.ts).
 */
export const PRIVATE_AGGREGATES: ReadonlySet<string> = new Set(['histogram', 'quantile_disc']);

/** Functions that cut one number out of a time. */
export const TIME_PART_NUMBERS: ReadonlySet<string> = new Set([
  'year',
  'isoyear',
  'quarter',
  'month',
  'week',
  'yearweek',
  'day',
  'dayofweek',
  'dayofyear',
  'isodow',
  'hour',
  'minute',
  'second',
  'epoch',
]);

/** Functions that make a span of time of a number. */
export const SPAN_FUNCTIONS: ReadonlySet<string> = new Set([
  'to_years',
  'to_months',
  'to_weeks',
  'to_days',
  'to_hours',
  'to_minutes',
  'to_seconds',
]);

/** Functions of one row whose result is a number. */
export const NUMBER_FUNCTIONS: ReadonlySet<string> = new Set([
  '+',
  '-',
  '*',
  '/',
  '//',
  '%',
  'abs',
  'ceil',
  'ceiling',
  'floor',
  'round',
  'trunc',
  'sign',
  'length',
  'date_part',
  'date_diff',
  'date_sub',
  ...TIME_PART_NUMBERS,
]);

/** Functions of one row that tell no value from another one; rule-values.ts says how far. */
export const KEEPS_VALUES: ReadonlySet<string> = new Set(['+', '-', '*', '/']);

/** Functions of one row that have no result for some values that are there. */
export const LOSES_VALUES: ReadonlySet<string> = new Set(['nullif', '//', '%']);

/** Other functions of one row: comparison of text, cuts of time, spans of time. */
export const ROW_FUNCTIONS: ReadonlySet<string> = new Set([
  ...NUMBER_FUNCTIONS,
  '~~',
  '!~~',
  'lower',
  'upper',
  'trim',
  'starts_with',
  'contains',
  'nullif',
  'greatest',
  'least',
  'date_trunc',
  'last_day',
  'monthname',
  'dayname',
  ...SPAN_FUNCTIONS,
]);

/** Functions that read all of a text: on 900 kB of it, some 5 ms. */
export const TEXT_FUNCTIONS: ReadonlySet<string> = new Set([
  '~~',
  '!~~',
  'lower',
  'upper',
  'trim',
  'length',
  'starts_with',
  'contains',
]);

/** Functions of text and a pattern: the pattern is written in the query, and cheap to match. */
export const PATTERN_FUNCTIONS: ReadonlySet<string> = new Set([
  '~~',
  '!~~',
  'starts_with',
  'contains',
]);

/** Functions whose first argument names a part of a time; it is written in the query. */
export const TIME_PART_FUNCTIONS: ReadonlySet<string> = new Set([
  'date_part',
  'date_trunc',
  'date_diff',
  'date_sub',
]);

export const TIME_PARTS: ReadonlySet<string> = new Set([
  'year',
  'isoyear',
  'quarter',
  'month',
  'week',
  'yearweek',
  'day',
  'dow',
  'dayofweek',
  'isodow',
  'doy',
  'dayofyear',
  'hour',
  'minute',
  'second',
  'epoch',
]);

export const NUMBERS = [
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'HUGEINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'DECIMAL',
] as const;
export const NUMBER_TYPES: ReadonlySet<string> = new Set(NUMBERS);

/** Types that a cast may name. */
export const CAST_TYPES: ReadonlySet<string> = new Set([
  ...NUMBER_TYPES,
  'BOOLEAN',
  'VARCHAR',
  'DATE',
  'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE',
]);

/** Types that a literal may have. Larger integers would not survive a tree in JSON. */
export const LITERAL_TYPES: ReadonlySet<string> = new Set([
  'NULL',
  ...[...CAST_TYPES].filter((type) => type !== 'HUGEINT'),
]);

export const COMPARISONS: ReadonlySet<string> = new Set([
  'COMPARE_EQUAL',
  'COMPARE_NOTEQUAL',
  'COMPARE_LESSTHAN',
  'COMPARE_GREATERTHAN',
  'COMPARE_LESSTHANOREQUALTO',
  'COMPARE_GREATERTHANOREQUALTO',
  'COMPARE_DISTINCT_FROM',
  'COMPARE_NOT_DISTINCT_FROM',
]);

export const OPERATORS: ReadonlySet<string> = new Set([
  'OPERATOR_COALESCE',
  'OPERATOR_NOT',
  'OPERATOR_IS_NULL',
  'OPERATOR_IS_NOT_NULL',
  'COMPARE_IN',
  'COMPARE_NOT_IN',
  // NULL where its argument fails for a row.
  'OPERATOR_TRY',
]);

export const JOIN_TYPES: ReadonlySet<string> = new Set(['INNER', 'LEFT', 'SEMI', 'ANTI']);
