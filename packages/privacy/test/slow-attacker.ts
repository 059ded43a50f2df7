/**
 * An attacker without any cleverness, to compare with: exact fractions, one elimination for each
 * question, and all numbers that could be. It shares no code with what it attacks.
 */
export interface Table {
  readonly minimum: number;
  readonly atoms: readonly {
    readonly cells: readonly (number | null)[];
    readonly people: readonly number[];
  }[];
}

/** A set of too few whose sum is a combination of those that are shown; undefined: there is none. */
export function derives(table: Table, shown: ReadonlySet<number>): string | undefined {
  const atoms = table.atoms.filter(({ people }) => people.length > 0);
  const rows = [...shown].map((cell) => atoms.map(({ cells }) => cells.includes(cell)));
  for (const set of setsOf(atoms)) {
    const people = new Set(atoms.flatMap((atom, at) => (set[at] ? atom.people : [])));
    const rowCount = atoms.reduce((sum, atom, at) => sum + (set[at] ? atom.people.length : 0), 0);
    const isFew = (count: number) => count > 0 && count < table.minimum;
    if (!isFew(people.size) && !isFew(rowCount)) continue;
    if (isCombination(rows, set)) return JSON.stringify(set);
  }
  return undefined;
}

/** Whether a sum over a set is a combination of sums over others, with any fractions. */
export function isCombination(
  others: readonly (readonly boolean[])[],
  set: readonly boolean[],
): boolean {
  const row = (each: readonly boolean[]) => each.map((isIn) => (isIn ? 1n : 0n));
  return rankOf(others.map(row)) === rankOf([...others, set].map(row));
}

/** Atoms, cells, parts that some queries tell apart, and differences of cells in one another. */
function* setsOf(atoms: Table['atoms']): Iterable<boolean[]> {
  const queries = atoms[0]?.cells.length ?? 0;
  for (let chosen = 1; chosen < 2 ** queries; chosen++) {
    for (const { cells: like } of atoms) {
      yield atoms.map(({ cells }) =>
        cells.every((cell, query) => ((chosen >> query) & 1) === 0 || cell === like[query]),
      );
    }
  }
  const names = new Set(atoms.flatMap(({ cells }) => cells.filter((cell) => cell !== null)));
  for (const inner of names) {
    for (const outer of names) {
      const isWithin = atoms.every(({ cells }) => !cells.includes(inner) || cells.includes(outer));
      if (!isWithin) continue;
      yield atoms.map(({ cells }) => cells.includes(outer) && !cells.includes(inner));
    }
  }
}

function rankOf(rows: readonly (readonly bigint[])[]): number {
  const rest = rows.map((row) => [...row]);
  let rank = 0;
  for (let column = 0; column < (rows[0]?.length ?? 0); column++) {
    const found = rest.findIndex((row, at) => at >= rank && row[column] !== 0n);
    const pivot = rest[found];
    if (!pivot) continue;
    [rest[found], rest[rank]] = [rest[rank] ?? [], pivot];
    for (let at = rank + 1; at < rest.length; at++) {
      const row = rest[at] ?? [];
      const [a, b] = [pivot[column] ?? 0n, row[column] ?? 0n];
      if (b !== 0n) rest[at] = row.map((value, index) => value * a - (pivot[index] ?? 0n) * b);
    }
    rank += 1;
  }
  return rank;
}

const TRIES_MAX = 200_000;

/** An atom of too few rows whose number is the only one that fits all shown counts. */
export function determined(table: Table, shown: ReadonlySet<number>): number | undefined {
  const atoms = table.atoms.filter(({ people }) => people.length > 0);
  const known = [...shown].map((cell) => ({
    cell,
    count: atoms.reduce(
      (sum, atom) => sum + (atom.cells.includes(cell) ? atom.people.length : 0),
      0,
    ),
  }));
  const possible = atoms.map(() => new Set<number>());
  let tries = 0;
  const visit = (numbers: number[], left: readonly { cell: number; count: number }[]): void => {
    tries += 1;
    if (tries > TRIES_MAX) return;
    const atom = atoms[numbers.length];
    if (!atom) {
      if (left.every(({ count }) => count === 0)) {
        for (const [at, number] of numbers.entries()) possible[at]?.add(number);
      }
      return;
    }
    const own = left.filter(({ cell }) => atom.cells.includes(cell));
    // Of what no shown cell counts, anything could be.
    const most = own.length === 0 ? 1 : Math.min(...own.map(({ count }) => count));
    for (let number = 0; number <= most; number++) {
      const next = left.map(({ cell, count }) => ({
        cell,
        count: atom.cells.includes(cell) ? count - number : count,
      }));
      visit([...numbers, number], next);
    }
  };
  visit([], known);
  if (tries > TRIES_MAX) return undefined;
  const found = atoms.findIndex(
    ({ people }, at) => people.length < table.minimum && possible[at]?.size === 1,
  );
  return found < 0 ? undefined : found;
}
