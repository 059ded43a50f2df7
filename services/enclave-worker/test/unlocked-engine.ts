import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** What became of a statement, and what an attacker would have of it. */
export interface Outcome {
  readonly kind: 'ran' | 'refused' | 'stopped';
  /** The first rows as JSON, or the engine's message. */
  readonly text: string;
}

/** Long enough for a statement that works, on a machine with other work. */
const STATEMENT_MS = 400;
export const ROWS_READ = 200;

/** DuckDB as it is without our flags, but for the memory of the machine that tests it. */
export class UnlockedEngine {
  readonly #instance: DuckDBInstance;

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  static async open(): Promise<UnlockedEngine> {
    return new UnlockedEngine(await DuckDBInstance.create(':memory:'));
  }

  /** Runs one statement on a connection of its own; the scene may have gone with the last one. */
  async run(scene: readonly string[], sql: string): Promise<Outcome> {
    const connection = await this.#instance.connect();
    try {
      for (const statement of [...LIMITS, ...scene]) {
        await connection.run(statement).catch(() => undefined);
      }
      return await runFor(connection, async () =>
        (await connection.streamAndReadUntil(sql, ROWS_READ)).getRows(),
      );
    } finally {
      connection.closeSync();
    }
  }
}

const LIMITS = ["SET GLOBAL memory_limit = '200MB'", 'SET GLOBAL threads = 1'];

/** Lets a statement run on a connection for some time. */
export async function runFor(
  connection: DuckDBConnection,
  run: () => Promise<readonly unknown[]>,
): Promise<Outcome> {
  let isStopped = false;
  const timer = setInterval(() => {
    isStopped = true;
    connection.interrupt();
  }, STATEMENT_MS);
  try {
    const rows = await run();
    return { kind: 'ran', text: textOf(rows.slice(0, ROWS_READ)) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { kind: isStopped ? 'stopped' : 'refused', text };
  } finally {
    clearInterval(timer);
  }
}

function textOf(rows: unknown): string {
  return JSON.stringify(rows, (_name, value) => {
    return typeof value === 'bigint' || value instanceof Uint8Array ? String(value) : value;
  });
}
