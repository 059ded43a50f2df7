import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AuditLog, createAuditLog } from '../audit/audit-log.ts';
import { openDatabase } from './database.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';

let folder: string;
let database: DatabaseSync;
let auditLog: AuditLog;
let groups: GroupCommit;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'group-commit-'));
  database = openDatabase(folder);
  auditLog = createAuditLog(database, systemClock);
  groups = createGroupCommit(database);
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const append = () => auditLog.append({ event: 'key-released' });
const isDurable = async (index: number) => {
  expect(database.isTransaction).toBe(false);
  return auditLog.read(index, 1).length === 1;
};

test('who comes while others are answered is written together, before the answer', async () => {
  const commits: number[] = [];
  const run = () =>
    groups.run(append, async (index) => {
      commits.push(auditLog.size());
      await new Promise(setImmediate);
      return isDurable(index);
    });
  const answers = await Promise.all([run(), run(), run(), run()]);
  expect(answers).toEqual([true, true, true, true]);
  // The first went alone and at once.
  expect(commits).toEqual([1, 4, 4, 4]);
  auditLog.verify();
});

test('who refuses after it has written leaves nothing, and stops nobody', async () => {
  const refuse = () => {
    append();
    throw new StrongroomError('ERR_POLICY_DENIED');
  };
  const outcomes = await Promise.all(
    [append, append, refuse, append].map((decide) =>
      groups.run(decide, isDurable).catch((error: unknown) => codeOf(error)),
    ),
  );
  expect(outcomes).toEqual([true, true, 'ERR_POLICY_DENIED', true]);
  expect(auditLog.size()).toBe(3);
  auditLog.verify();
});

test('a disk that is full answers nobody of a group, and the next when there is room', async () => {
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  const details = Array.from({ length: 16 }, () => 'x'.repeat(1_000));
  const large = () => auditLog.append({ event: 'release-refused', details });
  const run = (decide: () => number) =>
    groups.run(decide, isDurable).catch((error: unknown) => codeOf(error));
  const alone = await run(large);
  const full = await Promise.all([run(append), run(append), run(large), run(append)]);
  expect([alone, ...full.slice(1)]).toEqual(Array(4).fill('ERR_DISK_FULL'));
  const size = auditLog.size();
  database.exec('PRAGMA max_page_count = 1000000');
  expect(await run(large)).toBe(true);
  expect(auditLog.size()).toBe(size + 1);
  auditLog.verify();
});

test('an answer that fails fails alone', async () => {
  const fail = () => Promise.reject(new StrongroomError('ERR_AUDIT_BROKEN'));
  const outcomes = await Promise.all(
    [isDurable, fail, isDurable].map((answer) =>
      groups.run(append, answer).catch((error: unknown) => codeOf(error)),
    ),
  );
  expect(outcomes).toEqual([true, 'ERR_AUDIT_BROKEN', true]);
});
