import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  consistencyProof,
  inclusionProof,
  isConsistent,
  isIncluded,
  leafHash,
  merkleRoot,
  type NodeAt,
  nodesCompletedBy,
} from './merkle.ts';

/**
 * The definitions of RFC 6962 §2.1 to §2.1.2, word for word and as slow as they are: lists are
 * split and hashed anew each time.
 */
const sha256 = (...parts: Uint8Array[]) =>
  createHash('sha256').update(Buffer.concat(parts)).digest();
const splitPoint = (n: number) => 2 ** (Math.ceil(Math.log2(n)) - 1);

function MTH(list: readonly Uint8Array[]): Buffer {
  const [only] = list;
  if (only === undefined) return sha256();
  if (list.length === 1) return sha256(Buffer.of(0), only);
  const k = splitPoint(list.length);
  return sha256(Buffer.of(1), MTH(list.slice(0, k)), MTH(list.slice(k)));
}

function PATH(m: number, list: readonly Uint8Array[]): Buffer[] {
  if (list.length === 1) return [];
  const k = splitPoint(list.length);
  return m < k
    ? [...PATH(m, list.slice(0, k)), MTH(list.slice(k))]
    : [...PATH(m - k, list.slice(k)), MTH(list.slice(0, k))];
}

function SUBPROOF(m: number, list: readonly Uint8Array[], whole: boolean): Buffer[] {
  if (m === list.length) return whole ? [] : [MTH(list)];
  const k = splitPoint(list.length);
  return m <= k
    ? [...SUBPROOF(m, list.slice(0, k), whole), MTH(list.slice(k))]
    : [...SUBPROOF(m - k, list.slice(k), false), MTH(list.slice(0, k))];
}

function treeOf(entries: readonly Uint8Array[]): NodeAt {
  const nodes = new Map<string, Uint8Array>();
  const nodeAt: NodeAt = (level, index) => {
    const found = nodes.get(`${level}.${index}`);
    if (!found) throw new Error(`node ${level}.${index} is asked for before it is complete`);
    return found;
  };
  entries.forEach((entry, at) => {
    for (const { level, index, hash } of nodesCompletedBy(at, leafHash(entry), nodeAt)) {
      if (nodes.has(`${level}.${index}`)) throw new Error('a node changed');
      nodes.set(`${level}.${index}`, hash);
    }
  });
  return nodeAt;
}

const SIZE = 200;
const entries = Array.from({ length: SIZE }, (_, index) => Buffer.from(`entry ${index}`));
const nodeAt = treeOf(entries);
const roots = Array.from({ length: SIZE + 1 }, (_, size) => MTH(entries.slice(0, size)));
const rootOf = (size: number) => roots[size] ?? Buffer.alloc(0);
const leafOf = (index: number) => leafHash(entries[index] ?? Buffer.alloc(0));

describe('values that RFC 6962 implies', () => {
  test('the empty tree, one leaf, two leaves', () => {
    expect(Buffer.from(merkleRoot(0, nodeAt)).toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    // SHA-256 of the one byte 0x00: a leaf of no bytes.
    expect(Buffer.from(leafHash(new Uint8Array(0))).toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const [left, right] = [Buffer.from('L'), Buffer.from('R')];
    const both = sha256(Buffer.of(1), sha256(Buffer.of(0), left), sha256(Buffer.of(0), right));
    expect(Buffer.from(merkleRoot(2, treeOf([left, right])))).toEqual(both);
  });

  // The eight inputs and their roots that implementations of Certificate Transparency share.
  test.each([
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
    [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
  ])('the known root of %i leaves', (size, root) => {
    const known = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'];
    const inputs = [...known, '606162636465666768696a6b6c6d6e6f'].map((hex) =>
      Buffer.from(hex, 'hex'),
    );
    expect(Buffer.from(merkleRoot(size, treeOf(inputs))).toString('hex')).toBe(root);
  });
});

describe(`every tree of up to ${SIZE} leaves`, () => {
  test('has the root of the definition', () => {
    for (let size = 0; size <= SIZE; size += 1) {
      expect(Buffer.from(merkleRoot(size, nodeAt))).toEqual(rootOf(size));
    }
  });

  test('has the inclusion proofs of the definition, and they verify', () => {
    for (let size = 1; size <= SIZE; size += 1) {
      const root = rootOf(size);
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(index, size, nodeAt);
        if (size % 7 === 0) {
          expect(proof.map((hash) => Buffer.from(hash))).toEqual(
            PATH(index, entries.slice(0, size)),
          );
        }
        const held = { leaf: leafOf(index), index, size, proof, root };
        if (!isIncluded(held)) expect.fail(`leaf ${index} of ${size}`);
        // Of the true tree, but not of this place.
        if (size > 1 && isIncluded({ ...held, index: (index + 1) % size })) {
          expect.fail(`leaf ${index} of ${size} at another place`);
        }
      }
    }
  });

  test('has the consistency proofs of the definition, and they verify', () => {
    for (let size = 1; size <= SIZE; size += 1) {
      for (let first = 1; first <= size; first += 1) {
        const proof = consistencyProof(first, size, nodeAt);
        if (size % 7 === 0) {
          const defined = SUBPROOF(first, entries.slice(0, size), true);
          expect(proof.map((hash) => Buffer.from(hash))).toEqual(defined);
        }
        const held = { first, firstRoot: rootOf(first), size, root: rootOf(size), proof };
        if (!isConsistent(held)) expect.fail(`${first} of ${size}`);
        const other = rootOf(first === 1 ? 2 : first - 1);
        if (isConsistent({ ...held, firstRoot: other })) expect.fail(`${first} of ${size}, forged`);
      }
    }
  });
});

const bytes = fc.uint8Array({ maxLength: 40 });
/** A change of a proof that has to be noticed. */
function changed(proof: readonly Uint8Array[], how: number, at: number): Uint8Array[] {
  const place = proof.length === 0 ? 0 : at % proof.length;
  const here = proof[place] ?? Buffer.alloc(32);
  if (how === 0) return proof.filter((_, index) => index !== place);
  if (how === 1) return [...proof.slice(0, place), here, ...proof.slice(place)];
  if (how === 2) return [...proof, Buffer.alloc(32)];
  return proof.map((hash, index) => (index === place ? here.map((byte) => byte ^ 1) : hash));
}

describe('larger trees, at random', () => {
  test('both proofs verify and no change of them does', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 2, maxLength: 3_000, size: 'max' }),
        ...([fc.nat(), fc.nat(), fc.nat(3), fc.nat()] as const),
        (list, seedIndex, seedFirst, how, at) => {
          const tree = treeOf(list);
          const size = list.length;
          const root = MTH(list);
          const [index, first] = [seedIndex % size, 1 + (seedFirst % (size - 1))];
          const leaf = leafHash(list[index] ?? Buffer.alloc(0));
          const path = inclusionProof(index, size, tree);
          expect(isIncluded({ leaf, index, size, proof: path, root })).toBe(true);
          const forged = { leaf, index, size, proof: changed(path, how, at), root };
          expect(isIncluded(forged)).toBe(false);
          const proof = consistencyProof(first, size, tree);
          const held = { first, firstRoot: MTH(list.slice(0, first)), size, root, proof };
          expect(isConsistent(held)).toBe(true);
          expect(isConsistent({ ...held, proof: changed(proof, how, at) })).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('places and sizes outside of the tree are refused', () => {
    const proof = inclusionProof(3, SIZE, nodeAt);
    const held = { leaf: leafOf(3), index: 3, size: SIZE, proof, root: rootOf(SIZE) };
    for (const index of [-1, SIZE, 3 + 2 ** 32, Number.NaN]) {
      expect(isIncluded({ ...held, index })).toBe(false);
      expect(() => inclusionProof(index, SIZE, nodeAt)).toThrow('no such');
    }
    const roots = { firstRoot: rootOf(5), root: rootOf(SIZE) };
    for (const first of [0, -5, SIZE + 1, Number.NaN]) {
      expect(isConsistent({ first, size: SIZE, proof, ...roots })).toBe(false);
      expect(() => consistencyProof(first, SIZE, nodeAt)).toThrow('no such');
    }
  });
});
