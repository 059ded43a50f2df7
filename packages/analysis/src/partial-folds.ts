import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import { apartIn, type GroupNames, NotMergeable, OWN_NAME } from './partial-names.ts';
import { quoted } from './rule-scope.ts';
import { listOf, nodeOf, shapeOf, type TreeNode, textOf } from './sql-tree.ts';

export interface Named {
  readonly name: string;
  readonly node: TreeNode;
}

/** A function over rows, as what a part keeps of it. */
export interface Fold extends Named {
  readonly role: 'sum' | 'count' | 'min' | 'max';
  /** SQL that puts together what the parts gave. */
  readonly merge: string;
}

/** Those of a query, each kind once. */
export class Folds {
  readonly #names: GroupNames;
  readonly #found = new Map<string, Fold>();

  constructor(names: GroupNames) {
    this.#names = names;
  }

  get found(): readonly Fold[] {
    return [...this.#found.values()];
  }

  /** What stands in its place until the merge is written. */
  placeOf(node: TreeNode): TreeNode {
    const inner = this.#names.expand({ ...node, alias: '' });
    const shape = shapeOf(inner);
    const known = this.#found.get(shape) ?? this.#foldOf(inner, this.#found.size);
    this.#found.set(shape, known);
    return { ...columnRef(known.name), alias: node['alias'] };
  }

  #foldOf(node: TreeNode, at: number): Fold {
    const kind = textOf(node['function_name']);
    const isDistinct = node['distinct'] === true;
    const foldAs = (role: Fold['role'], merge: (name: string) => string): Fold => {
      const name = `${OWN_NAME}${role} ${at}`;
      return { name, role, node, merge: merge(quoted(name)) };
    };
    if (kind === 'min' || kind === 'max') return foldAs(kind, (name) => `${kind}(${name})`);
    if (kind !== 'sum' && kind !== 'count' && kind !== 'count_star') {
      throw new NotMergeable('function');
    }
    if (isDistinct && !this.#addsUp(node)) throw new NotMergeable('distinct');
    if (kind === 'sum') return foldAs('sum', (name) => `sum(${name})`);
    return foldAs('count', (name) => `coalesce(sum(${name}), 0)::BIGINT`);
  }

  /** Whether the numbers of its distinct values do. */
  #addsUp(node: TreeNode): boolean {
    const [argument] = listOf(node['children']).map(nodeOf);
    return argument !== undefined && apartIn(argument, this.#names.tables) !== undefined;
  }
}

/**
 * Whether a session's number stands anywhere but where distinct ones are counted, or where an inner
 * select makes groups of it or hands it on under its name: which rows are of one session is the
 * same in whatever part they are numbered.
 */
export function tellsSessions(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return false;
  if (Array.isArray(tree)) return tree.some(tellsSessions);
  const node = nodeOf(tree);
  if (node['class'] === 'COLUMN_REF') {
    return textOf(listOf(node['column_names']).at(-1)).toLowerCase() === SESSION_COLUMNS.number;
  }
  if (node['type'] === 'SELECT_NODE') {
    const { select_list, group_expressions, type: _select, ...rest } = node;
    const lists = [select_list, group_expressions].flatMap(listOf).map(nodeOf);
    // What the outermost select shows has names of ours.
    const isBare = (each: TreeNode) => each['class'] === 'COLUMN_REF' && each['alias'] === '';
    return tellsSessions([...lists.filter((each) => !isBare(each)), rest]);
  }
  const isCount = node['function_name'] === 'count' && node['distinct'] === true;
  const [argument] = isCount ? listOf(node['children']).map(nodeOf) : [];
  const isCounted = argument?.['class'] === 'COLUMN_REF';
  return Object.entries(node).some(
    ([member, each]) => !(isCounted && member === 'children') && tellsSessions(each),
  );
}

export function keyName(at: number): string {
  return `${OWN_NAME}key ${at}`;
}

export function columnRef(name: string): TreeNode {
  return {
    class: 'COLUMN_REF',
    type: 'COLUMN_REF',
    alias: '',
    query_location: -1,
    column_names: [name],
  };
}
