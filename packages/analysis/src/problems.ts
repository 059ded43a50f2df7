import { StrongroomError } from '@strongroom/protocol/errors';
import { QUERY_PROBLEMS_MAX } from '@strongroom/protocol/limits';

/**
 * Why a query may not run: every reason that can be seen at once, so that its author need not find
 * them one by one. Whoever judges with one of these ends with `demandNone`.
 */
export class Problems {
  readonly #found = new Map<string, StrongroomError>();

  /** In the order in which they were met; each once. */
  get all(): readonly StrongroomError[] {
    return [...this.#found.values()];
  }

  get any(): boolean {
    return this.#found.size > 0;
  }

  /** @throws what is no refusal of the query */
  add(error: unknown): void {
    if (!isRefusal(error)) throw error;
    if (this.#found.size >= QUERY_PROBLEMS_MAX) return;
    const key = JSON.stringify([error.code, error.facts]);
    if (!this.#found.has(key)) this.#found.set(key, error);
  }

  /** What follows is judged as well, whatever this one finds. */
  collect(judge: () => void): void {
    try {
      judge();
    } catch (error) {
      this.add(error);
    }
  }

  /** @throws the first one */
  demandNone(): void {
    const [first] = this.all;
    if (first) throw first;
  }
}

function isRefusal(error: unknown): error is StrongroomError {
  return (
    error instanceof StrongroomError &&
    (error.code === 'ERR_QUERY_REFUSED' || error.code === 'ERR_QUERY_AGAINST_RULES')
  );
}
