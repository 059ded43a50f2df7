import { CELL_ROUNDS_MAX, CELL_STEPS_MAX, CELL_WHOLE_ATOMS_MAX } from '@strongroom/protocol/limits';
import { PRIMES, RowSpace } from './row-space.ts';

/**
 * Which groups of several exact results over the same rows may be shown side by side. A cell is a
 * group of one query; an atom is a largest set of rows that no query tells apart. Every sum that is
 * told is the sum of its cell's atoms, so what a reader can work out of them is a combination of
 * rows of zeros and ones. No set of too few may be one: neither a cell, nor what is in some cells
 * and not in others, nor what one cell has more than another within it.
 *
 * Atoms without anybody are left out, as if a reader knew that they are empty. By the duality of
 * linear programs, what it could conclude from no count being negative is then a combination, too.
 * That counts are whole as well can leave a reader one possibility alone where fractions would
 * leave it many: of few atoms, another possibility is looked for.
 */
export interface Atom {
  /** The cell of each query that it is in; null where the query leaves it out. */
  readonly cells: readonly (number | null)[];
  /** For each counter. */
  readonly counts: readonly Count[];
}

export interface Count {
  readonly count: number;
  /** Who they are, where somebody may be in several atoms; needed of small counts only. */
  readonly members?: readonly string[];
}

/**
 * Withholds cells until no set is known in which a counter is above zero and below its minimum. Of
 * the cells that together tell such a set the smallest goes, by the first counter. What would take
 * too long is not worked out: then the query with the most cells shows none.
 * @param minima of the counters
 * @param candidates cells that would be shown
 */
export function cellsToShow(
  atoms: readonly Atom[],
  minima: readonly number[],
  candidates: ReadonlySet<number>,
): ReadonlySet<number> {
  const sizes = sizesOf(atoms);
  const counters = minima.map((minimum, counter) => counterOf(atoms, counter, minimum));
  const shown = new Set(candidates);
  let rounds = 0;
  for (;;) {
    rounds += 1;
    const withheld =
      rounds <= CELL_ROUNDS_MAX ? cellsToWithhold(counters, shown, sizes) : undefined;
    if (withheld?.size === 0) break;
    for (const cell of withheld ?? finestOf(atoms, shown)) shown.delete(cell);
    if (!withheld) rounds = 0;
  }
  // One that was withheld for what others told as well may be shown, once they are withheld.
  const rest = [...candidates].filter((cell) => !shown.has(cell));
  rest.sort((one, other) => (sizes.get(other) ?? 0) - (sizes.get(one) ?? 0) || one - other);
  for (const cell of atoms.length > ATOMS_TRIED_AGAIN ? [] : rest.slice(0, CELLS_TRIED_AGAIN)) {
    if (cellsToWithhold(counters, new Set([...shown, cell]), sizes)?.size === 0) shown.add(cell);
  }
  return shown;
}

/** Each costs as much as a round: worth it where there are few. */
const CELLS_TRIED_AGAIN = 8;
const ATOMS_TRIED_AGAIN = 2_000;

/** What one counter counts. */
interface Counter {
  readonly atoms: readonly Atom[];
  readonly cells: ReadonlyMap<number, Cell>;
  /** Sets of atoms that hold some, and too few. */
  readonly small: readonly (readonly number[])[];
  readonly counts: readonly number[];
}

interface Cell {
  readonly query: number;
  readonly atoms: readonly number[];
}

function counterOf(all: readonly Atom[], counter: number, minimum: number): Counter {
  const atoms = all.filter(({ counts }) => (counts[counter]?.count ?? 0) > 0);
  const cells = cellsOf(atoms);
  const found = new Map<string, readonly number[]>();
  for (const set of setsIn(atoms, cells)) {
    const small = smallSet(set, (at) => atoms[at]?.counts[counter], minimum);
    if (small) found.set(small.join(), small);
  }
  const counts = atoms.map((atom) => atom.counts[counter]?.count ?? 0);
  return { atoms, cells, small: [...found.values()], counts };
}

function cellsOf(atoms: readonly Atom[]): Map<number, Cell> {
  const cells = new Map<number, { query: number; atoms: number[] }>();
  for (const [at, atom] of atoms.entries()) {
    for (const [query, cell] of atom.cells.entries()) {
      if (cell === null) continue;
      const known = cells.get(cell);
      if (known) known.atoms.push(at);
      else cells.set(cell, { query, atoms: [at] });
    }
  }
  return cells;
}

/**
 * The set, if it holds anybody and fewer than the minimum; it is not looked at farther than that.
 */
function smallSet(
  set: Iterable<number>,
  countOf: (at: number) => Count | undefined,
  minimum: number,
): number[] | undefined {
  const members = new Set<string>();
  const found: number[] = [];
  let others = 0;
  for (const at of set) {
    const { count = 0, members: own } = countOf(at) ?? {};
    if (own) for (const member of own) members.add(member);
    else others += count;
    if (count >= minimum || others + members.size >= minimum) return undefined;
    found.push(at);
  }
  return found.length > 0 ? found : undefined;
}

function* setsIn(atoms: readonly Atom[], cells: ReadonlyMap<number, Cell>) {
  yield* toldApart(atoms);
  yield* differences(atoms, cells);
}

/** Sets that some of the queries tell from the rest: in these cells, and outside of others. */
function* toldApart(atoms: readonly Atom[]): Iterable<readonly number[]> {
  const queries = atoms[0]?.cells.length ?? 0;
  for (let chosen = 1; chosen < 2 ** queries; chosen++) {
    const sets = new Map<string, number[]>();
    for (const [at, { cells }] of atoms.entries()) {
      const key = cells.filter((_cell, query) => (chosen >> query) & 1).join();
      const set = sets.get(key);
      if (set) set.push(at);
      else sets.set(key, [at]);
    }
    yield* sets.values();
  }
}

/** What a cell has more than one of another query that lies within it. */
function* differences(
  atoms: readonly Atom[],
  cells: ReadonlyMap<number, Cell>,
): Iterable<Iterable<number>> {
  for (const [inner, { query, atoms: within }] of cells) {
    for (const outer of atoms[within[0] ?? 0]?.cells ?? []) {
      const around = outer === null || outer === inner ? undefined : cells.get(outer);
      const isAround = within.every((at) => atoms[at]?.cells[around?.query ?? -1] === outer);
      if (around && isAround) yield outside(atoms, around, query, inner);
    }
  }
}

function* outside(atoms: readonly Atom[], around: Cell, query: number, inner: number) {
  for (const at of around.atoms) if (atoms[at]?.cells[query] !== inner) yield at;
}

/** Those that have to go for what they tell now; undefined when it takes too long to say. */
function cellsToWithhold(
  counters: readonly Counter[],
  shown: ReadonlySet<number>,
  sizes: ReadonlyMap<number, number>,
): ReadonlySet<number> | undefined {
  const withheld = new Set<number>();
  const withhold = (tellers: readonly number[]) => {
    if (tellers.some((cell) => withheld.has(cell))) return;
    const [smallest] = tellers.toSorted(
      (one, other) => (sizes.get(one) ?? 0) - (sizes.get(other) ?? 0) || one - other,
    );
    if (smallest !== undefined) withheld.add(smallest);
  };
  for (const counter of counters) {
    if (counter.small.length === 0) continue;
    const known = spacesOf(counter.cells, shown);
    if (!known) return undefined;
    for (const tellers of combinationsIn(known, counter.small, counter.atoms.length)) {
      if (isTooLong(known)) return undefined;
      withhold(tellers);
    }
    if (withheld.size > 0 || counter.atoms.length > CELL_WHOLE_ATOMS_MAX) continue;
    for (const set of withoutAlternative(counter, known[0])) {
      withhold(set.flatMap((at) => cellsAround(counter.atoms[at], shown)));
    }
  }
  return withheld;
}

/**
 * Small sets of which no other whole number was found that fits all that is shown: every other one
 * that was tried makes the count of some atom negative.
 */
function withoutAlternative({ small, counts }: Counter, space: RowSpace | undefined) {
  let left = small;
  for (const values of space?.wholeNullVectors(counts.length) ?? []) {
    if (left.length === 0) break;
    const isPossible = (sign: number) =>
      counts.every((count, at) => count + sign * (values[at] ?? 0) >= 0);
    if (!isPossible(1) && !isPossible(-1)) continue;
    left = left.filter((set) => set.reduce((sum, at) => sum + (values[at] ?? 0), 0) === 0);
  }
  return left;
}

function cellsAround(atom: Atom | undefined, shown: ReadonlySet<number>): number[] {
  return atom?.cells.flatMap((cell) => (cell !== null && shown.has(cell) ? [cell] : [])) ?? [];
}

function spacesOf(
  cells: ReadonlyMap<number, Cell>,
  shown: ReadonlySet<number>,
): readonly RowSpace[] | undefined {
  const rows = [...cells].filter(([cell]) => shown.has(cell));
  // Small ones first: those of one query have nothing in common, and stay as they are.
  rows.sort(([one, a], [other, b]) => a.atoms.length - b.atoms.length || one - other);
  const spaces = PRIMES.map((prime) => new RowSpace(prime));
  for (const [cell, { atoms }] of rows) {
    for (const space of spaces) space.add(cell, atoms);
    if (isTooLong(spaces)) return undefined;
  }
  return spaces;
}

function isTooLong(spaces: readonly RowSpace[]): boolean {
  return spaces.some(({ steps }) => steps > CELL_STEPS_MAX);
}

/** For each small set that is known: the cells of which it follows. */
function* combinationsIn(
  spaces: readonly RowSpace[],
  small: readonly (readonly number[])[],
  columns: number,
): Iterable<readonly number[]> {
  const tests = spaces.map((space) => ({ space, values: space.nullVector(columns, numbers()) }));
  for (const set of small) {
    for (const { space, values } of tests) {
      const sum = set.reduce((total, at) => total + (values[at] ?? 0), 0);
      const isKnown = sum % space.prime === 0;
      const tellers = isKnown ? space.combination(set) : undefined;
      if (!tellers) continue;
      yield tellers;
      break;
    }
  }
}

function sizesOf(atoms: readonly Atom[]): Map<number, number> {
  const sizes = new Map<number, number>();
  for (const { cells, counts } of atoms) {
    for (const cell of cells) {
      if (cell !== null) sizes.set(cell, (sizes.get(cell) ?? 0) + (counts[0]?.count ?? 0));
    }
  }
  return sizes;
}

/** All that is shown of the query with the most cells. */
function finestOf(atoms: readonly Atom[], shown: ReadonlySet<number>): readonly number[] {
  const byQuery = new Map<number, number[]>();
  for (const [cell, { query }] of cellsOf(atoms)) {
    if (!shown.has(cell)) continue;
    const known = byQuery.get(query);
    if (known) known.push(cell);
    else byQuery.set(query, [cell]);
  }
  return [...byQuery.values()].reduce(
    (most, each) => (each.length > most.length ? each : most),
    [],
  );
}

/**
 * The same numbers each time: who computes a window again has to withhold the same (MMIX, Knuth).
 */
function numbers(): () => number {
  let state = 1n;
  return () => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & (2n ** 64n - 1n);
    return Number(state >> 33n);
  };
}
