import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { codeOf } from '@strongroom/protocol/errors';
import { WrappingKeySchema } from '@strongroom/protocol/public-key';
import fc from 'fast-check';
import { combine, split } from 'shamir-secret-sharing';
import { describe, expect, test } from 'vitest';
import { multiply, valueAt } from '../test/gf256.ts';
import { isAgreedShare, joinPrivateKey, type PointedShare, splitPrivateKey } from './key-shares.ts';
import { createUnwrapper } from './unwrapper.ts';
import { wrapPadded } from './wrap.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pkcs8 = pair.privateKey.export({ format: 'der', type: 'pkcs8' });

/** Thresholds of 2 to 16 and as many holders or more, in an order of their own. */
const plans = fc
  .integer({ min: 2, max: 16 })
  .chain((count) =>
    fc.record({ count: fc.constant(count), threshold: fc.integer({ min: 2, max: count }) }),
  )
  .chain(({ count, threshold }) =>
    fc.record({
      count: fc.constant(count),
      threshold: fc.constant(threshold),
      order: fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
    }),
  );

const pointed = (y: Uint8Array, x: number) => Uint8Array.of(...y, x);
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );

describe('a private key under shares', () => {
  test('comes back from any threshold of them, and from more', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(15), async ({ count, threshold, order }, more) => {
        const { wrappedKey, shares } = await splitPrivateKey(pkcs8, { threshold, count });
        expect(new Set(shares.map(({ point }) => point)).size).toBe(count);
        expect(shares.every((each) => each.share.length === 32)).toBe(true);
        expect(shares.every((each) => isAgreedShare(each.share, each))).toBe(true);
        const chosen = order.slice(0, threshold + more).flatMap((index) => shares[index] ?? []);
        expect(Buffer.from(await joinPrivateKey({ wrappedKey }, chosen))).toEqual(pkcs8);
      }),
      { numRuns: 60 },
    );
  });

  test('does not come back from one share less', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async ({ count, threshold, order }) => {
        const { wrappedKey, shares } = await splitPrivateKey(pkcs8, { threshold, count });
        const chosen = order.slice(0, threshold - 1).flatMap((index) => shares[index] ?? []);
        const joining = joinPrivateKey({ wrappedKey }, chosen);
        expect(await rejection(joining)).toBe('ERR_KEY_SHARES_INVALID');
      }),
      { numRuns: 60 },
    );
  });

  test('is the very key that the contract names, whatever its kind', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const x25519 = generateKeyPairSync('x25519');
    for (const { privateKey, publicKey } of [pair, rsa, x25519]) {
      const der = privateKey.export({ format: 'der', type: 'pkcs8' });
      const { wrappedKey, shares } = await splitPrivateKey(der, { threshold: 2, count: 3 });
      const joined = await joinPrivateKey({ wrappedKey }, shares.slice(1));
      const jwk = WrappingKeySchema.parse(publicKey.export({ format: 'jwk' }));
      expect(createUnwrapper(joined, jwk).publicKey).toEqual(jwk);
    }
  });

  test.each<[string, (shares: PointedShare[], other: PointedShare[]) => PointedShare[]]>([
    ['a share twice', ([first]) => (first ? [first, first] : [])],
    [
      'a changed share',
      ([first, second]) => [changed(first, 'share'), ...(second ? [second] : [])],
    ],
    ['another point', ([first, second]) => [changed(first, 'point'), ...(second ? [second] : [])]],
    ['a share of another dataset', ([first], [other]) => (first && other ? [first, other] : [])],
    ['no share', () => []],
  ])('does not come back from: %s', async (_name, change) => {
    const plan = { threshold: 2, count: 3 };
    const { wrappedKey, shares } = await splitPrivateKey(pkcs8, plan);
    const other = await splitPrivateKey(pkcs8, plan);
    const joining = joinPrivateKey({ wrappedKey }, change([...shares], [...other.shares]));
    expect(await rejection(joining)).toBe('ERR_KEY_SHARES_INVALID');
  });

  test('a changed share, a longer one, and one of another split are not agreed on', async () => {
    const { shares } = await splitPrivateKey(pkcs8, { threshold: 2, count: 2 });
    const [first, second] = shares;
    if (!first || !second) expect.fail('two shares');
    expect(isAgreedShare(changed(first, 'share').share, first)).toBe(false);
    expect(isAgreedShare(pointed(first.share, first.point), first)).toBe(false);
    expect(isAgreedShare(first.share, second)).toBe(false);
  });
});

function changed(share: PointedShare | undefined, what: 'share' | 'point'): PointedShare {
  if (!share) expect.fail('a share');
  if (what === 'point') return { ...share, point: (share.point % 255) + 1 };
  const bytes = Uint8Array.from(share.share);
  bytes[31] = (bytes[31] ?? 0) ^ 1;
  return { ...share, share: bytes };
}

describe("the library's scheme", () => {
  const SECRET = Uint8Array.from({ length: 32 }, (_none, index) => index);
  /** Of a polynomial of degree 2, computed by a program in another language. */
  const VECTOR: readonly (readonly [number, string])[] = [
    [1, 'c2804b06e6f4c98e01c2502b33b72998dc59eba67cd032fc97f1ba05358e9836'],
    [7, 'af44e0a7dc28f5f2485aa21c5d3956ffe32ab72f969ffba44f92050b6aaf47e0'],
    [128, 'adab77102057116c84e7ac6d64b0b7319188507d3eeffb52221b72a67cff14f4'],
    [255, '6e48603942500d8cbc076f50d6d6ef4a77ab0739cd0439cb5e2beae26be3ea53'],
  ];

  test.each([[[0, 1, 2]], [[3, 0, 1]], [[2, 3, 1]], [[0, 2, 3]], [[3, 2, 1, 0]]])(
    'agrees with the vector from shares %j',
    async (chosen) => {
      const shares = chosen.map((index) => {
        const [x = 0, y = ''] = VECTOR[index] ?? [];
        return { point: x, share: Buffer.from(y, 'hex') };
      });
      const wrappedKey = encodeBase64url(wrapPadded(SECRET, pkcs8));
      expect(Buffer.from(await joinPrivateKey({ wrappedKey }, shares))).toEqual(pkcs8);
    },
  );

  test('agrees with a reference that multiplies bit by bit', async () => {
    expect(multiply(0x57, 0x83)).toBe(0xc1); // FIPS 197 §4.2
    await fc.assert(
      fc.asyncProperty(plans, async ({ count, threshold, order }) => {
        const secret = new Uint8Array(randomBytes(32));
        const shares = await split(secret, count, threshold);
        const chosen = order.slice(0, threshold).flatMap((index) => shares[index] ?? []);
        const found = secret.map((_none, byte) =>
          valueAt(
            0,
            chosen.map((each) => [each[32] ?? 0, each[byte] ?? 0]),
          ),
        );
        expect(found).toEqual(secret);
      }),
      { numRuns: 60 },
    );
  });

  test('one share less fits every secret alike', async () => {
    await fc.assert(
      fc.asyncProperty(
        plans,
        fc.uint8Array({ minLength: 1, maxLength: 1 }),
        async (plan, other) => {
          const shares = await split(new Uint8Array(randomBytes(1)), plan.count, plan.threshold);
          const held = plan.order.slice(1, plan.threshold).flatMap((index) => shares[index] ?? []);
          const last = shares[plan.order[0] ?? 0]?.[1] ?? 0;
          const points = held.map(([y = 0, x = 0]): [number, number] => [x, y]);
          const invented = valueAt(last, [[0, other[0] ?? 0], ...points]);
          expect(await combine([...held, Uint8Array.of(invented, last)])).toEqual(other);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('avoids no value of a share, whatever the secret', async () => {
    // A polynomial that is never constant, a frequent error, would exclude one secret.
    const seen = new Set<number>();
    for (let round = 0; round < 250; round += 1) {
      const [first] = await split(new Uint8Array(32), 2, 2);
      for (const value of first?.subarray(0, 32) ?? []) seen.add(value);
    }
    expect(seen.size).toBe(256);
  });

  test.each([
    [1, 2],
    [3, 2],
    [2, 256],
    [2, 1],
  ])('refuses a threshold of %i among %i', async (threshold, count) => {
    await expect(splitPrivateKey(pkcs8, { threshold, count })).rejects.toThrow();
  });
});
