import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditHead } from '@strongroom/protocol/audit';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { checkHeads, readAuditLog, verifyAuditHead } from '@strongroom/sealing/audit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHeadSigner } from '../../test/audit.ts';
import { openDatabase } from '../storage/database.ts';
import { createAuditHeads } from './audit-heads.ts';
import { createAuditLog } from './audit-log.ts';

/**
 * A log with a head for each entry, as a service makes it, in the hands of somebody who can hash
 * everything anew but cannot sign: each entry is rewritten, left out and cut off, and each time the
 * verifier has to name it. All of 10,000 in a long run, some of a shorter log otherwise.
 */
const LONG = process.env['STRONGROOM_LONG'] === '1';
const ENTRIES = LONG ? 10_000 : 400;
const LONG_MS = 6 * 3_600_000;

const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
const { identity, author } = createHeadSigner('west');
let folder: string;
let entries: string[];
let signedHeads: string[];
/** The entries behind a missing one, as if it had never been there. */
let moved: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'audit-attacks-'));
  const database = openDatabase(folder);
  const log = createAuditLog(database, clock);
  const heads = createAuditHeads({ database, auditLog: log, identity, owner: 'west', clock });
  for (let index = 0; index < ENTRIES; index += 1) {
    log.append({ event: 'key-released', key: `key-${index}` });
    await heads.newest();
  }
  entries = log.read(0, ENTRIES);
  signedHeads = heads.read(0, ENTRIES).map(({ jws }) => jws);
  moved = entries.slice(1).map((entry, index) => renumbered(entry, index));
  database.close();
}, LONG_MS);
afterAll(() => rmSync(folder, { recursive: true }));

function renumbered(entry: string, sequence: number): string {
  return entry.replace(/"sequence":\d+/, `"sequence":${sequence}`);
}

const headAt = (index: number): Promise<AuditHead> =>
  verifyAuditHead(signedHeads[index] ?? '', author);

/** What the verifier says: its code, and the first entry that it does not believe. */
async function verdictOn(log: readonly string[]): Promise<unknown[]> {
  try {
    await checkHeads(readAuditLog(log), signedHeads.length, headAt);
    return ['whole'];
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return [codeOf(error), error.facts['sequence']];
  }
}

describe(`each of ${ENTRIES} entries`, () => {
  test('is in a whole log', async () => {
    expect(signedHeads).toHaveLength(ENTRIES);
    expect(await verdictOn(entries)).toEqual(['whole']);
  });

  const each = async (attack: (index: number) => readonly string[]) => {
    for (let index = 0; index < ENTRIES; index += 1) {
      expect(await verdictOn(attack(index))).toEqual(['ERR_AUDIT_BROKEN', index]);
    }
  };
  test('is named when it was rewritten', { timeout: LONG_MS }, () =>
    each((index) => entries.with(index, (entries[index] ?? '').replace('"key-', '"kez-'))),
  );
  test('is named when it was left out and the rest moved up', { timeout: LONG_MS }, () =>
    each((index) => [...entries.slice(0, index), ...moved.slice(index)]),
  );
  test('is named when the log was cut off before it', { timeout: LONG_MS }, () =>
    each((index) => entries.slice(0, index)),
  );
});
