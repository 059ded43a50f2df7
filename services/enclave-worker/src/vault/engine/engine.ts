import { type DuckDBConnection, DuckDBDataChunk, type DuckDBResultReader } from '@duckdb/node-api';
import {
  connectLocked,
  type EngineOptions,
  LockedEngine,
  withoutText,
} from '@strongroom/analysis/locked-engine';
import type { ErrorFacts } from '@strongroom/protocol/errors';
import { ArrowTableFunction } from './arrow-table-function.ts';
import { RowCursor } from './row-cursor.ts';
import type { RowGroup } from './row-group.ts';

/** The locked engine, and the way by which rows come into it. */
export class Engine extends LockedEngine {
  readonly #rows: ArrowTableFunction;

  protected constructor(connection: DuckDBConnection) {
    super(connection);
    this.#rows = ArrowTableFunction.register(connection);
  }

  /** @throws ERR_ENGINE_OPEN unless every lock can be read back, ERR_VAULT_MEMORY */
  static override async open(options: EngineOptions = {}): Promise<Engine> {
    return new Engine(await connectLocked(options));
  }

  /** Runs `sql`, in which `strongroom_rows()` stands for the group's rows. */
  async insert(sql: string, group: RowGroup, facts: ErrorFacts = {}): Promise<void> {
    await withoutText(facts, () => this.#rows.scan(group, () => this.connection.run(sql)));
  }

  /**
   * Appends the group's rows to a table with its columns, in their order: all or none. The engine
   * asks nobody for rows here, so that no thread waits for another.
   */
  async append(table: string, group: RowGroup, facts: ErrorFacts = {}): Promise<void> {
    await withoutText(facts, async () => {
      await this.connection.run('BEGIN TRANSACTION');
      try {
        await this.#appendAll(table, group);
        await this.connection.run('COMMIT');
      } catch (error) {
        // A commit that fails has ended its transaction.
        await this.connection.run('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  async #appendAll(table: string, group: RowGroup): Promise<void> {
    const appender = await this.connection.createAppender(table);
    try {
      const chunk = DuckDBDataChunk.create(group.columns.map(({ type }) => type));
      const rows = new RowCursor(group);
      while (rows.fill(chunk.chunk) > 0) {
        appender.appendDataChunk(chunk);
        chunk.reset();
      }
    } catch (error) {
      // An appender that is forgotten appends what it still holds.
      appender.clear();
      throw error;
    } finally {
      appender.closeSync();
    }
  }

  /** Reads what `sql` makes of the group's rows, as `insert` does. */
  async readInserted(
    sql: string,
    group: RowGroup,
    facts: ErrorFacts = {},
  ): Promise<DuckDBResultReader> {
    const read = () => this.connection.runAndReadAll(sql);
    return withoutText(facts, () => this.#rows.scan(group, read));
  }
}
