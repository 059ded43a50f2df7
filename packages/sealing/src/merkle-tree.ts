import assert from 'node:assert/strict';
import { type NodeAt, nodesCompletedBy } from './merkle.ts';

/** A Merkle tree in memory: 64 bytes an entry, for whoever reads a whole log to check it. */
export interface MerkleTree {
  readonly size: number;
  readonly nodeAt: NodeAt;
  /** Takes the hash of the next leaf. */
  add(leaf: Uint8Array): void;
  /** A tree of its own, of the first `length` leaves. */
  prefix(length: number): MerkleTree;
}

const HASH_BYTES = 32;
const HASHES_AT_FIRST = 16;

export function createMerkleTree(): MerkleTree {
  return growFrom([], 0);
}

function growFrom(levels: Buffer[], first: number): MerkleTree {
  let size = first;
  const nodeAt: NodeAt = (level, index) => {
    const hashes = levels[level];
    assert(hashes && index < Math.floor(size / 2 ** level), 'no such node');
    return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  };
  return {
    nodeAt,
    get size() {
      return size;
    },
    add: (leaf) => {
      for (const { level, index, hash } of nodesCompletedBy(size, leaf, nodeAt)) {
        const place = index * HASH_BYTES;
        const room = levels[level] ?? Buffer.alloc(HASHES_AT_FIRST * HASH_BYTES);
        const enough = place < room.length ? room : Buffer.concat([room], room.length * 2);
        enough.set(hash, place);
        levels[level] = enough;
      }
      size += 1;
    },
    prefix: (length) => {
      assert(length <= size, 'no such tree inside of this one');
      const nodesOf = (level: number) => Math.floor(length / 2 ** level);
      const known = levels.map((room, level) => room.subarray(0, nodesOf(level) * HASH_BYTES));
      // Complete subtrees never change. A level without any is as one that was never begun.
      return growFrom(known.filter((hashes) => hashes.length > 0).map(copyOf), length);
    },
  };
}

function copyOf(hashes: Buffer): Buffer {
  return Buffer.concat([hashes], hashes.length + HASHES_AT_FIRST * HASH_BYTES);
}
