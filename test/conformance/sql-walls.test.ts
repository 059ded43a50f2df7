import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { connectLocked, LockedEngine } from '@strongroom/analysis/locked-engine';
import { checkQuery } from '@strongroom/analysis/sql-gate';
import { codeOf } from '@strongroom/protocol/errors';
import { createLogger } from '@strongroom/runtime/logger';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startVault, type VaultDoor } from '../../services/enclave-worker/src/vault-process.ts';
import {
  type Outcome,
  ROWS_READ,
  runFor,
  UnlockedEngine,
} from '../../services/enclave-worker/test/unlocked-engine.ts';
import { contract, HOSTILE, queryOf, ROWS, TABLES } from './sql-walls/scene.ts';
import { Surroundings } from './sql-walls/surroundings.ts';

/**
 * Three walls stand between a statement and what it wants, and each is tried alone: the gate; the
 * engine's flags, with the gate removed; the vault's process, with the gate removed and an engine
 * without flags. docs/sql-walls.md shows what each of them did.
 */

const SCENE = [...TABLES, ...ROWS];
/** Some of them no interrupt stops: they are ended with the process that they run in. */
const BOMBS = 'uses up memory or time';
const QUICK = HOSTILE.filter(({ kind }) => kind !== BOMBS);
const DEADLINE_MS = process.env['STRONGROOM_LONG'] === '1' ? 20_000 : 8_000;
const root = join(import.meta.dirname, '../..');

let around: Surroundings;
beforeAll(async () => {
  around = await Surroundings.open();
});
afterAll(() => around.close());

interface Result {
  readonly kind: string;
  readonly sql: string;
  readonly outcome: Outcome['kind'];
  readonly reached: readonly string[];
}

async function tryAll(
  run: (sql: string) => Promise<Outcome>,
  statements = HOSTILE,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const { kind, sql } of statements) {
    const { kind: outcome, text } = await run(around.fill(sql));
    results.push({ kind, sql, outcome, reached: around.takeReached(text) });
  }
  return results;
}

const breaches = (results: readonly Result[]) =>
  results.filter(({ reached }) => reached.length > 0);

test('without any wall, statements do reach files, folders and the network', async () => {
  const wanted = new Set<string>();
  const engine = await UnlockedEngine.open();
  for (const sql of [
    "SELECT * FROM read_text('{canary}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "COPY flights TO '{out}/a.csv'",
    "COPY (SELECT origin, 1 AS x FROM flights) TO '{out}/d' (FORMAT csv, PARTITION_BY (origin))",
    "COPY flights TO '{canary}'",
    "SET home_directory = '{out}'; INSTALL httpfs FROM 'http://127.0.0.1:{port}'",
  ]) {
    const { text } = await engine.run(SCENE, around.fill(sql));
    for (const what of around.takeReached(text)) wanted.add(what);
  }
  const all = ['connected', 'made a file', 'made a folder', 'read /etc/passwd', 'read the canary'];
  expect([...wanted].sort()).toEqual([...all, 'wrote to the canary']);
});

describe('each wall alone', () => {
  const table = new Map<string, string[]>();
  const note = (kind: string, cell: string) => table.set(kind, [...(table.get(kind) ?? []), cell]);
  const kinds = [...new Set(HOSTILE.map(({ kind }) => kind))];

  test('more than 300 statements', () => {
    expect(new Set(HOSTILE.map(({ sql }) => sql)).size).toBe(HOSTILE.length);
    expect(HOSTILE.length).toBeGreaterThan(300);
    for (const kind of kinds)
      note(kind, String(HOSTILE.filter((each) => each.kind === kind).length));
  });

  test('the gate refuses every one', async () => {
    const engine = await LockedEngine.open({ memoryMb: 128 });
    for (const { sql } of HOSTILE) {
      const code = await checkQuery(engine, contract, queryOf(around.fill(sql))).catch(codeOf);
      expect(code, sql).toBe('ERR_QUERY_REFUSED');
    }
    engine.close();
    for (const kind of kinds) note(kind, 'all refused');
  }, 300_000);

  test('the locked engine lets none reach anything, or change a setting', async () => {
    const connection = await connectLocked({ memoryMb: 64 });
    const engine = new EngineUnderTest(connection);
    for (const statement of SCENE) await engine.run(statement);
    const settings = async () => String((await engine.read('FROM duckdb_settings()')).getRows());
    const before = await settings();
    const results = await tryAll(async (sql) => {
      const outcome = await runFor(connection, async () => {
        const { chunks } = await engine.readUntil(sql, ROWS_READ);
        return chunks.flatMap((chunk) => chunk.getRows());
      });
      expect(await settings(), sql).toBe(before);
      return outcome;
    }, QUICK);
    engine.close();
    expect(breaches(results)).toEqual([]);
    for (const kind of kinds) {
      const own = results.filter((each) => each.kind === kind);
      // Which ones run to their end depends on the machine's time; that one does, does not.
      const doRun = own.some(({ outcome }) => outcome === 'ran');
      const said = doRun ? 'some run, and reach nothing' : 'all refused';
      note(kind, kind === BOMBS ? 'memory has a limit' : said);
    }
  }, 300_000);

  test('the process of the vault lets none reach anything', async () => {
    const { results, isolation } = await tryInVault('all');
    if (isolation === 'own root and network') expect(breaches(results)).toEqual([]);
    else expect(breaches(results).filter(isNoFolder)).toEqual([]);
    for (const kind of kinds)
      note(kind, kind === BOMBS ? 'killed at the deadline' : 'all reach nothing');
  }, 300_000);

  test('and on a host without namespaces, no more than names of folders', async () => {
    const { results } = await tryInVault('limits', QUICK);
    expect(breaches(results).filter(isNoFolder)).toEqual([]);
  }, 300_000);

  test('docs/sql-walls.md shows this table', async () => {
    const lines = kinds.map((kind) => `| ${[kind, ...(table.get(kind) ?? [])].join(' | ')} |`);
    const page = await readFile(join(root, 'docs/sql-walls.md'), 'utf8');
    const shown = page.split('\n').map((line) => line.replace(/ +/g, ' '));
    expect(lines.filter((line) => !shown.includes(line))).toEqual([]);
  });
});

class EngineUnderTest extends LockedEngine {
  constructor(connection: DuckDBConnection) {
    super(connection);
  }
}

function isNoFolder({ reached }: Result): boolean {
  return reached.some((what) => what !== 'made a folder');
}

/** Starts what stands in for the vault exactly as the worker starts the vault. */
async function tryInVault(
  walls: 'all' | 'limits',
  statements = HOSTILE,
): Promise<{ results: Result[]; isolation: string }> {
  let isolation = '';
  const logger = {
    ...createLogger('test', { level: 'silent' }),
    info: (_event: string, fields: { state?: unknown } = {}) => {
      isolation = String(fields.state);
    },
  };
  const entry = [join(root, 'services/enclave-worker/test/hostile-vault.ts')];
  const start = async (): Promise<VaultDoor> => {
    const started = await startVault({ logger, deadlineMs: DEADLINE_MS, entry, walls });
    // The first answer closes what is open by then.
    await started.request('run' as never, { scene: [], sql: 'SELECT 1' } as never);
    return started;
  };
  let vault = await start();
  const results = await tryAll(async (sql) => {
    try {
      const { answer } = await vault.request('run' as never, { scene: SCENE, sql } as never);
      return answer as Outcome;
    } catch {
      // A statement may cost the process its life; that reaches nothing either.
      await vault.close();
      vault = await start();
      return { kind: 'stopped', text: '' };
    }
  }, statements);
  await vault.close();
  return { results, isolation };
}
