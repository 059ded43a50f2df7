import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { LogEntry } from '@strongroom/record-log/log';

/**
 * Records that a vault was lost on. The next life would read the same record again and lose its
 * vault again, so each of those that were being served is then tried alone, and one that has cost
 * so many vaults is refused by the next (`VAULT_DEATHS_MAX`), which tells its owner.
 *
 * The count lives in the worker's process, which does not die with its child, and never on the log:
 * nobody but this machine can add to it. Whoever runs the machine can, by killing vaults: it costs
 * no more than any other way to stop them, because a refused record leaves a gap in its stream and
 * a gap holds windows open. No result can come to be without it.
 */
export class Suspects {
  readonly #deaths = new Map<string, number>();

  /** The entries of one request, cut so that each suspect stands alone. */
  partsOf(dataset: string, entries: readonly LogEntry[]): Part[] {
    const parts: Part[] = [];
    let rest: LogEntry[] = [];
    for (const entry of entries) {
      const deaths = this.#deaths.get(nameOf(dataset, entry));
      if (deaths === undefined) {
        rest.push(entry);
        continue;
      }
      if (rest.length > 0) parts.push({ entries: rest });
      parts.push({ entries: [entry], deaths });
      rest = [];
    }
    if (rest.length > 0) parts.push({ entries: rest });
    return parts;
  }

  /** @param error what the request of these entries ended with */
  failed(dataset: string, { entries, deaths }: Part, error: unknown): void {
    const isServed = error instanceof StrongroomError && error.facts['served'] === true;
    if (codeOf(error) !== 'ERR_VAULT_LOST' || !isServed) return;
    // A newer loss says more than an older one: what was not lost alone need not be kept.
    for (const [name, count] of this.#deaths) if (count === 0) this.#deaths.delete(name);
    const [only, ...others] = entries;
    if (!only) return;
    if (others.length === 0) this.#deaths.set(nameOf(dataset, only), (deaths ?? 0) + 1);
    else for (const entry of entries) this.#deaths.set(nameOf(dataset, entry), 0);
  }

  /** A suspect that a vault has taken was not the one; what was refused for good stays here. */
  taken(dataset: string, { entries, deaths }: Part, isFatal: boolean): void {
    const [only] = entries;
    if (deaths !== undefined && only && !isFatal) this.#deaths.delete(nameOf(dataset, only));
  }
}

export interface Part {
  readonly entries: readonly LogEntry[];
  /** Of a suspect: how many vaults were lost on it alone. */
  readonly deaths?: number;
}

function nameOf(dataset: string, { partition, offset }: LogEntry): string {
  return `${dataset}/${partition}/${offset}`;
}
