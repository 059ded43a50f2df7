import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';
import { z } from 'zod';
import { transaction } from './database.ts';

/**
 * Who asked for which key, and what came of it. Entries are only ever appended; each is hashed
 * together with the hash before it:
 *
 *   hash(n) = SHA-256( hash(n - 1) ‖ canonical JSON of entry n )     hash(0) = SHA-256( genesis )
 *
 * An entry is on the disk before its effect leaves the service: a key operation and its entry are
 * one transaction, a release is answered after its entry was committed.
 */
export interface AuditEvent {
  readonly event:
    | 'service-created'
    | 'key-created'
    | 'key-imported'
    | 'key-updated'
    | 'key-rotated'
    | 'key-deleted'
    | 'key-recovered'
    | 'key-purged'
    | 'key-backed-up'
    | 'key-restored'
    | 'rotation-policy-set'
    | 'master-key-rotated'
    | 'random-read'
    | 'keys-read'
    | 'request-refused'
    | 'key-released'
    | 'release-refused';
  /** Who asked, as the configuration names the caller. */
  readonly caller?: string;
  /** The route's pattern, of what is no operation on a key. */
  readonly route?: string;
  /** One entry for so many like it, where there were too many at once. */
  readonly count?: number;
  readonly key?: string;
  readonly version?: string;
  readonly code?: ErrorCode;
  /** Unmet conditions of the policy, or the members that an update changed. */
  readonly details?: readonly string[];
  readonly policySha256?: string;
  readonly authority?: string;
  readonly platform?: string;
  readonly measurement?: string;
  readonly contract?: string;
  /** Of the whole token, to find it again; the token itself is not kept. */
  readonly tokenSha256?: string;
  /** Of the transport key's modulus: to whom the answer was encrypted. */
  readonly transportKeySha256?: string;
}

interface AuditEntry {
  readonly sequence: number;
  readonly entry: string;
  readonly hash: string;
}

interface AuditHead {
  readonly entries: number;
  readonly hash: string;
}

export interface AuditLog {
  /** Durable when it returns, or when the transaction around it commits. */
  append(event: AuditEvent): void;
  head(): AuditHead;
  /** @throws ERR_AUDIT_BROKEN with the first sequence number that is wrong */
  verify(): AuditHead;
  read(from: number, limit: number): AuditEntry[];
}

const rowSchema = z.strictObject({
  sequence: z.int(),
  entry: z.string(),
  hash: z.string(),
});
const headSchema = z.strictObject({ entries: z.int(), hash: z.string() });

export function createAuditLog(database: DatabaseSync, owner: string, clock: Clock): AuditLog {
  const insert = database.prepare('INSERT INTO audit_log (sequence, entry, hash) VALUES (?, ?, ?)');
  const setHead = database.prepare(
    'INSERT OR REPLACE INTO audit_head (id, entries, hash) VALUES (1, ?, ?)',
  );
  const getHead = database.prepare('SELECT entries, hash FROM audit_head WHERE id = 1');
  const page = database.prepare(
    'SELECT sequence, entry, hash FROM audit_log WHERE sequence >= ? ORDER BY sequence LIMIT ?',
  );
  const genesis = sha256(`strongroom/audit/v1 ${owner}`);

  const head = (): AuditHead =>
    headSchema.optional().parse(getHead.get()) ?? { entries: 0, hash: genesis };
  const read = (from: number, limit: number) => rowSchema.array().parse(page.all(from, limit));
  return {
    head,
    read,
    append: (event) =>
      transaction(database, () => {
        const { entries, hash } = head();
        const entry = canonicalText({ ...event, sequence: entries, at: clock.now() });
        const next = chained(hash, entry);
        insert.run(entries, entry, next);
        setHead.run(entries + 1, next);
      }),
    verify: () => verifyChain(read, head(), genesis),
  };
}

const ENTRIES_PER_PAGE = 1_000;

function verifyChain(read: AuditLog['read'], head: AuditHead, genesis: string): AuditHead {
  let hash = genesis;
  let sequence = 0;
  for (let page = read(0, ENTRIES_PER_PAGE); page.length > 0; ) {
    for (const row of page) {
      hash = chained(hash, row.entry);
      if (row.sequence !== sequence || row.hash !== hash)
        throw new StrongroomError('ERR_AUDIT_BROKEN', { sequence });
      sequence += 1;
    }
    page = read(sequence, ENTRIES_PER_PAGE);
  }
  if (sequence !== head.entries || hash !== head.hash) {
    throw new StrongroomError('ERR_AUDIT_BROKEN', { sequence });
  }
  return head;
}

function chained(previous: string, entry: string): string {
  return createHash('sha256').update(Buffer.from(previous, 'hex')).update(entry).digest('hex');
}

function canonicalText(value: object): string {
  return new TextDecoder().decode(canonicalBytes(value));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
