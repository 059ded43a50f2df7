/**
 * Says of a parser's tree whether it holds only what queries may: written apart from the gate, from
 * docs/sql-walls.md, and much coarser. It knows words, not their places.
 */
export function isInGrammar(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return true;
  if (Array.isArray(tree)) return tree.every(isInGrammar);
  const node = tree as Record<string, unknown>;
  if ('class' in node && !EXPRESSIONS.has(String(node['type']))) return false;
  if ('function_name' in node && !FUNCTIONS.has(String(node['function_name']))) return false;
  if ('schema_name' in node && node['schema_name'] !== '') return false;
  if ('join_type' in node && !/^(INNER|LEFT|SEMI|ANTI)$/.test(String(node['join_type']))) {
    return false;
  }
  if ('sample' in node && node['sample'] !== null) return false;
  if ('qualify' in node && node['qualify'] !== null) return false;
  if ('subquery_type' in node && !/^(EXISTS|ANY)$/.test(String(node['subquery_type'])))
    return false;
  return Object.values(node).every(isInGrammar);
}

const EXPRESSIONS = new Set(
  `COLUMN_REF VALUE_CONSTANT FUNCTION OPERATOR_CAST CASE_EXPR CONJUNCTION_AND CONJUNCTION_OR
  COMPARE_EQUAL COMPARE_NOTEQUAL COMPARE_LESSTHAN COMPARE_GREATERTHAN COMPARE_LESSTHANOREQUALTO
  COMPARE_GREATERTHANOREQUALTO COMPARE_DISTINCT_FROM COMPARE_NOT_DISTINCT_FROM COMPARE_BETWEEN
  COMPARE_IN COMPARE_NOT_IN OPERATOR_COALESCE OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL
  OPERATOR_TRY SUBQUERY STAR`.split(/\s+/),
);

const FUNCTIONS = new Set(
  `count count_star sum avg min max stddev stddev_samp stddev_pop variance var_samp var_pop
  + - * / // % abs ceil ceiling floor round trunc sign length lower upper trim starts_with contains
  ~~ !~~ nullif greatest least date_part date_trunc date_diff date_sub last_day monthname dayname
  year isoyear quarter month week yearweek day dayofweek dayofyear isodow hour minute second epoch
  to_years to_months to_weeks to_days to_hours to_minutes to_seconds`.split(/\s+/),
);
