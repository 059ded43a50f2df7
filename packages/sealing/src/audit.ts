import {
  AUDIT_HEAD_JWS_TYPE,
  type AuditConsistency,
  AuditConsistencySchema,
  type AuditEntry,
  AuditEntrySchema,
  type AuditHead,
  AuditHeadSchema,
  AuditReceiptSchema,
} from '@strongroom/protocol/audit';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { type Contract, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { IssuerKey } from '@strongroom/protocol/public-key';
import { signerOf, verifyCompact } from './compact-jws.ts';
import { isConsistent, isIncluded, leafHash, merkleRoot } from './merkle.ts';
import { createMerkleTree, type MerkleTree } from './merkle-tree.ts';
import { parsePayload } from './payload.ts';

/** Checks what an owner's service says about its audit log: anybody can, without the service. */

export interface AuditAuthor {
  readonly owner: string;
  /** The one that the contract pins. */
  readonly releaseKey: IssuerKey;
}

const INVALID_HEAD = 'ERR_AUDIT_HEAD_INVALID';
const HEAD_CODES = {
  malformed: INVALID_HEAD,
  algorithm: INVALID_HEAD,
  signature: INVALID_HEAD,
} as const;

/** @throws ERR_AUDIT_HEAD_INVALID */
export async function verifyAuditHead(jws: string, author: AuditAuthor): Promise<AuditHead> {
  const { owner, releaseKey } = author;
  const expected = { typ: AUDIT_HEAD_JWS_TYPE, kid: owner, key: releaseKey };
  const head = parsePayload(
    await verifyCompact(jws, expected, HEAD_CODES),
    AuditHeadSchema,
    INVALID_HEAD,
  );
  if (head.owner !== owner) throw new StrongroomError(INVALID_HEAD, { expected: owner });
  return head;
}

export interface VerifiedReceipt {
  readonly index: number;
  readonly text: string;
  readonly entry: AuditEntry;
  readonly head: AuditHead;
  /** The head as it was signed. */
  readonly jws: string;
}

/** @throws ERR_RECEIPT_INVALID, ERR_AUDIT_HEAD_INVALID */
export async function verifyReceipt(value: unknown, author: AuditAuthor): Promise<VerifiedReceipt> {
  const parsed = AuditReceiptSchema.safeParse(value);
  if (!parsed.success) throw new StrongroomError('ERR_RECEIPT_INVALID', { check: 'shape' });
  const { index, entry: text, proof, head: jws } = parsed.data;
  const head = await verifyAuditHead(jws, author);
  const leaf = leafHash(new TextEncoder().encode(text));
  const { size } = head;
  if (!isIncluded({ leaf, index, size, proof: proof.map(bytesOf), root: bytesOf(head.root) })) {
    throw new StrongroomError('ERR_RECEIPT_INVALID', { check: 'inclusion', sequence: index });
  }
  const entry = readEntry(text, index);
  if (!entry) throw new StrongroomError('ERR_RECEIPT_INVALID', { check: 'entry', sequence: index });
  return { index, text, entry, head, jws };
}

/**
 * A receipt of any owner of a contract: the head names the owner, the contract its release key.
 * @throws ERR_RECEIPT_INVALID, ERR_AUDIT_HEAD_INVALID, ERR_PARTY_UNKNOWN
 */
export async function verifyContractReceipt(
  value: unknown,
  contract: Contract,
): Promise<VerifiedReceipt> {
  const owner = ownerOfReceipt(value);
  if (owner === undefined) throw new StrongroomError('ERR_RECEIPT_INVALID', { check: 'shape' });
  const { keyRelease } = partyOf(contract, owner);
  if (!keyRelease) throw new StrongroomError('ERR_RECEIPT_INVALID', { check: 'owner' });
  return verifyReceipt(value, { owner, releaseKey: keyRelease.releaseKey });
}

/** Whose log a receipt claims to be about, unverified; undefined for what is no receipt. */
export function ownerOfReceipt(value: unknown): string | undefined {
  const { head } = AuditReceiptSchema.safeParse(value).data ?? {};
  return head && signerOf(head.split('.')[0] ?? '');
}

/** What a head says, unverified; undefined for what is none. */
export function claimedHead(jws: string): AuditHead | undefined {
  const bytes = decodeBase64url(jws.split('.')[1] ?? '');
  try {
    return AuditHeadSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}

/**
 * That the log which a service shows now begins with the one of a head remembered from before.
 * @throws ERR_AUDIT_BROKEN, ERR_AUDIT_HEAD_INVALID
 */
export async function verifyConsistency(
  value: unknown,
  remembered: AuditHead,
  author: AuditAuthor,
): Promise<AuditHead> {
  const parsed = AuditConsistencySchema.safeParse(value);
  const head = parsed.success ? await verifyAuditHead(parsed.data.head, author) : undefined;
  if (!parsed.success || !head || !followsFrom(parsed.data, remembered, head)) {
    const facts = { check: 'consistency', remembered: remembered.size };
    throw new StrongroomError('ERR_AUDIT_BROKEN', facts);
  }
  return head;
}

function followsFrom({ first, proof }: AuditConsistency, before: AuditHead, head: AuditHead) {
  const roots = { firstRoot: bytesOf(before.root), root: bytesOf(head.root) };
  const hashes = proof.map(bytesOf);
  return first === before.size && isConsistent({ first, size: head.size, proof: hashes, ...roots });
}

/** Heads that were signed over a log, smallest first. */
export interface SignedHeads {
  readonly count: number;
  /** Verified; only those are asked for that decide. */
  at(index: number): Promise<AuditHead>;
}

/** The beginning of a log, read and found to fit the heads that end in it. */
export interface VerifiedBeginning {
  readonly tree: MerkleTree;
  readonly heads: number;
}

const ENTRIES_PER_STRETCH = 256;

/**
 * Reads a log stretch by stretch, each with the heads that end in it, so that finding the first bad
 * entry costs what lies before it and no more. Whoever has verified a beginning already goes on
 * from there, in its tree.
 * @returns how many entries the newest head covers, and the tree over all
 * @throws ERR_AUDIT_BROKEN as `readAuditLog` and `checkHeads` do
 */
export async function verifyAuditLog(
  entries: Iterable<string>,
  heads: SignedHeads,
  { tree, heads: fitting }: VerifiedBeginning = { tree: createMerkleTree(), heads: 0 },
): Promise<{ tree: MerkleTree; covered: number }> {
  let checked = fitting;
  for (const stretch of stretchesOf(entries)) {
    const malformed = readStretch(stretch, tree);
    const ended = await headsEndingBy(tree.size, checked, heads);
    // What was rewritten before a malformed entry is the first that is bad.
    if (ended > checked) await checkHeads(tree, { ...heads, count: ended }, checked);
    if (malformed) throw malformed;
    checked = ended;
  }
  return { tree, covered: await checkHeads(tree, heads, checked) };
}

function* stretchesOf(entries: Iterable<string>): Generator<string[]> {
  let stretch: string[] = [];
  for (const entry of entries) {
    if (stretch.push(entry) < ENTRIES_PER_STRETCH) continue;
    yield stretch;
    stretch = [];
  }
  yield stretch;
}

function readStretch(stretch: readonly string[], tree: MerkleTree): StrongroomError | undefined {
  try {
    readAuditLog(stretch, tree);
    return undefined;
  } catch (error) {
    if (error instanceof StrongroomError) return error;
    throw error;
  }
}

/** How many heads, of those behind the first `from`, are of `size` entries at most, and these. */
async function headsEndingBy(size: number, from: number, heads: SignedHeads): Promise<number> {
  // A service signs one head an entry at most: often that many, so the last of them is asked first.
  let [low, high] = [from, Math.min(heads.count, from + ENTRIES_PER_STRETCH)];
  if (low < high && (await heads.at(high - 1)).size <= size) return high;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await heads.at(middle)).size <= size) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The tree over a log whose entries are well formed and each in its place; `tree` holds those
 * before them.
 * @throws ERR_AUDIT_BROKEN with the first that is not
 */
export function readAuditLog(entries: Iterable<string>, tree = createMerkleTree()): MerkleTree {
  const utf8 = new TextEncoder();
  for (const text of entries) {
    if (!readEntry(text, tree.size)) throw brokenAt(tree.size, 'entry');
    tree.add(leafHash(utf8.encode(text)));
  }
  return tree;
}

function readEntry(text: string, sequence: number): AuditEntry | undefined {
  try {
    const parsed = AuditEntrySchema.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.sequence === sequence ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Compares a log with heads that were signed over it. A head that fits covers every entry before
 * its size: so the newest decides, and only when it does not fit the first bad one is searched for,
 * by halves, behind those `fitting` that are known to fit.
 * @returns how many entries the newest covers
 * @throws ERR_AUDIT_BROKEN: the first bad entry is `sequence`, or comes after it and lies before
 *   `before`, where the first head that does not fit ends; `truncated` when entries are missing
 */
export async function checkHeads(
  tree: MerkleTree,
  { count, at }: SignedHeads,
  fitting = 0,
): Promise<number> {
  if (count === 0) return 0;
  let bad = await at(count - 1);
  if (isHeadOf(tree, bad)) return bad.size;
  let covered = fitting === 0 ? 0 : (await at(fitting - 1)).size;
  for (let [low, high] = [fitting, count - 1]; low < high; ) {
    const middle = Math.floor((low + high) / 2);
    const head = await at(middle);
    if (isHeadOf(tree, head)) [low, covered] = [middle + 1, head.size];
    else [high, bad] = [middle, head];
  }
  throw brokenAt(covered, bad.size > tree.size ? 'truncated' : 'head', bad.size);
}

function isHeadOf(tree: MerkleTree, { size, root }: AuditHead): boolean {
  if (size > tree.size) return false;
  return Buffer.from(merkleRoot(size, tree.nodeAt)).toString('hex') === root;
}

export function brokenAt(sequence: number, check: string, before = sequence + 1): StrongroomError {
  return new StrongroomError('ERR_AUDIT_BROKEN', { sequence, before, check });
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}
