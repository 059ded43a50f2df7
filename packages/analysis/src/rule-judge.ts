// More than 300 lines, because what each place of a SELECT may read is one table of cases.
import { type ColumnRule, MEASURE_FUNCTIONS } from '@strongroom/protocol/analysis-rules';
import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import {
  type Equality,
  equalitiesOf,
  groupedPlaces,
  type JoinedTables,
  keysOfSelect,
  weighersOf,
} from './fan-out.ts';
import type { Problems } from './problems.ts';
import {
  type Absence,
  type Column,
  type Contributor,
  columnOf,
  foldsRows,
  hiddenName,
  innerTable,
  isFold,
  meaningsOf,
  type Origin,
  opened,
  plainOf,
  quoted,
  type Rows,
  relationTable,
  type Scope,
  type Table,
} from './rule-scope.ts';
import { either, isOfOneOwner, valuesIn, valuesOf } from './rule-values.ts';
import { domainText, type QueryRules, type RelationRules } from './rules.ts';
import { KEEPS_VALUES, ROW_FUNCTIONS } from './sql-lists.ts';
import { isMembership } from './sql-membership.ts';
import { columnRefsIn, listOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/** What a place in a SELECT does with the columns that stand there. */
export type Use =
  /** Readers see it, or groups are made of it. */
  | { readonly kind: 'shown'; readonly isWhole: boolean }
  /** Rows or groups are chosen by it. */
  | { readonly kind: 'chosen' }
  /** An inner select makes groups of it. */
  | { readonly kind: 'grouped' }
  /** An inner select gives it to the select around it, where its use will show. */
  | { readonly kind: 'passed' }
  /** With `isCut`, after a function that tells some values from others. */
  | { readonly kind: 'folded'; readonly by: string; readonly isCut?: boolean }
  | { readonly kind: 'joined' };

/** A column is compared with one of another table, or of another use of its own. */
export interface Match {
  readonly origin: Origin;
  readonly other: Origin;
}

/** Rows of a relation count as often as they have partners in another one. */
export interface Weighing {
  readonly relation: string;
  readonly by: string;
}

/** What became known of a query while it was judged. */
export interface Judgement {
  /** Every column that is read, and what for. */
  readonly reads: readonly { readonly origin: Origin; readonly use: Use }[];
  /** Columns of two tables that are compared for equality. */
  readonly matches: readonly Match[];
  readonly weighings: readonly Weighing[];
  /** Select items that have to be added, by the select that gets them. */
  readonly hidden: ReadonlyMap<TreeNode, readonly string[]>;
  /** Whom the groups of the result are about. */
  readonly contributors: readonly Contributor[];
  /** Those of them who are counted on their own: another owner has no partner of theirs. */
  readonly absences: readonly Absence[];
  /** Result columns that may hold these values alone. */
  readonly domains: readonly { readonly index: number; readonly origin: Origin }[];
}

/**
 * Judges a tree that has passed the gate by the rules of all owners whose data it reads. Each place
 * that is against one is put to the problems, as ERR_QUERY_AGAINST_RULES with its position.
 */
export function judgeQuery(top: TreeNode, rules: QueryRules, problems: Problems): Judgement {
  for (const owner of rules.notApprovedBy) {
    const facts = { owner, rule: 'it is not among the approved ones' };
    problems.add(against('the query as a whole', top, facts));
  }
  const judge = new Judge(rules, problems);
  const rows = judge.select(top, new Map(), false);
  for (const alone of rows.unjoined) {
    const rule = 'it is read joined with another owner only';
    problems.add(against(`relation ${alone}`, top, { rule }));
  }
  judge.demandUnweighed();
  return { ...judge.found, contributors: rows.contributors, absences: rows.absences };
}

class Judge {
  readonly found = {
    reads: [] as { origin: Origin; use: Use }[],
    matches: [] as Match[],
    weighings: [] as Weighing[],
    hidden: new Map<TreeNode, readonly string[]>(),
    domains: [] as { index: number; origin: Origin }[],
  };
  readonly #rules: QueryRules;
  readonly #problems: Problems;
  /** Contributors of two tables that an equality compares. */
  readonly #ties: [Contributor, Contributor][] = [];
  /** Where a measure is folded by what a row that counts twice changes. */
  readonly #folded: { origin: Origin; node: TreeNode }[] = [];
  #selects = 0;

  constructor(rules: QueryRules, problems: Problems) {
    this.#rules = rules;
    this.#problems = problems;
  }

  /** @param around tables of the select around it, where it may name them */
  select(
    node: TreeNode,
    outer: ReadonlyMap<string, Rows>,
    isInner: boolean,
    around: readonly Table[] = [],
  ): Rows {
    const ctes = new Map(outer);
    for (const entry of listOf(nodeOf(node['cte_map'])['map']).map(nodeOf)) {
      const inner = nodeOf(nodeOf(nodeOf(entry['value'])['query'])['node']);
      ctes.set(textOf(entry['key']).toLowerCase(), this.select(inner, ctes, true));
    }
    const from = this.#from(nodeOf(node['from_table']), ctes);
    const items = listOf(node['select_list']).map(nodeOf);
    const scope = { tables: from.tables, aliases: aliasesOf(items), open: NONE, isInner };
    if (node['where_clause'] !== null) {
      const visible = { ...scope, tables: [...from.tables, ...around] };
      this.#where(nodeOf(node['where_clause']), visible, ctes, around.length > 0);
    }
    this.#clauses(node, items, scope);
    this.#selects += 1;
    const number = this.#selects;
    const contributors = this.#handOn(node, items, scope, number);
    const columns = isInner ? columnsOf(items, scope) : new Map<string, Column>();
    const relations = relationsOf(from.tables);
    const groups = groupsOf(node, items);
    // What an inner select has grouped by may be many groups to the select around it.
    const grouped = isInner ? [] : groupedPlaces(groups, items, from.tables);
    this.#weigh({ ...from, grouped });
    const keys = isInner ? keysOfSelect(node, { items, groups }, from.tables) : [];
    const { absences, unjoined } = from;
    return { columns, contributors, absences, number, relations, unjoined, keys };
  }

  #weigh(from: JoinedTables): void {
    if (this.#rules.hasNoise) return;
    const isOwn = (one: Rows, other: Rows) =>
      this.#ownersOf([...one.relations, ...other.relations]).size < 2;
    for (const table of from.tables) {
      for (const weigher of weighersOf(table, from, isOwn)) {
        // A table of one's own that another owner's rows lead to is weighed by these.
        const foreign = from.tables.filter((each) => !isOwn(table, each));
        const by = relationsOf(isOwn(table, weigher) ? foreign : [weigher]);
        for (const relation of table.relations) {
          this.found.weighings.push(...[...by].map((each) => ({ relation, by: each })));
        }
      }
    }
  }

  #ownersOf(relations: readonly string[]): Set<string> {
    return new Set(relations.flatMap((each) => this.#rules.relations.get(each)?.owners ?? []));
  }

  /**
   * A minimum of contributors says nothing where another owner decides how often each of them
   * counts: a million rows of one person, and one of each other, make a sum that person's.
   */
  demandUnweighed(): void {
    if (!this.#counts()) return;
    for (const { origin, node } of this.#folded) {
      const { contributor, columns } = this.#rules.relations.get(origin.relation) ?? {};
      const weighers = this.found.weighings
        .filter(({ relation }) => relation === origin.relation)
        .map(({ by }) => by);
      const { measure } = columns?.get(origin.column) ?? {};
      if (!measure || measure.weights === 'accepted') continue;
      if (contributor === undefined || weighers.length === 0) continue;
      const rule =
        `it counts as often as a key has rows in ${[...new Set(weighers)].join(' and ')}: bound ` +
        'these by rowsPerKey 1, group them by the key, ask by SEMI or IN, or accept weights of it';
      this.#problems.add(against(`column ${origin.column}`, node, { ...origin, rule }));
    }
  }

  #clauses(node: TreeNode, items: readonly TreeNode[], scope: Scope): void {
    const shown: Use = scope.isInner ? { kind: 'passed' } : { kind: 'shown', isWhole: true };
    for (const [index, item] of items.entries()) {
      if (item['class'] === 'STAR') continue;
      this.#walk(item, shown, scope);
      if (scope.isInner) this.#checkValues(item, scope);
      const plain = scope.isInner ? undefined : plainOf(item, scope)?.plain;
      if (plain && this.#domainOf(plain)) this.found.domains.push({ index, origin: plain });
    }
    for (const group of groupsOf(node, items)) {
      this.#walk(group, scope.isInner ? { kind: 'grouped' } : shown, scope);
      if (!scope.isInner) this.#checkDomainShown(group, scope);
    }
    if (node['having'] !== null) this.#walk(node['having'], CHOSEN, scope);
    for (const order of ordersOf(node)) this.#walk(order, shown, scope);
  }

  /** What must all hold: also that a row has, or has not, a partner in another table. */
  #where(
    node: TreeNode,
    scope: Scope,
    ctes: ReadonlyMap<string, Rows>,
    isCorrelated: boolean,
  ): void {
    if (node['type'] === 'CONJUNCTION_AND') {
      for (const child of listOf(node['children'])) {
        this.#where(nodeOf(child), scope, ctes, isCorrelated);
      }
    } else if (isMembership(node)) {
      const isNegated = node['type'] === 'OPERATOR_NOT';
      const asked = isNegated ? nodeOf(listOf(node['children'])[0]) : node;
      this.#membership(asked, scope, ctes);
    } else if (isCorrelated) this.#on(node, scope);
    else this.#walk(node, CHOSEN, scope);
  }

  /** IN and EXISTS compare columns of two tables, as a join does. */
  #membership(node: TreeNode, scope: Scope, ctes: ReadonlyMap<string, Rows>): void {
    const inner = nodeOf(nodeOf(node['subquery'])['node']);
    const isIn = node['subquery_type'] !== 'EXISTS';
    const rows = this.select(inner, ctes, true, isIn ? [] : scope.tables);
    // What it compares is its only column.
    this.found.hidden.delete(inner);
    if (!isIn) {
      this.#demandCounted(rows.contributors, scope.tables, node);
      return;
    }
    this.#walk(node['child'], { kind: 'joined' }, scope);
    const item = nodeOf(listOf(inner['select_list'])[0]);
    const name = textOf(item['alias']) || listOf(item['column_names']).map(textOf).at(-1);
    const table = innerTable(rows, '');
    const apart = { tables: [table], aliases: new Map(), open: NONE, isInner: true };
    const { query_location } = item;
    const column = { class: 'COLUMN_REF', column_names: [name], query_location };
    this.#walk(column, { kind: 'joined' }, apart);
    const child = nodeOf(node['child']);
    this.#match(columnOf(child, scope).origins, columnOf(column, apart).origins, child);
    this.#tie(plainOf(child, scope), plainOf(column, apart));
    this.#demandCounted(table.contributors, scope.tables, node);
  }

  /**
   * Rows that only decide over others leave no trace by which they could be counted. Where they are
   * compared by the contributor, they are about those of the rows that stay: whoever is counted
   * there, or nobody.
   */
  #demandCounted(behind: readonly Contributor[], tables: readonly Table[], node: TreeNode): void {
    if (!this.#counts()) return;
    const staying = new Set(tables.flatMap((each) => each.contributors));
    for (const contributor of behind) {
      const { relation } = contributor;
      const add = (rule: string) =>
        this.#problems.add(against(`membership in ${relation}`, node, { relation, rule }));
      const isCounted = this.#ties.some(
        ([one, other]) => one === contributor && staying.has(other),
      );
      if (!isCounted) {
        add(
          'contributors behind IN, EXISTS, SEMI and ANTI are compared with those of rows that stay',
        );
      }
      const owners = this.#rules.relations.get(relation)?.owners ?? [];
      if (owners.length > 1 && (this.#rules.limits.minimumContributors?.ofOwner ?? 1) > 1) {
        add('of which of its owners a partner is cannot be counted');
      }
    }
  }

  #tie(one: Column | undefined, other: Column | undefined): void {
    if (!one?.contributor || !other?.contributor) return;
    this.#ties.push([one.contributor, other.contributor], [other.contributor, one.contributor]);
  }

  /** A group outside of a domain is dropped by the value that it shows. */
  #checkDomainShown(group: TreeNode, scope: Scope): void {
    const plain = plainOf(group, scope)?.plain;
    if (!plain || !this.#domainOf(plain)) return;
    const isShown = this.found.domains.some(
      ({ origin }) => origin.relation === plain.relation && origin.column === plain.column,
    );
    if (isShown) return;
    const rule = 'groups of a dimension with a domain show its value';
    this.#problems.add(against(`column ${plain.column}`, group, { rule }));
  }

  #from(node: TreeNode, ctes: ReadonlyMap<string, Rows>): From {
    if (node['type'] === 'JOIN') return this.#join(node, ctes);
    const table = this.#table(node, ctes);
    const { absences, unjoined } = table;
    return { tables: [table], equalities: [], absences, unjoined };
  }

  #table(node: TreeNode, ctes: ReadonlyMap<string, Rows>): Table {
    const alias = textOf(node['alias']);
    if (node['type'] === 'SUBQUERY') {
      const inner = nodeOf(nodeOf(node['subquery'])['node']);
      const rows = this.select(inner, ctes, true);
      if (alias === '' && this.#counts()) {
        this.#problems.add(refuse('a subquery without a name', node));
      }
      return innerTable(rows, alias);
    }
    const name = textOf(node['table_name']);
    const cte = ctes.get(name.toLowerCase());
    if (cte) return innerTable(cte, alias || name);
    const rules = this.#relation(name.toLowerCase(), node);
    return relationTable(name.toLowerCase(), alias || name, rules);
  }

  #relation(name: string, node: TreeNode): RelationRules {
    const rules = this.#rules.relations.get(name);
    if (!rules) throw refuse(`table ${name}`, node);
    return rules;
  }

  #join(node: TreeNode, ctes: ReadonlyMap<string, Rows>): From {
    const left = this.#from(nodeOf(node['left']), ctes);
    const right = this.#from(nodeOf(node['right']), ctes);
    const tables = [...left.tables, ...right.tables];
    const kind = textOf(node['join_type']);
    const isSemi = kind === 'SEMI' || kind === 'ANTI';
    this.#compareSides(node, left.tables, right.tables);
    // A left join keeps the left rows that nobody else has.
    const ofRightSide = right.tables.flatMap((each) => each.contributors);
    if (isSemi) this.#demandCounted(ofRightSide, left.tables, node);
    const [ofLeft, ofRight] = [relationsOf(left.tables), relationsOf(right.tables)];
    const unjoined = new Set([
      ...[...left.unjoined].filter((each) => !MATCHED.has(kind) || !this.#meets(each, ofRight)),
      ...[...right.unjoined].filter((each) => !this.#meets(each, ofLeft)),
    ]);
    if (isSemi) return { ...left, unjoined };
    const own = equalitiesOf(node, left.tables, right.tables);
    const equalities = [...left.equalities, ...right.equalities, ...own];
    const absences = [...left.absences, ...right.absences];
    if (kind === 'LEFT') absences.push(...this.#absencesOf(left.tables, ofRightSide[0]));
    return { tables, equalities, absences, unjoined };
  }

  /** By USING and by ON. */
  #compareSides(node: TreeNode, left: readonly Table[], right: readonly Table[]): void {
    const tables = [...left, ...right];
    const scope = { tables, aliases: new Map(), open: NONE, isInner: true };
    for (const name of listOf(node['using_columns'])) {
      const { query_location } = node;
      const column = { class: 'COLUMN_REF', column_names: [name], query_location };
      this.#walk(column, { kind: 'joined' }, scope);
      const of = (side: readonly Table[]) => ({ ...scope, tables: side });
      const [ofLeft, ofRight] = [of(left), of(right)];
      this.#match(columnOf(column, ofLeft).origins, columnOf(column, ofRight).origins, node);
      this.#tie(plainOf(column, ofLeft), plainOf(column, ofRight));
    }
    if (node['condition'] !== null) this.#on(nodeOf(node['condition']), scope);
  }

  /** Whom another owner does not know is an answer about them: no group of it is small. */
  #absencesOf(left: readonly Table[], without: Contributor | undefined): Absence[] {
    if (!without) return [];
    const theirs = new Set([without.relation]);
    return left
      .flatMap((each) => each.contributors)
      .filter(({ relation }) => this.#meets(relation, theirs))
      .map((of) => ({ of, without }));
  }

  /** Whether one of the relations has rows of an owner that the relation has none of. */
  #meets(relation: string, others: ReadonlySet<string>): boolean {
    const own = this.#rules.relations.get(relation)?.owners ?? [];
    return [...others].some((other) =>
      this.#rules.relations.get(other)?.owners.some((owner) => !own.includes(owner)),
    );
  }

  /** Equalities of two columns join; all else in an ON chooses rows. */
  #on(node: TreeNode, scope: Scope): void {
    if (node['type'] === 'CONJUNCTION_AND') {
      for (const child of listOf(node['children'])) this.#on(nodeOf(child), scope);
      return;
    }
    const sides = node['type'] === 'COMPARE_EQUAL' ? [node['left'], node['right']] : [];
    const isJoin =
      sides.length > 0 && sides.every((side) => nodeOf(side)['class'] === 'COLUMN_REF');
    if (!isJoin) this.#walk(node, CHOSEN, scope);
    else for (const side of sides) this.#walk(side, { kind: 'joined' }, scope);
    if (!isJoin) return;
    this.#matchSides(node, scope);
    this.#tie(plainOf(nodeOf(node['left']), scope), plainOf(nodeOf(node['right']), scope));
  }

  #matchSides(node: TreeNode, scope: Scope): void {
    const [left, right] = [nodeOf(node['left']), nodeOf(node['right'])];
    this.#match(columnOf(left, scope).origins, columnOf(right, scope).origins, left);
  }

  /** What is compared is in one form, and how much of it matches is told as its owners say. */
  #match(ones: readonly Origin[], others: readonly Origin[], node: TreeNode): void {
    for (const one of ones) {
      for (const other of others) {
        const [form, otherForm] = [one, other].map((each) => this.#formOf(each));
        if (form !== otherForm) {
          const rule = `it is ${form}; ${other.column} of ${other.relation} is ${otherForm}`;
          this.#problems.add(against(`column ${one.column}`, node, { ...one, rule }));
        }
        for (const match of [
          { origin: one, other },
          { origin: other, other: one },
        ]) {
          this.found.matches.push(match);
          if (!this.#needsNoise(match)) continue;
          const rule = "how many match another owner's is told with noise only";
          this.#problems.add(
            against(`column ${match.origin.column}`, node, { ...match.origin, rule }),
          );
        }
      }
    }
  }

  #formOf({ relation, column }: Origin): string | undefined {
    return this.#rules.relations.get(relation)?.forms.get(column);
  }

  /** Whoever brings candidates of its own would learn who is there. */
  #needsNoise({ origin, other }: Match): boolean {
    const [own, theirs] = [origin, other].map((each) => this.#rules.relations.get(each.relation));
    if (this.#rules.hasNoise || own?.contributor === undefined) return false;
    if (new Set([...own.owners, ...(theirs?.owners ?? [])]).size < 2) return false;
    // What groups may be made of is told by them, and reference data for it tells nothing more.
    const { dimension, joinKey } = own.columns.get(origin.column) ?? {};
    const isShown = dimension !== undefined && theirs?.contributor === undefined;
    return !isShown && joinKey?.matches !== 'exact';
  }

  #walk(value: unknown, use: Use, scope: Scope): void {
    const node = nodeOf(value);
    if (node['class'] === 'COLUMN_REF') {
      this.#column(node, use, scope);
      return;
    }
    if (this.#isWithinDomain(node, scope)) return;
    const within: Use = use.kind === 'shown' ? { kind: 'shown', isWhole: false } : use;
    for (const [part, each] of this.#partsOf(node, within, scope)) this.#walk(part, each, scope);
    if (scope.isInner || node['class'] !== 'FUNCTION') return;
    if (!isFold(textOf(node['function_name']))) return;
    for (const child of listOf(node['children'])) this.#checkFolded(nodeOf(child), scope);
  }

  /** What an expression is made of, and the use that each part is put to. */
  #partsOf(node: TreeNode, use: Use, scope: Scope): [unknown, Use][] {
    const all = (parts: readonly unknown[], each: Use) =>
      parts.map((part): [unknown, Use] => [part, each]);
    switch (node['class']) {
      case 'CONSTANT':
        return [];
      case 'FUNCTION':
        return this.#partsOfFunction(node, use, scope);
      case 'CAST': {
        this.#checkFunction('cast', node);
        // As a truth value or a text it could be compared with something.
        const isNumber = NUMBER_CAST.test(textOf(nodeOf(node['cast_type'])['id']));
        return [[node['child'], isNumber ? use : comparedIn(use)]];
      }
      case 'CASE': {
        const branches = listOf(node['case_checks']).map(nodeOf);
        const results = [...branches.map((each) => each['then_expr']), node['else_expr']];
        const conditions = branches.map((each) => each['when_expr']);
        return [...all(conditions, CHOSEN), ...all(results, use)];
      }
      case 'COMPARISON': {
        const sides = [node['left'], node['right']];
        if (sides.every((side) => nodeOf(side)['class'] === 'COLUMN_REF')) {
          this.#matchSides(node, scope);
        }
        return all(sides, CHOSEN);
      }
      case 'BETWEEN':
        return all([node['input'], node['lower'], node['upper']], CHOSEN);
      default: {
        const isCoalesce = node['type'] === 'OPERATOR_COALESCE';
        if (isCoalesce) this.#checkFunction('coalesce', node);
        const isCarried = isCoalesce || node['type'] === 'OPERATOR_TRY';
        return all(listOf(node['children']), isCarried ? use : CHOSEN);
      }
    }
  }

  #partsOfFunction(node: TreeNode, use: Use, scope: Scope): [unknown, Use][] {
    const name = textOf(node['function_name']);
    const children = listOf(node['children']);
    if (!isFold(name) && !ROW_FUNCTIONS.has(name)) {
      // What no list of the gate has: nobody knows what it would do with its arguments.
      this.#problems.add(refuse(`function ${name}`, node));
      return [];
    }
    if (!isFold(name)) {
      // Operators, and what the parser makes of an interval, are not functions to who writes SQL.
      if (/^[a-z]/.test(name) && !name.startsWith('to_')) this.#checkFunction(name, node);
      const each = KEEPS_VALUES.has(name) ? use : comparedIn(use);
      return children.map((child) => [child, each]);
    }
    const by = foldName(name, node['distinct'] === true);
    this.#checkFunction(by, node);
    // In a HAVING of an inner select a group may be one contributor's rows.
    const each: Use = use.kind === 'chosen' && scope.isInner ? use : { kind: 'folded', by };
    const parts = children.map((child): [unknown, Use] => [child, each]);
    return node['filter'] === null ? parts : [...parts, [node['filter'], CHOSEN]];
  }

  /** What is folded here: no condition of an inner select can be counted by itself any more. */
  #checkFolded(node: TreeNode, scope: Scope): void {
    this.#checkValues(node, scope);
    if (!this.#rules.isProtected) return;
    for (const column of columnRefsIn(node)) {
      if (!meaningsOf(column, scope).columns.some(({ values }) => values?.isCut)) continue;
      this.#problems.add(refuse('a sum over what an inner select tells apart', column));
    }
  }

  /** A measure goes through what keeps its values apart; another owner chooses none of them. */
  #checkValues(node: TreeNode, scope: Scope): void {
    if (this.#rules.hasNoise) return;
    const values = valuesOf(node, scope);
    const isMixed = (this.#rules.isProtected || this.#counts()) && !isOfOneOwner(values);
    const mixed = 'it is not folded together with what another owner writes';
    for (const key of values.columns.keys()) {
      const [relation = '', column = ''] = key.split('.');
      const { measure } = this.#rules.relations.get(relation)?.columns.get(column) ?? {};
      const isWeighed = isMixed && measure?.weights !== 'accepted';
      const rule = values.problem ?? (isWeighed ? mixed : undefined);
      if (!measure || rule === undefined) continue;
      const at = columnRefsIn(node).find((each) => valuesOf(each, scope).columns.has(key)) ?? node;
      this.#problems.add(against(`column ${column}`, at, { relation, column, rule }));
    }
  }

  #checkFunction(name: string, node: TreeNode): void {
    const allowed = this.#rules.limits.functions;
    if (!allowed || allowed.includes(name)) return;
    const rule = 'it is not among the functions';
    this.#problems.add(against(`function ${name}`, node, { rule }));
  }

  #column(node: TreeNode, use: Use, scope: Scope): void {
    const { columns, aliased } = meaningsOf(node, scope);
    const path = listOf(node['column_names']).map(textOf).join('.');
    if (columns.length === 0 && aliased.length === 0) {
      this.#problems.add(refuse(`column ${path}`, node));
    }
    for (const alias of aliased) this.#walk(alias, use, opened(scope, alias));
    for (const column of columns) {
      for (const origin of column.origins) {
        this.found.reads.push({ origin, use });
        if (use.kind === 'folded' && isWeightedBy(use.by)) this.#folded.push({ origin, node });
        const problem = this.#problemOf(origin, use, column.plain !== undefined);
        if (!problem) continue;
        this.#problems.add(against(`column ${path}`, node, { ...origin, rule: problem }));
      }
    }
  }

  /** Why a column may not be used so; undefined when it may. */
  #problemOf({ relation, column }: Origin, use: Use, isPlain: boolean): string | undefined {
    const rules = this.#rules.relations.get(relation);
    if (!rules?.isRuled) return undefined;
    const rule = rules.columns.get(column) ?? {};
    const uses = (['dimension', 'measure', 'joinKey', 'contributor'] as const).filter(
      (each) => rule[each] !== undefined,
    );
    if (uses.length === 0) return 'it is hidden';
    switch (use.kind) {
      case 'passed':
        return undefined;
      case 'joined':
        if (!rule.joinKey) return 'it is no join key';
        return isPlain ? undefined : 'a join key is compared as it is';
      case 'grouped': {
        const isKey = isPlain && (rule.contributor || rule.joinKey);
        return rule.dimension || isKey ? undefined : 'it is no dimension';
      }
      case 'folded':
        if (rule.contributor && use.by === 'count_distinct' && this.#rules.hasNoise)
          return undefined;
        return foldProblem(rule, use.by, use.isCut ?? false);
      case 'chosen':
        if (!rule.dimension) return 'it is no dimension: nothing is chosen by it';
        return rule.dimension.values ? 'it is compared with values of its domain only' : undefined;
      case 'shown':
        if (!rule.dimension) return 'it is no dimension: it is not shown';
        if (!rule.dimension.values || (use.isWhole && isPlain)) return undefined;
        return 'a dimension with a domain is shown as it is';
    }
  }

  #domainOf({ relation, column }: Origin) {
    return this.#rules.relations.get(relation)?.columns.get(column)?.dimension?.values;
  }

  /** A comparison of a dimension with nothing but values of its domain, or with null. */
  #isWithinDomain(node: TreeNode, scope: Scope): boolean {
    if (!DOMAIN_COMPARISONS.has(textOf(node['type']))) return false;
    const { left, right, children = [left, right] } = node;
    const nodes = listOf(children).map(nodeOf);
    const columns = nodes.filter((each) => each['class'] === 'COLUMN_REF');
    const [column] = columns;
    const origin = column && plainOf(column, scope)?.plain;
    const values = origin && this.#domainOf(origin);
    if (!values || columns.length > 1) return false;
    const known = new Set(values.map(domainText));
    const others = nodes.filter((each) => each !== column).map(constantText);
    if (!others.every((each) => each !== undefined && known.has(each))) return false;
    this.found.reads.push({ origin, use: CHOSEN });
    return true;
  }

  /** Noise hides contributors without a count of them. */
  #counts(): boolean {
    return this.#rules.limits.minimumContributors !== undefined && !this.#rules.hasNoise;
  }

  /** Of each table with contributors the groups need a column: one stands for no other. */
  #mixedGroups({ relation, alias }: Contributor, place: TreeNode): StrongroomError {
    const column = this.#rules.relations.get(relation)?.contributor ?? '';
    const rule =
      `each group of an inner select is about one contributor of ${relation}: ` +
      `add ${alias}.${column} to its GROUP BY`;
    return against(`inner groups of ${relation}`, place, { relation, column, rule });
  }

  /** Adds what carries contributors to the select around; returns them as they stand here. */
  #handOn(
    node: TreeNode,
    items: readonly TreeNode[],
    scope: Scope,
    number: number,
  ): readonly Contributor[] {
    const contributors = scope.tables.flatMap((table) => table.contributors);
    if (!scope.isInner || !this.#counts()) return contributors;
    const groups = groupsOf(node, items);
    const isFolded = groups.length > 0 || foldsRows([node['select_list'], node['having']]);
    const hidden = contributors.flatMap((contributor, index) => {
      const isGrouped = groups.some((each) => plainOf(each, scope)?.contributor === contributor);
      if (isFolded && !isGrouped) {
        this.#problems.add(this.#mixedGroups(contributor, groups[0] ?? items[0] ?? node));
      }
      const bits = isFolded ? `bit_or(${contributor.bits})` : contributor.bits;
      return [
        `${contributor.value} AS ${quoted(hiddenName('contributor', number, index))}`,
        `${bits} AS ${quoted(hiddenName('owners', number, index))}`,
      ];
    });
    if (hidden.length > 0) this.found.hidden.set(node, hidden);
    return contributors;
  }
}

/** What a FROM is, before its select. */
interface From {
  readonly tables: readonly Table[];
  readonly equalities: readonly Equality[];
  readonly absences: readonly Absence[];
  readonly unjoined: ReadonlySet<string>;
}

const CHOSEN: Use = { kind: 'chosen' };

const NONE: ReadonlySet<TreeNode> = new Set();

/** Joins that keep no row of the left side without a partner. */
const MATCHED: ReadonlySet<string> = new Set(['INNER', 'SEMI']);

const NUMBER_CAST = /INT$|^FLOAT$|^DOUBLE$|^DECIMAL$|INTEGER$/;

const DOMAIN_COMPARISONS: ReadonlySet<string> = new Set([
  'COMPARE_EQUAL',
  'COMPARE_NOTEQUAL',
  'COMPARE_DISTINCT_FROM',
  'COMPARE_NOT_DISTINCT_FROM',
  'COMPARE_IN',
  'COMPARE_NOT_IN',
  'OPERATOR_IS_NULL',
  'OPERATOR_IS_NOT_NULL',
]);

/** Where a value is cut or compared, nothing but a dimension may stand. */
function comparedIn(use: Use): Use {
  if (use.kind === 'folded') return { ...use, isCut: true };
  return use.kind === 'shown' ? use : CHOSEN;
}

/** Whether a row that counts twice makes another number of it. */
export function isWeightedBy(fold: string): boolean {
  return !['min', 'max'].includes(fold) && !fold.endsWith('_distinct');
}

/** As rules call it. */
function foldName(name: string, isDistinct: boolean): string {
  const plain = name === 'count_star' ? 'count' : name.replace(/_(samp|pop|disc)$/, '');
  const known = plain.startsWith('var') ? 'variance' : plain;
  return isDistinct ? `${known}_distinct` : known;
}

function foldProblem(
  { measure, dimension }: ColumnRule,
  by: string,
  isCut: boolean,
): string | undefined {
  // Of a dimension each value may be shown, but that of a small group: no smallest, no largest.
  if (dimension && (by === 'count' || by === 'count_distinct')) return undefined;
  if (!measure) return 'it is no measure';
  if (isCut) return 'a measure is not cut or compared before it is folded';
  const allowed: readonly string[] = measure.functions ?? MEASURE_FUNCTIONS;
  return allowed.includes(by) ? undefined : `it is no measure for ${by}`;
}

/** Of a literal, also of a date's. */
function constantText(node: TreeNode): string | undefined {
  const literal = node['class'] === 'CAST' ? nodeOf(node['child']) : node;
  if (literal['class'] !== 'CONSTANT') return undefined;
  const { is_null: isNull, value } = nodeOf(literal['value']);
  return domainText(isNull === true ? null : value);
}

function aliasesOf(items: readonly TreeNode[]): Map<string, TreeNode[]> {
  const aliases = new Map<string, TreeNode[]>();
  for (const item of items) {
    const alias = textOf(item['alias'] ?? '').toLowerCase();
    if (alias !== '') aliases.set(alias, [...(aliases.get(alias) ?? []), item]);
  }
  return aliases;
}

/** What groups are made of; a number stands for the select item at this place. */
function groupsOf(node: TreeNode, items: readonly TreeNode[]): TreeNode[] {
  return listOf(node['group_expressions']).map((value) => {
    const group = nodeOf(value);
    if (group['class'] !== 'CONSTANT') return group;
    const place = nodeOf(group['value'])['value'];
    return (typeof place === 'number' ? items[place - 1] : undefined) ?? group;
  });
}

function ordersOf(node: TreeNode): TreeNode[] {
  return listOf(node['modifiers'])
    .map(nodeOf)
    .flatMap((modifier) => (modifier['orders'] === undefined ? [] : listOf(modifier['orders'])))
    .map((order) => nodeOf(nodeOf(order)['expression']));
}

/** What an inner select hands on, by name; what comes twice under a name is both. */
function columnsOf(items: readonly TreeNode[], scope: Scope): Map<string, Column> {
  const columns = new Map<string, Column>();
  const add = (name: string, column: Column) => {
    const before = columns.get(name);
    const both = before && {
      origins: [...before.origins, ...column.origins],
      values: either([valuesIn(before), valuesIn(column)]),
    };
    columns.set(name, both ?? column);
  };
  for (const item of items) {
    if (item['class'] === 'STAR') {
      const of = textOf(item['relation_name'] ?? '').toLowerCase();
      for (const { qualifier, columns: all } of scope.tables) {
        if (of === '' || of === qualifier) for (const [name, column] of all) add(name, column);
      }
      continue;
    }
    const alias = textOf(item['alias'] ?? '');
    const path = item['class'] === 'COLUMN_REF' ? listOf(item['column_names']).map(textOf) : [];
    const name = alias || path.at(-1);
    if (name === undefined) continue;
    // What is wrong with them was told where they stand.
    const { problem: _told, ...values } = valuesOf(item, scope);
    add(name.toLowerCase(), { ...columnOf(item, scope), values });
  }
  return columns;
}

function relationsOf(tables: readonly Table[]): Set<string> {
  return new Set(tables.flatMap(({ relations }) => [...relations]));
}

/** `rule` says in words which one; the other facts are names of the contract and its SQL. */
function against(place: string, node: TreeNode, facts: ErrorFacts): StrongroomError {
  return new StrongroomError('ERR_QUERY_AGAINST_RULES', { ...refuse(place, node).facts, ...facts });
}
