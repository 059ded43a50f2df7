import assert from 'node:assert/strict';
import { sha256 } from './digest.ts';

/**
 * The Merkle tree of RFC 6962 §2.1 (the same in RFC 9162 §2.1): proofs that an entry is in a log,
 * and that a longer log begins with a shorter one. What is stored are the hashes of complete
 * subtrees: node (level, index) covers the 2^level leaves from index · 2^level on, and never
 * changes. Each append adds two of them on average.
 */
export type NodeAt = (level: number, index: number) => Uint8Array;

export interface MerkleNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([LEAF_PREFIX, entry]));
}

function parentHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([NODE_PREFIX, left, right]));
}

/** The nodes that leaf number `index`, the next one, completes: itself and perhaps some above. */
export function nodesCompletedBy(index: number, leaf: Uint8Array, nodeAt: NodeAt): MerkleNode[] {
  const nodes: MerkleNode[] = [{ level: 0, index, hash: leaf }];
  for (let node = nodes[0]; node && node.index % 2 === 1; ) {
    const hash = parentHash(nodeAt(node.level, node.index - 1), node.hash);
    node = { level: node.level + 1, index: (node.index - 1) / 2, hash };
    nodes.push(node);
  }
  return nodes;
}

/** MTH of the first `size` leaves. */
export function merkleRoot(size: number, nodeAt: NodeAt): Uint8Array {
  return size === 0 ? sha256(new Uint8Array(0)) : rangeHash(0, size, nodeAt);
}

/** The audit path of leaf `index` in the tree of `size` leaves: PATH of RFC 6962 §2.1.1. */
export function inclusionProof(index: number, size: number, nodeAt: NodeAt): Uint8Array[] {
  assert(index >= 0 && index < size, 'no such leaf in a tree of this size');
  const path: Uint8Array[] = [];
  for (let [begin, end] = [0, size]; end - begin > 1; ) {
    const middle = begin + splitOf(end - begin);
    const isLeft = index < middle;
    path.push(isLeft ? rangeHash(middle, end, nodeAt) : rangeHash(begin, middle, nodeAt));
    [begin, end] = isLeft ? [begin, middle] : [middle, end];
  }
  return path.reverse();
}

/** That the tree of `size` leaves begins with that of `first`: PROOF of RFC 6962 §2.1.2. */
export function consistencyProof(first: number, size: number, nodeAt: NodeAt): Uint8Array[] {
  assert(first > 0 && first <= size, 'no such tree inside of this one');
  const path: Uint8Array[] = [];
  let [begin, end] = [0, size];
  while (first !== end) {
    const middle = begin + splitOf(end - begin);
    const isLeft = first <= middle;
    path.push(isLeft ? rangeHash(middle, end, nodeAt) : rangeHash(begin, middle, nodeAt));
    [begin, end] = isLeft ? [begin, middle] : [middle, end];
  }
  // Whoever verifies knows the root of the first tree: it is left out where it is a whole subtree.
  if (begin > 0) path.push(rangeHash(begin, end, nodeAt));
  return path.reverse();
}

/** The largest power of two that is smaller than `count`. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

/** MTH of the leaves [begin, end), a range as the splits above make them. */
function rangeHash(begin: number, end: number, nodeAt: NodeAt): Uint8Array {
  const count = end - begin;
  const level = Math.log2(count);
  if (Number.isInteger(level)) return nodeAt(level, begin / count);
  const middle = begin + splitOf(count);
  return parentHash(rangeHash(begin, middle, nodeAt), rangeHash(middle, end, nodeAt));
}

export interface Inclusion {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** RFC 9162 §2.1.3.2. */
export function isIncluded({ leaf, index, size, proof, root }: Inclusion): boolean {
  if (!(index >= 0 && index < size)) return false;
  let hash = leaf;
  let [node, last] = [index, size - 1];
  for (const sibling of proof) {
    if (last === 0) return false;
    const isRight = node % 2 === 1 || node === last;
    hash = isRight ? parentHash(sibling, hash) : parentHash(hash, sibling);
    if (isRight) [node, last] = skipMissing(node, last);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && isEqual(hash, root);
}

export interface Consistency {
  readonly first: number;
  readonly firstRoot: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 §2.1.4.2; the empty tree is the beginning of none here: nobody signs one. */
export function isConsistent({ first, firstRoot, size, root, proof }: Consistency): boolean {
  if (!(first > 0 && first <= size)) return false;
  if (first === size) return proof.length === 0 && isEqual(firstRoot, root);
  const [start, ...path] = isPowerOfTwo(first) ? [firstRoot, ...proof] : proof;
  if (!start) return false;
  let [node, last] = [first - 1, size - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  let [firstHash, hash] = [start, start];
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      firstHash = parentHash(sibling, firstHash);
      hash = parentHash(sibling, hash);
      [node, last] = skipMissing(node, last);
    } else {
      hash = parentHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && isEqual(firstHash, firstRoot) && isEqual(hash, root);
}

/** Up past the levels at which the last node of a ragged tree has no sibling. */
function skipMissing(node: number, last: number): [number, number] {
  let [up, lastUp] = [node, last];
  while (up % 2 === 0 && up !== 0) [up, lastUp] = [half(up), half(lastUp)];
  return [up, lastUp];
}

/** Sizes may pass 2^32, which shifts of JavaScript do not. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
