import type { DuckDBConnection, DuckDBResultReader } from '@duckdb/node-api';
import {
  connectLocked,
  type EngineOptions,
  LockedEngine,
  withoutText,
} from '@strongroom/analysis/locked-engine';
import type { ErrorFacts } from '@strongroom/protocol/errors';
import { ArrowTableFunction } from './arrow-table-function.ts';
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
