import assert from 'node:assert/strict';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBResultReader,
  type DuckDBType,
  StatementType,
} from '@duckdb/node-api';
import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import { QUERIES_MAX } from '@strongroom/protocol/limits';

/**
 * DuckDB, in memory and locked down. Nothing that it says leaves: its messages quote values
 * ("Could not convert string 'Alice'"), so every failure becomes a code here.
 */
export class LockedEngine {
  protected readonly connection: DuckDBConnection;
  /** Some texts that are one SELECT. */
  readonly #selects = new Set<string>();

  protected constructor(connection: DuckDBConnection) {
    this.connection = connection;
  }

  /** @throws ERR_ENGINE_OPEN unless every lock can be read back, ERR_VAULT_MEMORY */
  static async open(options: EngineOptions = {}): Promise<LockedEngine> {
    return new LockedEngine(await connectLocked(options));
  }

  /** @throws ERR_VAULT_MEMORY, ERR_QUERY_FAILED */
  async run(sql: string, facts: ErrorFacts = {}): Promise<void> {
    await withoutText(facts, () => this.connection.run(sql));
  }

  /** @throws ERR_VAULT_MEMORY, ERR_QUERY_FAILED */
  async read(sql: string, facts: ErrorFacts = {}): Promise<DuckDBResultReader> {
    return withoutText(facts, () => this.connection.runAndReadAll(sql));
  }

  /**
   * Reads the first rows of a contract's SELECT, at least `rows` of them if there are so many. What
   * is no SELECT is refused here too: PRAGMA and CALL change some settings that no lock holds.
   */
  async readUntil(sql: string, rows: number, facts: ErrorFacts = {}): Promise<ResultChunks> {
    return withoutText(facts, async () => {
      if (!this.#selects.has(sql)) await this.#demandSelect(sql);
      if (this.#selects.size >= QUERIES_MAX) this.#selects.clear();
      this.#selects.add(sql);
      return readChunks(await this.connection.stream(sql), rows);
    });
  }

  async #demandSelect(sql: string): Promise<void> {
    const extracted = await this.connection.extractStatements(sql);
    assert.equal(extracted.count, 1, 'one statement');
    const statement = await extracted.prepare(0);
    const { statementType } = statement;
    statement.destroySync();
    assert.equal(statementType, StatementType.SELECT, 'a SELECT');
  }

  /** The parser's tree as JSON text; what is not a SELECT gives `{"error":true, …}`. */
  async parse(sql: string): Promise<string> {
    return withoutText({}, async () => {
      const query = 'SELECT json_serialize_sql($1::VARCHAR)';
      const [row] = (await this.connection.runAndReadAll(query, [sql])).getRows();
      return String(row?.[0]);
    });
  }

  /** The text of a parser's tree, as JSON. @throws ERR_QUERY_FAILED for what is no tree */
  async unparse(tree: string): Promise<string> {
    return withoutText({}, async () => {
      const query = 'SELECT json_deserialize_sql($1::JSON)';
      const [row] = (await this.connection.runAndReadAll(query, [tree])).getRows();
      return String(row?.[0]);
    });
  }

  /**
   * The bound plan of a SELECT over empty tables, as JSON text: every type is decided in it, and
   * every cast that the text does not show. What cannot be bound gives `{"error":true, …}`, and no
   * types of result columns.
   */
  async plan(sql: string, tables: readonly string[]): Promise<BoundPlan> {
    return withoutText({}, async () => {
      await this.connection.run('BEGIN TRANSACTION');
      try {
        // A temporary table hides another of its name; both are as before when this ends.
        for (const table of tables) await this.connection.run(`CREATE TEMP TABLE ${table}`);
        const query = 'SELECT json_serialize_plan($1::VARCHAR)';
        const [row] = (await this.connection.runAndReadAll(query, [sql])).getRows();
        return { plan: String(row?.[0]), types: await this.#typesOf(sql) };
      } finally {
        await this.connection.run('ROLLBACK');
      }
    });
  }

  async #typesOf(sql: string): Promise<readonly DuckDBType[]> {
    const extracted = await this.connection.extractStatements(sql);
    const statement = await extracted.prepare(0).catch((error: unknown) => {
      if (isOutOfMemory(error)) throw error;
    });
    if (!statement) return [];
    const types = Array.from({ length: statement.columnCount }, (_, at) =>
      statement.columnType(at),
    );
    statement.destroySync();
    return types;
  }

  close(): void {
    this.connection.closeSync();
  }
}

/** The first rows of a result, in the engine's memory. */
export interface ResultChunks {
  readonly names: readonly string[];
  readonly types: readonly DuckDBType[];
  readonly chunks: readonly DuckDBDataChunk[];
  readonly rows: number;
}

async function readChunks(result: DuckDBResult, least: number): Promise<ResultChunks> {
  const chunks: DuckDBDataChunk[] = [];
  let rows = 0;
  while (rows < least) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    chunks.push(chunk);
    rows += chunk.rowCount;
  }
  return { names: result.columnNames(), types: result.columnTypes(), chunks, rows };
}

interface BoundPlan {
  readonly plan: string;
  /** Of the result's columns, in their order. */
  readonly types: readonly DuckDBType[];
}

export interface EngineOptions {
  readonly memoryMb?: number;
}

/** @throws ERR_ENGINE_OPEN unless every lock can be read back, ERR_VAULT_MEMORY */
export async function connectLocked(options: EngineOptions): Promise<DuckDBConnection> {
  try {
    const connection = await openLocked(options.memoryMb ?? ENGINE_MEMORY_MB_DEFAULT);
    await checkLocks(connection);
    return connection;
  } catch (error) {
    throw new StrongroomError(isOutOfMemory(error) ? 'ERR_VAULT_MEMORY' : 'ERR_ENGINE_OPEN');
  }
}

/** Six tenths of a gibibyte: the process stays under one, with the keys' and the buffers' share. */
const ENGINE_MEMORY_MB_DEFAULT = 600;

/**
 * What holds after the start, read back before the first row comes in. `temp_directory` must be set
 * when the database is made: afterwards, and beside enable_external_access, it is refused.
 */
const LOCKS: Readonly<Record<string, string>> = {
  allow_community_extensions: 'false',
  allow_persistent_secrets: 'false',
  allow_unredacted_secrets: 'false',
  allow_unsigned_extensions: 'false',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  enable_external_access: 'false',
  enable_external_file_cache: 'false',
  lock_configuration: 'true',
  preserve_insertion_order: 'true',
  temp_directory: '',
  // More threads would add floating-point numbers in another order from run to run.
  threads: '1',
  Calendar: 'gregorian',
  TimeZone: 'UTC',
};

async function openLocked(memoryMb: number): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    temp_directory: '',
    threads: '1',
    memory_limit: `${memoryMb}MiB`,
    allow_unsigned_extensions: 'false',
  });
  const connection = await instance.connect();
  for (const statement of [
    'SET allow_community_extensions = false',
    'SET allow_persistent_secrets = false',
    'SET allow_unredacted_secrets = false',
    'SET autoinstall_known_extensions = false',
    'SET autoload_known_extensions = false',
    "SET Calendar = 'gregorian'",
    "SET TimeZone = 'UTC'",
    'SET preserve_insertion_order = true',
    'SET enable_external_file_cache = false',
    'SET enable_external_access = false',
    "SET disabled_filesystems = 'LocalFileSystem'",
    'SET lock_configuration = true',
  ]) {
    await connection.run(statement);
  }
  return connection;
}

async function checkLocks(connection: DuckDBConnection): Promise<void> {
  const reader = await connection.runAndReadAll('SELECT name, value FROM duckdb_settings()');
  const found = new Map(reader.getRows().map(([name, value]) => [String(name), String(value)]));
  for (const [name, expected] of Object.entries(LOCKS)) {
    assert.equal(found.get(name), expected, `lock ${name}`);
  }
  // The list of disabled file systems cannot be read back; that it works, can be tried.
  for (const attempt of ["SELECT * FROM read_text('/dev/null')", 'SET threads = 2']) {
    assert(!(await succeeds(connection, attempt)), 'the engine is locked');
  }
}

async function succeeds(connection: DuckDBConnection, sql: string): Promise<boolean> {
  try {
    await connection.run(sql);
    return true;
  } catch {
    return false;
  }
}

/** @throws ERR_VAULT_MEMORY, ERR_QUERY_FAILED */
export async function withoutText<T>(facts: ErrorFacts, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new StrongroomError(
      isOutOfMemory(error) ? 'ERR_VAULT_MEMORY' : 'ERR_QUERY_FAILED',
      facts,
    );
  }
}

/**
 * The engine's own limit, or the system's: then C++ says `bad_alloc`, with or without the rest. An
 * append and a commit leave out what kind of failure it was.
 */
const OUT_OF_MEMORY = [
  /^Out of Memory|bad.alloc/,
  /^Failed to append: (could not|failed to) (allocate|pin)/,
  /^TransactionContext Error: Failed to commit: (could not|failed to) (allocate|pin)/,
];

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && OUT_OF_MEMORY.some((said) => said.test(error.message));
}
