import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type AuditAuthor,
  brokenAt,
  checkHeads,
  ownerOfReceipt,
  type SignedHeads,
  type VerifiedReceipt,
  verifyAuditHead,
  verifyAuditLog,
  verifyReceipt,
} from '@strongroom/sealing/audit';
import type { AuditCopy } from './audit-copy.ts';

export interface AuditVerdict {
  readonly owner: string;
  readonly entries: number;
  /** Merkle root over all of them. */
  readonly root: string;
  /** When the newest head was signed. */
  readonly signedAt: number;
  /** Receipts of this owner that were compared. */
  readonly receipts: number;
}

/** What somebody kept from earlier, out of reach of whoever keeps the log. */
export interface Remembered {
  /** A signed head. */
  readonly head?: string;
  /** A whole copy. */
  readonly copy?: AuditCopy;
  readonly receipts: readonly unknown[];
}

/**
 * Everything that can be said about a log without its keeper. Each entry is in its place, a signed
 * head covers all of them, and what was kept from earlier is in it.
 * @throws ERR_AUDIT_BROKEN with the first entry that is not as it was; ERR_AUDIT_HEAD_INVALID,
 *   ERR_RECEIPT_INVALID for what is not by the author
 */
export async function verifyAuditCopy(
  copy: AuditCopy,
  author: AuditAuthor,
  remembered: Remembered,
  onEntry: () => void = () => undefined,
): Promise<AuditVerdict> {
  if (copy.owner !== author.owner) {
    throw new StrongroomError('ERR_AUDIT_HEAD_INVALID', { expected: author.owner });
  }
  const receipts = await ownReceipts(author, remembered.receipts);
  const kept = [...receipts.map(({ jws }) => jws), ...(remembered.head ? [remembered.head] : [])];
  const found = await Promise.all([
    findingOf(() => compareEntries(copy, remembered.copy?.entries ?? [])),
    findingOf(() => compareReceipts(copy, receipts)),
    findingOf(() => compareHeads(copy, author, kept, onEntry)),
  ]);
  const findings = found.filter((each) => each !== undefined);
  if (findings.length > 0) throw firstOf(findings);
  const head = await verifyAuditHead(copy.heads.at(-1) ?? '', author);
  return {
    ...{ owner: copy.owner, entries: head.size, root: head.root, signedAt: head.at },
    receipts: receipts.length,
  };
}

/** A bad entry lies at `sequence` or behind it, and before `before`. */
interface Finding {
  readonly sequence: number;
  readonly before: number;
  readonly check: string;
}

async function findingOf(check: () => unknown): Promise<Finding | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code !== 'ERR_AUDIT_BROKEN') throw error;
    const { sequence, before, check: name } = error.facts;
    return { sequence: Number(sequence), before: Number(before), check: String(name) };
  }
}

/** Of several that are right, what they say together about the first bad entry. */
function firstOf(findings: readonly Finding[]): StrongroomError {
  const before = Math.min(...findings.map((finding) => finding.before));
  const known = findings.filter(({ sequence }) => sequence < before);
  const [first, ...others] = known.toSorted((left, right) => right.sequence - left.sequence);
  const shown = others.find((finding) => finding.check === 'head') ?? first;
  return brokenAt(first?.sequence ?? 0, shown?.check ?? '', before);
}

/** The log as it was: it may only have grown. */
function compareEntries({ entries }: AuditCopy, earlier: readonly string[]): void {
  for (const [index, entry] of earlier.entries()) {
    if (index >= entries.length) throw brokenAt(index, 'truncated', earlier.length);
    if (entries[index] !== entry) throw brokenAt(index, 'rewritten');
  }
}

/** A file of receipts may hold those of other owners of the contract: they are not this log's. */
async function ownReceipts(
  author: AuditAuthor,
  receipts: readonly unknown[],
): Promise<VerifiedReceipt[]> {
  const own = receipts.filter((receipt) => ownerOfReceipt(receipt) === author.owner);
  const verified = await Promise.all(own.map((receipt) => verifyReceipt(receipt, author)));
  return verified.toSorted((left, right) => left.index - right.index);
}

function compareReceipts({ entries }: AuditCopy, receipts: readonly VerifiedReceipt[]): void {
  for (const { index, text } of receipts) {
    if (index >= entries.length) throw brokenAt(entries.length, 'truncated', index + 1);
    if (entries[index] !== text) throw brokenAt(index, 'rewritten');
  }
}

/** The log's own heads, of which the newest covers everything, and those that were kept. */
async function compareHeads(
  { entries, heads }: AuditCopy,
  author: AuditAuthor,
  kept: readonly string[],
  onEntry: () => void,
): Promise<void> {
  const signed = (list: readonly string[]): SignedHeads => ({
    count: list.length,
    at: (index) => verifyAuditHead(list[index] ?? '', author),
  });
  const { tree, covered } = await verifyAuditLog(told(entries, onEntry), signed(heads));
  for (const head of kept) await checkHeads(tree, signed([head]));
  // Whoever may leave heads out could hide what they would show.
  if (covered < tree.size) throw brokenAt(covered, 'unsigned', tree.size);
}

function* told(entries: readonly string[], onEntry: () => void): Generator<string> {
  for (const entry of entries) {
    yield entry;
    onEntry();
  }
}
