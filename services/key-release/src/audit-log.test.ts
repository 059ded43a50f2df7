import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, createAuditLog } from './audit-log.ts';
import { openDatabase, transaction } from './database.ts';

const ENTRIES = 2_500;
const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };

let folder: string;
let database: DatabaseSync;
let log: AuditLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-log-'));
  database = openDatabase(folder);
  log = createAuditLog(database, 'west', clock);
  transaction(database, () => {
    for (let index = 0; index < ENTRIES; index += 1) {
      log.append({ event: 'key-released', key: `key-${index}` });
    }
  });
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const run = (sql: string, ...values: (string | number)[]) => database.prepare(sql).run(...values);
const entryAt = (sequence: number) => log.read(sequence, 1)[0]?.entry ?? '';

/** Where the chain is found broken; undefined when it is whole. */
function firstWrong(): unknown {
  try {
    log.verify();
    return undefined;
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_AUDIT_BROKEN');
    return error instanceof StrongroomError ? error.facts['sequence'] : undefined;
  }
}

describe('audit log', () => {
  test('is whole, counts from 0, and goes on after a restart', () => {
    expect(log.verify()).toEqual(log.head());
    expect(log.head().entries).toBe(ENTRIES);
    const again = createAuditLog(database, 'west', clock);
    again.append({ event: 'key-deleted', key: 'last' });
    expect(again.verify().entries).toBe(ENTRIES + 1);
    expect(entryAt(ENTRIES)).toBe(
      `{"at":1700000000000,"event":"key-deleted","key":"last","sequence":${ENTRIES}}`,
    );
  });

  test.each([0, 1, 999, 1_000, 1_777, ENTRIES - 1])('names entry %i when it was changed', (at) => {
    const entry = entryAt(at).replace('key-released', 'key-created');
    run('UPDATE audit_log SET entry = ? WHERE sequence = ?', entry, at);
    expect(firstWrong()).toBe(at);
  });

  test.each([0, 1, 1_000, ENTRIES - 2])('names entry %i when it was left out', (at) => {
    run('DELETE FROM audit_log WHERE sequence = ?', at);
    expect(firstWrong()).toBe(at);
    run('UPDATE audit_log SET sequence = sequence - 1 WHERE sequence > ?', at);
    expect(firstWrong()).toBe(at);
  });

  test.each([0, 1_000, ENTRIES - 2])('names entry %i when it was exchanged with the next', (at) => {
    const [first, second] = [entryAt(at), entryAt(at + 1)];
    run('UPDATE audit_log SET entry = ? WHERE sequence = ?', second, at);
    run('UPDATE audit_log SET entry = ? WHERE sequence = ?', first, at + 1);
    expect(firstWrong()).toBe(at);
  });

  test('names the end when entries were cut off or doubled', () => {
    run('DELETE FROM audit_log WHERE sequence >= ?', ENTRIES - 3);
    expect(firstWrong()).toBe(ENTRIES - 3);
    run(
      'INSERT INTO audit_log SELECT sequence + 1, entry, hash FROM audit_log ORDER BY sequence DESC LIMIT 1',
    );
    expect(firstWrong()).toBe(ENTRIES - 3);
  });

  test("another owner's log does not stand in", () => {
    log = createAuditLog(database, 'east', clock);
    expect(firstWrong()).toBe(0);
  });

  test('an entry of a transaction that failed does not exist', () => {
    const failing = () =>
      transaction(database, () => {
        log.append({ event: 'key-created', key: 'never' });
        throw new Error('the operation failed');
      });
    expect(failing).toThrow('the operation failed');
    expect(log.verify().entries).toBe(ENTRIES);
  });
});
