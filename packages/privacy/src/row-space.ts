/**
 * What follows from sums that are known: the row space of a matrix of zeros and ones, over the
 * integers modulo a prime. A column is a part of the rows, a row says which parts a known sum is
 * of.
 *
 * Whatever is a rational combination of the rows is one modulo a prime too, unless the prime
 * divides every denominator of it. Those are minors of the matrix: 1 for two partitions, small for
 * the few that one contract has. Two primes of 26 bits, either of which suffices to find a
 * combination, would both have to divide them. What is found and is none over the rationals costs a
 * cell and no secret.
 */
export class RowSpace {
  readonly prime: number;
  readonly #rows: ReducedRow[] = [];
  /** Which row is the one with this column as its first. */
  readonly #pivots = new Map<number, number>();
  /** Entries that were touched: the cost so far. */
  steps = 0;

  constructor(prime: number) {
    this.prime = prime;
  }

  /** @param name of the row */
  add(name: number, columns: Iterable<number>): void {
    const row = { entries: onesAt(columns), of: onesAt([name]) };
    this.#reduce(row);
    const [pivot] = row.entries.keys();
    if (pivot === undefined) return;
    const scale = this.#inverse(row.entries.get(pivot) ?? 1);
    for (const part of [row.entries, row.of]) {
      for (const [key, value] of part) part.set(key, (value * scale) % this.prime);
    }
    this.#pivots.set(pivot, this.#rows.length);
    this.#rows.push({ ...row, pivot });
  }

  /**
   * Values of the columns at which every row is zero, at random among all such: a sum of columns
   * that is not zero there is no combination of the rows, and one that is zero almost surely is.
   */
  nullVector(columnCount: number, random: () => number): Float64Array {
    const values = new Float64Array(columnCount);
    for (let column = 0; column < columnCount; column++) {
      values[column] = 1 + (random() % (this.prime - 1));
    }
    return this.#solve(values);
  }

  /** Sets the columns that rows begin with, so that every row is zero. */
  #solve(values: Float64Array): Float64Array {
    for (const { entries, pivot } of this.#rows.toReversed()) {
      let sum = 0;
      for (const [column, value] of entries) {
        this.steps += 1;
        if (column !== pivot) sum = (sum + value * (values[column] ?? 0)) % this.prime;
      }
      values[pivot] = (this.prime - sum) % this.prime;
    }
    return values;
  }

  /**
   * Whole numbers, small and at least one of them not zero, at which every row is zero: what can be
   * added to the columns and changes no sum. One for each column that no row begins with.
   */
  *wholeNullVectors(columnCount: number): Iterable<Float64Array> {
    for (let free = 0; free < columnCount; free++) {
      if (this.#pivots.has(free)) continue;
      const values = new Float64Array(columnCount);
      values[free] = 1;
      this.#solve(values);
      // Where the rows ask for halves or thirds of it, so many times as much is whole.
      for (const times of [1, 2, 3]) yield values.map((value) => this.#signed(value * times));
    }
  }

  #signed(value: number): number {
    const rest = value % this.prime;
    return rest > this.prime / 2 ? rest - this.prime : rest;
  }

  /** Names of the rows that give this sum of columns together; undefined when none do. */
  combination(columns: Iterable<number>): readonly number[] | undefined {
    const row = { entries: onesAt(columns), of: new Map<number, number>() };
    this.#reduce(row);
    return row.entries.size === 0 ? [...row.of.keys()] : undefined;
  }

  /** Takes rows away until no pivot of any is left; a row holds pivots of later rows alone. */
  #reduce(row: Combination): void {
    const pending = [...row.entries.keys()].flatMap((column) => this.#pivots.get(column) ?? []);
    pending.sort((one, other) => other - one);
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const found = this.#rows[next];
      const factor = found && row.entries.get(found.pivot);
      if (!found || factor === undefined) continue;
      for (const [column, value] of found.entries) {
        const isNew = !row.entries.has(column);
        this.#subtract(row.entries, column, (value * factor) % this.prime);
        if (isNew) this.#remember(pending, column);
      }
      for (const [name, value] of found.of) {
        this.#subtract(row.of, name, (value * factor) % this.prime);
      }
    }
  }

  /** Keeps the rows still to be taken away, the earliest last. */
  #remember(pending: number[], column: number): void {
    const row = this.#pivots.get(column);
    if (row === undefined) return;
    let [low, high] = [0, pending.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((pending[middle] ?? 0) > row) low = middle + 1;
      else high = middle;
    }
    pending.splice(low, 0, row);
  }

  #subtract(from: Map<number, number>, key: number, value: number): void {
    this.steps += 1;
    const rest = ((from.get(key) ?? 0) + this.prime - value) % this.prime;
    if (rest === 0) from.delete(key);
    else from.set(key, rest);
  }

  /** By Fermat's little theorem. */
  #inverse(value: number): number {
    let [result, base] = [1, value];
    for (let power = this.prime - 2; power > 0; power = Math.floor(power / 2)) {
      if (power % 2 === 1) result = (result * base) % this.prime;
      base = (base * base) % this.prime;
    }
    return result;
  }
}

/** The two largest primes below 2^26: products of two numbers below them are exact in a double. */
export const PRIMES: readonly number[] = [67_108_859, 67_108_837];

interface Combination {
  readonly entries: Map<number, number>;
  /** Of which rows it was made. */
  readonly of: Map<number, number>;
}

interface ReducedRow extends Combination {
  readonly pivot: number;
}

function onesAt(keys: Iterable<number>): Map<number, number> {
  return new Map([...keys].map((key) => [key, 1]));
}
