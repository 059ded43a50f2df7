import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import type { AuditHead } from '@strongroom/protocol/audit';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { RsaKeySchema } from '@strongroom/protocol/public-key';
import { describe, expect, test } from 'vitest';
import {
  checkHeads,
  readAuditLog,
  type SignedHeads,
  verifyAuditHead,
  verifyAuditLog,
  verifyConsistency,
  verifyReceipt,
} from './audit.ts';
import { consistencyProof, inclusionProof, merkleRoot } from './merkle.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3_072 });
const { kty, n, e } = publicKey.export({ format: 'jwk' });
const author = { owner: 'west', releaseKey: RsaKeySchema.parse({ kty, n, e }) };

const COUNT = 60;
const entryOf = (sequence: number, key = `key-${sequence}`) =>
  text({ at: 1_700_000_000_000 + sequence, event: 'key-released', key, sequence });
const entries = Array.from({ length: COUNT }, (_, index) => entryOf(index));
const tree = readAuditLog(entries);

function text(value: object): string {
  return new TextDecoder().decode(canonicalBytes(value));
}
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function headAt(size: number, changes: Partial<AuditHead> = {}, of = tree): AuditHead {
  const root = hex(merkleRoot(size, of.nodeAt));
  return {
    v: 1,
    owner: PartyIdSchema.parse('west'),
    size,
    root,
    at: 1_700_000_000_000,
    ...changes,
  };
}

const TYP = 'strongroom-audit-head+jws';
function signed(payload: object, header: object = {}, key = privateKey): string {
  const part = (value: object) => Buffer.from(canonicalBytes(value)).toString('base64url');
  const input = `${part({ alg: 'RS256', kid: 'west', typ: TYP, ...header })}.${part(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

function receiptOf(index: number, size: number) {
  const proof = inclusionProof(index, size, tree.nodeAt).map(hex);
  return { v: 1, index, entry: entries[index] ?? '', proof, head: signed(headAt(size)) };
}

const codeFrom = async (promise: Promise<unknown>) => promise.then(() => 'accepted', codeOf);
async function brokenBy(act: () => unknown): Promise<unknown> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StrongroomError) return [error.code, error.facts];
    throw error;
  }
}

describe('a signed head', () => {
  test('is believed when the pinned key signed it', async () => {
    expect(await verifyAuditHead(signed(headAt(COUNT)), author)).toEqual(headAt(COUNT));
  });

  const other = generateKeyPairSync('rsa', { modulusLength: 3_072 }).privateKey;
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  test.each<[string, string]>([
    ['another key', signed(headAt(3), {}, other)],
    ['a key of another kind', signed(headAt(3), { alg: 'ES256' }, elliptic)],
    ['no algorithm', signed(headAt(3), { alg: 'none' })],
    ['a release of the same key', signed(headAt(3), { typ: 'JWT' })],
    ['another owner in the header', signed(headAt(3), { kid: 'east' })],
    ['another owner inside', signed(headAt(3, { owner: PartyIdSchema.parse('east') }))],
    ['an unknown member', signed({ ...headAt(3), more: 1 })],
    ['an empty log', signed({ ...headAt(3), size: 0 })],
    ['a key of its own', signed(headAt(3), { jwk: author.releaseKey })],
    ['no JWS', 'x.y'],
  ])('is refused: %s', async (_name, jws) => {
    expect(await codeFrom(verifyAuditHead(jws, author))).toBe('ERR_AUDIT_HEAD_INVALID');
  });
});

describe('a receipt', () => {
  test.each([0, 1, 31, 32, 58])('proves entry %i', async (index) => {
    for (const size of [index + 1, COUNT]) {
      const receipt = await verifyReceipt(receiptOf(index, size), author);
      expect(receipt).toMatchObject({ index, entry: { key: `key-${index}` }, head: { size } });
    }
  });

  const good = receiptOf(7, COUNT);
  test.each<[string, unknown]>([
    ['another entry', { ...good, entry: entryOf(7, 'other') }],
    ['another place', { ...good, index: 8 }],
    ['a proof of another entry', { ...good, proof: receiptOf(8, COUNT).proof }],
    ['a shorter proof', { ...good, proof: good.proof.slice(1) }],
    ['a head of another size', { ...good, head: signed(headAt(COUNT - 1)) }],
    ['an unknown member', { ...good, more: 1 }],
    ['a long proof', { ...good, proof: Array.from({ length: 50 }, () => '0'.repeat(64)) }],
    ['nothing', null],
  ])('is refused: %s', async (_name, receipt) => {
    expect(await codeFrom(verifyReceipt(receipt, author))).toBe('ERR_RECEIPT_INVALID');
  });

  test('an entry of the tree that names another place is none', async () => {
    const wrong = [...entries.slice(0, 3), entryOf(9)];
    expect(await brokenBy(() => readAuditLog(wrong))).toEqual([
      'ERR_AUDIT_BROKEN',
      { sequence: 3, before: 4, check: 'entry' },
    ]);
  });
});

describe('consistency with a head from before', () => {
  const before = headAt(20);
  const answer = (first: number, size: number) => ({
    ...{ v: 1, first, head: signed(headAt(size)) },
    proof: consistencyProof(first, size, tree.nodeAt).map(hex),
  });

  test('holds for the same log, longer or not', async () => {
    expect(await verifyConsistency(answer(20, COUNT), before, author)).toEqual(headAt(COUNT));
    expect(await verifyConsistency(answer(20, 20), before, author)).toEqual(before);
  });

  test('does not hold for another one, a shorter one, or another question', async () => {
    const forked = headAt(20, { root: hex(merkleRoot(19, tree.nodeAt)) });
    for (const [shown, remembered] of [
      [answer(20, COUNT), forked],
      [answer(19, COUNT), before],
      [{ ...answer(20, 20), head: signed(headAt(19)) }, before],
      [{ ...answer(20, COUNT), proof: [] }, before],
    ] as const) {
      expect(await codeFrom(verifyConsistency(shown, remembered, author))).toBe('ERR_AUDIT_BROKEN');
    }
  });
});

function signedHeads(list: readonly AuditHead[]): SignedHeads {
  return {
    count: list.length,
    at: async (index) => list[index] ?? expect.fail('no such head'),
  };
}

describe('a whole log against the heads that were signed over it', () => {
  const sizes = [10, 20, 40];
  const heads = sizes.map((size) => headAt(size));
  const check = (log: typeof tree, list = heads) =>
    brokenBy(() => checkHeads(log, signedHeads(list)));

  test('is covered as far as the newest of them', async () => {
    expect(await check(tree)).toBe(40);
    expect(await check(tree, [])).toBe(0);
  });

  test('a rewritten entry lies between the last good head and the first bad one', async () => {
    for (let at = 0; at < 40; at += 1) {
      const rewritten = readAuditLog(entries.with(at, entryOf(at, 'forged')));
      const sequence = [0, 10, 20].findLast((size) => size <= at);
      const facts = { sequence, before: sizes.find((size) => size > at), check: 'head' };
      expect(await check(rewritten)).toEqual(['ERR_AUDIT_BROKEN', facts]);
    }
  });

  test('with a head for every entry it is named', async () => {
    const all = entries.map((_, index) => headAt(index + 1));
    for (let at = 0; at < COUNT; at += 1) {
      const rewritten = readAuditLog(entries.with(at, entryOf(at, 'forged')));
      const facts = { sequence: at, before: at + 1, check: 'head' };
      expect(await check(rewritten, all)).toEqual(['ERR_AUDIT_BROKEN', facts]);
      const without = entries
        .toSpliced(at, 1)
        .map((_, index) => entryOf(index + Number(index >= at)));
      const renumbered = without.map((text, index) => text.replace(/\d+}$/, `${index}}`));
      const missing = {
        sequence: at,
        before: at + 1,
        check: at === COUNT - 1 ? 'truncated' : 'head',
      };
      expect(await check(readAuditLog(renumbered), all)).toEqual(['ERR_AUDIT_BROKEN', missing]);
    }
  });

  test('a log that ends before a head is truncated there', async () => {
    for (let size = 20; size < 40; size += 1) {
      const cut = readAuditLog(entries.slice(0, size));
      const facts = { sequence: 20, before: 40, check: 'truncated' };
      expect(await check(cut)).toEqual(['ERR_AUDIT_BROKEN', facts]);
    }
  });
});

describe('a log of several stretches', () => {
  const LENGTH = 1_000;
  const long = Array.from({ length: LENGTH }, (_, index) => entryOf(index));
  const whole = readAuditLog(long);
  const headOf = (size: number) => headAt(size, {}, whole);
  const every = (step: number) =>
    Array.from({ length: LENGTH / step }, (_, index) => headOf((index + 1) * step));
  const check = (log: Iterable<string>, list: readonly AuditHead[]) =>
    brokenBy(async () => (await verifyAuditLog(log, signedHeads(list))).covered);

  test.each([1, 8, 250, 500, 1_000])('is whole with a head every %i entries', async (step) => {
    expect(await check(long, every(step))).toBe(LENGTH);
    expect(await check(long.slice(0, 999), every(step))).toMatchObject([
      'ERR_AUDIT_BROKEN',
      { sequence: LENGTH - step, before: LENGTH, check: 'truncated' },
    ]);
  });

  test('an entry that was rewritten lies between two heads, wherever stretches end', async () => {
    for (const step of [1, 8, 250, 1_000]) {
      const heads = every(step);
      for (const at of [0, 7, 254, 255, 256, 257, 511, 512, 700, 767, 768, 999]) {
        const facts = { sequence: at - (at % step), before: at - (at % step) + step };
        const found = await check(long.with(at, entryOf(at, 'forged')), heads);
        expect(found).toEqual(['ERR_AUDIT_BROKEN', { ...facts, check: 'head' }]);
      }
    }
  });

  test('what was rewritten comes before what is malformed, in one stretch or another', async () => {
    expect(await check(long.with(3, entryOf(3, 'forged')).with(4, '{}'), every(1))).toMatchObject([
      'ERR_AUDIT_BROKEN',
      { sequence: 3, before: 4, check: 'head' },
    ]);
    expect(await check(long.with(300, '{}'), every(1))).toMatchObject([
      'ERR_AUDIT_BROKEN',
      { sequence: 300, before: 301, check: 'entry' },
    ]);
  });

  test('is read no further than to the first bad entry', async () => {
    let read = 0;
    const forged = long.with(100, entryOf(100, 'forged'));
    function* counted() {
      for (const entry of forged) {
        read += 1;
        yield entry;
      }
    }
    expect(await check(counted(), every(1))).toMatchObject(['ERR_AUDIT_BROKEN', { sequence: 100 }]);
    expect(read).toBeLessThan(LENGTH / 2);
  });

  test('a verified beginning is gone on from, and left as it was', async () => {
    const heads = signedHeads(every(1));
    const { tree } = await verifyAuditLog(long, heads);
    for (const begun of [0, 1, 2, 3, 31, 32, 33, 255, 256, 600, LENGTH]) {
      const from = { tree: tree.prefix(begun), heads: begun };
      expect(await verifyAuditLog(long.slice(begun), heads, from)).toMatchObject({
        covered: LENGTH,
      });
      expect(hex(merkleRoot(begun, tree.prefix(begun).nodeAt))).toBe(
        hex(merkleRoot(begun, whole.nodeAt)),
      );
      if (begun === LENGTH) continue;
      const forged = long.slice(begun).with(0, entryOf(begun, 'forged'));
      const again = { tree: tree.prefix(begun), heads: begun };
      expect(await brokenBy(() => verifyAuditLog(forged, heads, again))).toEqual([
        'ERR_AUDIT_BROKEN',
        { sequence: begun, before: begun + 1, check: 'head' },
      ]);
    }
    expect(() => tree.prefix(LENGTH + 1)).toThrow('no such tree');
  });
});

test('keys shorter than 3072 bits sign no head that counts', async () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const jwk = short.publicKey.export({ format: 'jwk' });
  const releaseKey = RsaKeySchema.parse({ kty: jwk.kty, n: jwk.n, e: jwk.e });
  const key = createPrivateKey(short.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const asked = verifyAuditHead(signed(headAt(3), {}, key), { owner: 'west', releaseKey });
  expect(await codeFrom(asked)).toBe('ERR_CONTRACT_MALFORMED');
});
