import type { AuditConsistency, AuditReceipt } from '@strongroom/protocol/audit';
import { StrongroomError } from '@strongroom/protocol/errors';
import { claimedHead, readAuditLog } from '@strongroom/sealing/audit';
import { consistencyProof, inclusionProof } from '@strongroom/sealing/merkle';
import type { AuditCopy } from './audit-copy.ts';

/** Proofs out of a copy: as the service itself would give them. */

/** @throws ERR_AUDIT_BROKEN when no head of the copy covers the entry */
export function proveEntry(copy: AuditCopy, index: number): AuditReceipt {
  const { nodeAt } = readAuditLog(copy.entries);
  const { head, size } = headAbove(copy, index);
  const proof = inclusionProof(index, size, nodeAt).map(hexOf);
  return { v: 1, index, entry: copy.entries[index] ?? '', proof, head };
}

/** @throws ERR_AUDIT_BROKEN when no head of the copy covers so many entries */
export function proveGrowth(copy: AuditCopy, first: number): AuditConsistency {
  const { nodeAt } = readAuditLog(copy.entries);
  const { head, size } = headAbove(copy, first - 1);
  if (first < 1) throw new StrongroomError('ERR_USAGE', { problem: '--since begins at 1' });
  return { v: 1, first, proof: consistencyProof(first, size, nodeAt).map(hexOf), head };
}

function headAbove({ heads, entries }: AuditCopy, index: number) {
  const head = heads.at(-1) ?? '';
  const size = claimedHead(head)?.size ?? 0;
  if (index < size && size <= entries.length) return { head, size };
  throw new StrongroomError('ERR_AUDIT_BROKEN', { sequence: index, check: 'unsigned' });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
