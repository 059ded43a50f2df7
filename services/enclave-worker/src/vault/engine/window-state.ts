import type { Query } from '@strongroom/protocol/contract';
import type { DatasetId } from '@strongroom/protocol/fields';
import type { PartialStore } from './partial-store.ts';
import type { RowStore, StoredBatch } from './row-store.ts';
import type { TimeWindow } from './window.ts';

/** What is kept of open windows: of each dataset either partial aggregates or its rows. */
export class WindowState {
  readonly #rows: RowStore;
  readonly #partials: PartialStore;

  constructor(rows: RowStore, partials: PartialStore) {
    this.#rows = rows;
    this.#partials = partials;
  }

  async append(id: DatasetId, batches: readonly StoredBatch[], keepFrom: number): Promise<void> {
    if (this.#partials.holds(id)) await this.#partials.append(id, batches, keepFrom);
    else await this.#rows.append(id, batches, keepFrom);
  }

  /** Rows of a dataset in a window. */
  async count(id: DatasetId, window: TimeWindow | null): Promise<number> {
    if (!this.#partials.holds(id)) return await this.#rows.count(id, window);
    const counts = this.#partials.countByStream(id, window);
    return [...counts.values()].reduce((sum, rows) => sum + rows, 0);
  }

  async countByStream(
    query: Query,
    id: DatasetId,
    window: TimeWindow | null,
  ): Promise<Map<number, number>> {
    if (this.#partials.holds(id)) return this.#partials.countByStream(id, window);
    return await this.#rows.countByStream(query, id, window);
  }

  /**
   * Forgets the rows of these batches, as if they had not come.
   * @returns false where they were folded: then all rows of all datasets of the relation are
   *   forgotten, and have to come again
   */
  async remove(id: DatasetId, batches: readonly number[]): Promise<boolean> {
    if (!this.#partials.holds(id)) {
      await this.#rows.remove(id, batches);
      return true;
    }
    await this.#partials.clear(id);
    return false;
  }

  async dropBefore(id: DatasetId, ms: number): Promise<void> {
    if (this.#partials.holds(id)) await this.#partials.dropBefore(id, ms);
    else await this.#rows.dropBefore(id, ms);
  }

  async clear(id: DatasetId): Promise<void> {
    if (this.#partials.holds(id)) await this.#partials.clear(id);
    else await this.#rows.clear(id);
  }
}
