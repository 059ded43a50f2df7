import type { DatabaseSync } from 'node:sqlite';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { ErrorCode } from '@strongroom/protocol/errors';
import type { Budget, Debit } from '@strongroom/protocol/ledger';
import type { Clock } from '@strongroom/runtime/clock';
import { brokenAt, readAuditLog } from '@strongroom/sealing/audit';
import {
  leafHash,
  type MerkleNode,
  type NodeAt,
  nodesCompletedBy,
} from '@strongroom/sealing/merkle';
import type { MerkleTree } from '@strongroom/sealing/merkle-tree';
import { z } from 'zod';
import { transaction } from '../storage/database.ts';

/**
 * Who asked for which key, and what came of it. Entries are only ever appended; they are the leaves
 * of a Merkle tree (RFC 6962) whose complete subtrees are kept beside them, so that an append and a
 * proof cost a handful of hashes, however long the log is.
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
    | 'contract-stored'
    | 'contract-superseded'
    | 'key-released'
    | 'release-refused'
    | 'budgets-set'
    | 'budget-debited'
    | 'lease-granted'
    | 'lease-ended'
    | 'contract-revoked';
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
  /** Of a lease, where the contract has slices. */
  readonly slice?: number;
  /** The amendment that this owner approved. */
  readonly successor?: string;
  readonly epoch?: number;
  /** Of the whole token, to find it again; the token itself is not kept. */
  readonly tokenSha256?: string;
  /** Of the transport key's modulus: to whom the answer was encrypted. */
  readonly transportKeySha256?: string;
  readonly budgets?: readonly Budget[];
  readonly debit?: Debit;
  /** The key that signs the results of a lease's holder. */
  readonly holder?: string;
}

export interface AuditLog {
  /**
   * Durable when it returns, or when the transaction around it commits.
   * @returns the entry's number, from 0
   */
  append(event: AuditEvent): number;
  size(): number;
  /** Canonical JSON, oldest first. */
  read(from: number, limit: number): string[];
  /** Every entry, oldest first. */
  all(): Iterable<string>;
  /** Hashes of complete subtrees. @throws ERR_AUDIT_BROKEN for one that should be there */
  readonly nodeAt: NodeAt;
  /** The tree, built anew from the entries. @throws ERR_AUDIT_BROKEN with the first wrong one */
  verify(): MerkleTree;
}

export function createAuditLog(database: DatabaseSync, clock: Clock): AuditLog {
  const insert = database.prepare('INSERT INTO audit_log (sequence, entry) VALUES (?, ?)');
  const newest = database.prepare('SELECT max(sequence) AS newest FROM audit_log');
  const page = database.prepare(
    'SELECT entry FROM audit_log WHERE sequence >= ? ORDER BY sequence LIMIT ?',
  );
  const nodes = nodeRows(database);
  const size = () => 1 + (NewestSchema.parse(newest.get()).newest ?? -1);
  const read = (from: number, limit: number) =>
    EntriesSchema.parse(page.all(from, limit)).map(({ entry }) => entry);
  return {
    size,
    read,
    all: () => entriesOf(read),
    nodeAt: nodes.at,
    append: (event) =>
      transaction(database, () => {
        const sequence = size();
        const bytes = canonicalBytes({ ...event, sequence, at: clock.now() });
        insert.run(sequence, new TextDecoder().decode(bytes));
        nodesCompletedBy(sequence, leafHash(bytes), nodes.at).forEach(nodes.insert);
        return sequence;
      }),
    verify: () => {
      const tree = readAuditLog(entriesOf(read));
      compareNodes(tree, nodes);
      return tree;
    },
  };
}

const ENTRIES_PER_PAGE = 1_000;

/** Every entry from the first on. */
function* entriesOf(read: AuditLog['read']): Generator<string> {
  for (let from = 0; ; from += ENTRIES_PER_PAGE) {
    const page = read(from, ENTRIES_PER_PAGE);
    yield* page;
    if (page.length < ENTRIES_PER_PAGE) return;
  }
}

/** Leaves first: an entry that was changed is named, not only its neighbourhood. */
function compareNodes({ size, nodeAt }: MerkleTree, nodes: NodeRows): void {
  for (let span = 1, level = 0; span <= size; span *= 2, level += 1) {
    for (let position = 0; (position + 1) * span <= size; position += 1) {
      if (Buffer.compare(nodeAt(level, position), nodes.at(level, position)) !== 0) {
        throw brokenAt(position * span, 'node');
      }
    }
    if (level === 0 && nodes.leaves() !== size) throw brokenAt(size, 'truncated');
  }
}

type NodeRows = ReturnType<typeof nodeRows>;

function nodeRows(database: DatabaseSync) {
  const insert = database.prepare(
    'INSERT INTO audit_nodes (level, position, hash) VALUES (?, ?, ?)',
  );
  const select = database.prepare('SELECT hash FROM audit_nodes WHERE level = ? AND position = ?');
  const leaves = database.prepare('SELECT count(*) AS leaves FROM audit_nodes WHERE level = 0');
  return {
    insert: ({ level, index, hash }: MerkleNode) => insert.run(level, index, hash),
    leaves: () => LeavesSchema.parse(leaves.get()).leaves,
    at: (level: number, index: number): Uint8Array => {
      const row = HashSchema.safeParse(select.get(level, index));
      if (!row.success) throw brokenAt(index * 2 ** level, 'node');
      return row.data.hash;
    },
  };
}

const NewestSchema = z.strictObject({ newest: z.int().nullable() });
const EntriesSchema = z.array(z.strictObject({ entry: z.string() }));
const LeavesSchema = z.strictObject({ leaves: z.int() });
const HashSchema = z.strictObject({ hash: z.instanceof(Uint8Array) });
