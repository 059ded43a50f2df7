import type { FetchedPartition, Position } from './read-entries.ts';

/** Asks one leader for its partitions, and waits there until it has something. */
export type AskLeader = (
  nodeId: string,
  led: readonly Position[],
) => Promise<readonly FetchedPartition[]>;

interface Asked {
  /** Settles with the answer or the failure, and never rejects. */
  readonly settled: Promise<void>;
  outcome?: { readonly fetched: readonly FetchedPartition[] } | { readonly error: unknown };
}

/**
 * The fetches of one reading, one a leader. What a leader answers is handed on at once, while the
 * others are still being waited for: one that has nothing to tell holds up nobody.
 */
export class LeaderFetches {
  readonly #asked = new Map<string, Asked>();

  /**
   * Asks every leader that is not being asked already.
   * @returns what has come, from one of them at least
   * @throws what the first of them failed with
   */
  async next(
    leaders: ReadonlyMap<string, readonly Position[]>,
    ask: AskLeader,
  ): Promise<FetchedPartition[]> {
    for (const [nodeId, led] of leaders) {
      if (!this.#asked.has(nodeId))
        this.#asked.set(
          nodeId,
          askOnce(() => ask(nodeId, led)),
        );
    }
    // A leader that leads nothing of ours any more may take its time.
    const awaited = [...leaders.keys()].flatMap((nodeId) => this.#asked.get(nodeId) ?? []);
    await Promise.race(awaited.map(({ settled }) => settled));
    return this.#takeSettled();
  }

  #takeSettled(): FetchedPartition[] {
    const taken: FetchedPartition[] = [];
    for (const [nodeId, { outcome }] of this.#asked) {
      if (outcome === undefined) continue;
      this.#asked.delete(nodeId);
      if ('error' in outcome) throw outcome.error;
      taken.push(...outcome.fetched);
    }
    return taken;
  }
}

function askOnce(ask: () => Promise<readonly FetchedPartition[]>): Asked {
  const asked: { -readonly [Member in keyof Asked]?: Asked[Member] } = {};
  const settled = ask().then(
    (fetched) => {
      asked.outcome = { fetched };
    },
    (error: unknown) => {
      asked.outcome = { error };
    },
  );
  return Object.assign(asked, { settled });
}
