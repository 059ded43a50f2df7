import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  readAuditLog,
  verifyAuditHead,
  verifyConsistency,
  verifyReceipt,
} from '@strongroom/sealing/audit';
import { merkleRoot } from '@strongroom/sealing/merkle';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createHeadSigner } from '../../test/audit.ts';
import { openDatabase, transaction } from '../storage/database.ts';
import { type AuditHeads, createAuditHeads } from './audit-heads.ts';
import { type AuditLog, createAuditLog } from './audit-log.ts';

const ENTRIES = 1_100;
const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
const { identity, author, signed } = createHeadSigner('west');

let folder: string;
let database: DatabaseSync;
let log: AuditLog;
let heads: AuditHeads;

function open(): void {
  database = openDatabase(folder);
  log = createAuditLog(database, clock);
  heads = createAuditHeads({ database, auditLog: log, identity, owner: 'west', clock });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'audit-log-'));
  open();
  for (let index = 0; index < ENTRIES; index += 1) {
    log.append({ event: 'key-released', key: `key-${index}` });
    if (index % 100 === 99) await heads.newest();
  }
});
afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});
// What a test does to the log, and the service itself could not undo, is undone here.
beforeEach(() => database.exec('BEGIN'));
afterEach(() => database.exec('ROLLBACK'));

const run = (sql: string, ...values: (string | number)[]) => database.prepare(sql).run(...values);
const entryAt = (sequence: number) => log.read(sequence, 1)[0] ?? '';
const setEntry = (sequence: number, entry: string) =>
  run('UPDATE audit_log SET entry = ? WHERE sequence = ?', entry, sequence);

/** Where the log is found broken; undefined when it is whole. */
async function firstWrong(): Promise<object | undefined> {
  try {
    await heads.verify(log.verify());
    return undefined;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return { code: error.code, ...error.facts };
  }
}
const at = (sequence: number) => ({ code: 'ERR_AUDIT_BROKEN', sequence });

/** What somebody with the file and without the release key can do: hash everything anew. */
function rebuild(entries: readonly string[]): void {
  run('DELETE FROM audit_log');
  run('DELETE FROM audit_nodes');
  const again = createAuditLog(database, clock);
  for (const entry of entries) {
    const { sequence, at: _at, ...event } = JSON.parse(entry);
    again.append(event);
  }
}

describe('the log', () => {
  test('is whole, counts from 0, and goes on after a restart', async () => {
    database.exec('ROLLBACK');
    database.close();
    open();
    database.exec('BEGIN');
    expect(await firstWrong()).toBeUndefined();
    expect(log.append({ event: 'key-deleted', key: 'last' })).toBe(ENTRIES);
    expect(log.verify().size).toBe(ENTRIES + 1);
    expect(entryAt(ENTRIES)).toBe(
      `{"at":1700000000000,"event":"key-deleted","key":"last","sequence":${ENTRIES}}`,
    );
  });

  test('keeps the nodes of the tree over its entries', () => {
    const tree = readAuditLog(log.read(0, -1));
    expect(merkleRoot(ENTRIES, log.nodeAt)).toEqual(merkleRoot(ENTRIES, tree.nodeAt));
  });

  test('an entry of a transaction that failed does not exist', () => {
    database.exec('ROLLBACK');
    const failing = () =>
      transaction(database, () => {
        log.append({ event: 'key-created', key: 'never' });
        throw new Error('the operation failed');
      });
    expect(failing).toThrow('the operation failed');
    expect(log.verify().size).toBe(ENTRIES);
    database.exec('BEGIN');
  });
});

describe('an entry is named', () => {
  test.each([0, 1, 999, 1_000, 1_023, ENTRIES - 1])('%i, when it was changed', async (index) => {
    setEntry(index, entryAt(index).replace('key-released', 'key-created'));
    expect(await firstWrong()).toMatchObject(at(index));
  });

  test.each([0, 1, 1_000, ENTRIES - 2])('%i, when it was left out', async (index) => {
    run('DELETE FROM audit_log WHERE sequence = ?', index);
    expect(await firstWrong()).toMatchObject(at(index));
    run('UPDATE audit_log SET sequence = sequence - 1 WHERE sequence > ?', index);
    expect(await firstWrong()).toMatchObject(at(index));
  });

  test.each([0, 1_000, ENTRIES - 2])('%i, when it was exchanged with the next', async (index) => {
    const [first, second] = [entryAt(index), entryAt(index + 1)];
    setEntry(index, second);
    setEntry(index + 1, first);
    expect(await firstWrong()).toMatchObject(at(index));
  });

  test('when entries were cut off', async () => {
    run('DELETE FROM audit_log WHERE sequence >= ?', ENTRIES - 3);
    expect(await firstWrong()).toMatchObject({ ...at(ENTRIES - 3), check: 'truncated' });
  });

  test('when one was doubled', async () => {
    run('INSERT INTO audit_log SELECT sequence + 1, entry FROM audit_log ORDER BY 1 DESC LIMIT 1');
    expect(await firstWrong()).toMatchObject(at(ENTRIES));
  });

  test('when a node above it was changed or lost', async () => {
    run('UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 3 AND position = 5');
    expect(await firstWrong()).toMatchObject({ ...at(40), check: 'node' });
    run('DELETE FROM audit_nodes WHERE level = 3 AND position = 4');
    expect(await firstWrong()).toMatchObject({ ...at(32), check: 'node' });
  });
});

describe('whoever hashes everything anew has no signature over it', () => {
  test.each([0, 250, 1_099])(
    'a rewritten entry %i lies behind the last good head',
    async (index) => {
      const entries = log.read(0, -1);
      rebuild(entries.with(index, entryAt(index).replace('released', 'created')));
      expect(await firstWrong()).toEqual({
        ...at(Math.floor(index / 100) * 100),
        before: Math.floor(index / 100) * 100 + 100,
        check: 'head',
      });
    },
  );

  test('a shorter log is truncated', async () => {
    rebuild(log.read(0, 1_050));
    const facts = { before: 1_100, check: 'truncated' };
    expect(await firstWrong()).toEqual({ ...at(1_000), ...facts });
  });

  test('heads of another owner, or of another key, do not stand in', async () => {
    const { identity: other } = createHeadSigner('west');
    const options = { database, auditLog: log, owner: 'west', clock };
    for (const wrong of [
      { ...options, identity: other },
      { ...options, identity, owner: 'east' },
    ]) {
      const found = createAuditHeads(wrong).verify(log.verify());
      await expect(found).rejects.toMatchObject({ code: 'ERR_AUDIT_HEAD_INVALID' });
    }
  });
});

describe('heads and proofs', () => {
  test('a head is signed when entries came, and only then', async () => {
    const before = await heads.newest();
    expect(await verifyAuditHead(before.jws, author)).toMatchObject({ size: ENTRIES });
    expect(await heads.newest()).toEqual(before);
    log.append({ event: 'key-deleted' });
    expect(await heads.newest()).toMatchObject({ size: ENTRIES + 1 });
  });

  test('many who wait at once share signatures', async () => {
    const many = Array.from({ length: 100 }, () => {
      const index = log.append({ event: 'key-released' });
      return heads.receipt(index);
    });
    const count = signed.length;
    const receipts = await Promise.all(many);
    expect(signed.length - count).toBeLessThanOrEqual(1);
    for (const [index, receipt] of receipts.entries()) {
      expect((await verifyReceipt(receipt, author)).index).toBe(ENTRIES + index);
    }
  });

  test('a signature that failed is made again for the next', async () => {
    let broken = true;
    const signAs: typeof identity.signAs = (typ, payload) =>
      broken ? Promise.reject(new Error('no signature')) : identity.signAs(typ, payload);
    const options = { database, auditLog: log, owner: 'west', clock };
    const failing = createAuditHeads({ ...options, identity: { ...identity, signAs } });
    log.append({ event: 'key-released' });
    const asked = [failing.newest(), failing.newest()];
    expect(await Promise.allSettled(asked)).toMatchObject([
      { status: 'rejected' },
      { status: 'rejected' },
    ]);
    broken = false;
    expect(await failing.newest()).toMatchObject({ size: ENTRIES + 1 });
  });

  test('proofs of the service convince whoever has the release key', async () => {
    const receipt = await heads.receipt(17);
    expect((await verifyReceipt(receipt, author)).entry['key']).toBe('key-17');
    const remembered = await verifyAuditHead(heads.read(299, 1)[0]?.jws ?? '', author);
    expect(remembered.size).toBe(300);
    const shown = await heads.consistency(300);
    expect(await verifyConsistency(shown, remembered, author)).toMatchObject({ size: ENTRIES });
  });

  test('what is not there has no proof', async () => {
    for (const asked of [
      () => heads.receipt(ENTRIES),
      () => heads.receipt(-1),
      () => heads.consistency(0),
      () => heads.consistency(ENTRIES + 1),
    ]) {
      await expect(asked()).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    }
  });
});
