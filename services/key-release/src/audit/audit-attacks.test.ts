import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditHead } from '@strongroom/protocol/audit';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { type VerifiedBeginning, verifyAuditHead, verifyAuditLog } from '@strongroom/sealing/audit';
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
/** Of so many attacked logs one is read from its first entry on. */
const EVERY_WHOLE = 100;
const LONG_MS = 3_600_000;

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

/** The heads are the same under every attack: each is verified once. */
const verified = new Map<number, Promise<AuditHead>>();
function headAt(index: number): Promise<AuditHead> {
  const head = verified.get(index) ?? verifyAuditHead(signedHeads[index] ?? '', author);
  verified.set(index, head);
  return head;
}

/** What the verifier says: its code, and the first entry that it does not believe. */
async function verdictOn(log: readonly string[], from?: VerifiedBeginning): Promise<unknown[]> {
  try {
    const heads = { count: signedHeads.length, at: headAt };
    await verifyAuditLog(log.slice(from?.heads ?? 0), heads, from);
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

  /**
   * What lies before the attacked entry is as it was, byte for byte: the verifier goes on from
   * where it had found that good. Some logs it reads as a whole.
   */
  const each = async (attack: (index: number) => readonly string[]) => {
    const { tree } = await verifyAuditLog(entries, { count: signedHeads.length, at: headAt });
    for (let index = 0; index < ENTRIES; index += 1) {
      const log = attack(index);
      const from = { tree: tree.prefix(index), heads: index };
      const found = index % EVERY_WHOLE === 0 ? await verdictOn(log) : await verdictOn(log, from);
      expect(found).toEqual(['ERR_AUDIT_BROKEN', index]);
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
