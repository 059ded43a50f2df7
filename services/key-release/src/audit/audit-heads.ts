import type { DatabaseSync } from 'node:sqlite';
import {
  AUDIT_HEAD_JWS_TYPE,
  type AuditConsistency,
  type AuditHead,
  AuditHeadSchema,
  type AuditReceipt,
} from '@strongroom/protocol/audit';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';
import { checkHeads, verifyAuditHead } from '@strongroom/sealing/audit';
import { consistencyProof, inclusionProof, merkleRoot } from '@strongroom/sealing/merkle';
import type { MerkleTree } from '@strongroom/sealing/merkle-tree';
import { z } from 'zod';
import type { ReleaseIdentity } from '../release-identity.ts';
import { transaction } from '../storage/database.ts';
import type { AuditLog } from './audit-log.ts';

/**
 * Heads of the audit log, signed with the release key that the contract pins. Whoever holds one can
 * tell a log that was rewritten, cut or forked; a worker gets one with each release and publishes
 * it, out of reach of whoever keeps this database.
 */
export interface AuditHeads {
  /** The newest head, signed now if entries came after the one before. */
  newest(): Promise<SignedHead>;
  /** @throws ERR_REQUEST_INVALID for an entry that is not there */
  receipt(index: number): Promise<AuditReceipt>;
  /** That the log began with its first entries. @throws ERR_REQUEST_INVALID */
  consistency(first: number): Promise<AuditConsistency>;
  /** Signed heads of more than `above` entries, smallest first. */
  read(above: number, limit: number): SignedHead[];
  /** @throws ERR_AUDIT_BROKEN, ERR_AUDIT_HEAD_INVALID when a head does not fit the log */
  verify(tree: MerkleTree): Promise<void>;
}

interface SignedHead {
  readonly size: number;
  readonly jws: string;
}

export interface AuditHeadsOptions {
  readonly database: DatabaseSync;
  readonly auditLog: AuditLog;
  readonly identity: ReleaseIdentity;
  readonly owner: string;
  readonly clock: Clock;
}

export function createAuditHeads(options: AuditHeadsOptions): AuditHeads {
  const { auditLog } = options;
  const { nodeAt } = auditLog;
  const rows = headRows(options.database);
  const newest = createSigner(rows, options);
  return {
    newest,
    read: rows.read,
    receipt: async (index) => {
      const [entry] = index < 0 ? [] : auditLog.read(index, 1);
      if (entry === undefined) throw outside('index', auditLog.size() - 1);
      const { size, jws: head } = await newest();
      return { v: 1, index, entry, proof: inclusionProof(index, size, nodeAt).map(hexOf), head };
    },
    consistency: async (first) => {
      const { size, jws: head } = await newest();
      if (first < 1 || first > size) throw outside('first', size);
      return { v: 1, first, proof: consistencyProof(first, size, nodeAt).map(hexOf), head };
    },
    verify: async (tree) => {
      const author = { owner: options.owner, releaseKey: options.identity.publicKey };
      const at = (index: number) => verifyAuditHead(rows.at(index), author);
      await checkHeads(tree, { count: rows.count(), at });
    },
  };
}

/** One signature at a time: under load a head covers the entries of all who wait for one. */
function createSigner(
  rows: HeadRows,
  { auditLog, identity, owner, clock }: AuditHeadsOptions,
): () => Promise<SignedHead> {
  let signing: Promise<unknown> | undefined;
  const sign = async (): Promise<SignedHead> => {
    const size = auditLog.size();
    const root = hexOf(merkleRoot(size, auditLog.nodeAt));
    const head: AuditHead = AuditHeadSchema.parse({ v: 1, owner, size, root, at: clock.now() });
    const jws = await identity.signAs(AUDIT_HEAD_JWS_TYPE, head);
    rows.insert(size, jws);
    return { size, jws };
  };
  return async function newest(): Promise<SignedHead> {
    const size = auditLog.size();
    for (;;) {
      const known = rows.newest();
      if (known && known.size >= size) return known;
      if (signing) await signing.catch(() => undefined);
      else {
        const signed = sign();
        signing = signed;
        return await signed.finally(() => {
          signing = undefined;
        });
      }
    }
  };
}

type HeadRows = ReturnType<typeof headRows>;

const CountSchema = z.strictObject({ count: z.int() });
const HeadsSchema = z.array(z.strictObject({ size: z.int(), jws: z.string() }));

function headRows(database: DatabaseSync) {
  const insert = database.prepare('INSERT OR IGNORE INTO audit_heads (size, jws) VALUES (?, ?)');
  const newest = database.prepare('SELECT size, jws FROM audit_heads ORDER BY size DESC LIMIT 1');
  const count = database.prepare('SELECT count(*) AS count FROM audit_heads');
  const place = database.prepare(
    'SELECT size, jws FROM audit_heads ORDER BY size LIMIT 1 OFFSET ?',
  );
  const page = database.prepare(
    'SELECT size, jws FROM audit_heads WHERE size > ? ORDER BY size LIMIT ?',
  );
  return {
    insert: (size: number, jws: string) => transaction(database, () => insert.run(size, jws)),
    newest: (): SignedHead | undefined => HeadsSchema.parse(newest.all())[0],
    count: () => CountSchema.parse(count.get()).count,
    at: (index: number): string => HeadsSchema.parse(place.all(index))[0]?.jws ?? '',
    read: (above: number, limit: number): SignedHead[] => HeadsSchema.parse(page.all(above, limit)),
  };
}

function outside(member: string, limit: number): StrongroomError {
  return new StrongroomError('ERR_REQUEST_INVALID', { member, expected: `${limit} at most` });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
