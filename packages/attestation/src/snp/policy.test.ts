import { describe, expect, test } from 'vitest';
import { parseKeyInfo, parsePlatformInfo, parsePolicy } from './policy.ts';

/** Each bit where the ABI specification has it, and nowhere else. */
describe('POLICY', () => {
  test.each([
    ['smt', 16n],
    ['single-socket', 20n],
    ['cxl', 21n],
    ['memory-aes-256-xts', 22n],
    ['rapl-disabled', 23n],
    ['ciphertext-hiding', 24n],
    ['page-swap-disabled', 25n],
  ])('%s is bit %i', (name, position) => {
    const policy = parsePolicy((1n << 17n) | (1n << position));
    expect([...(policy?.bits ?? [])]).toEqual([name]);
  });

  test('allows migration by bit 18 and debugging by bit 19', () => {
    const none = { migrationAllowed: false, debugAllowed: false, smtAllowed: false };
    expect(parsePolicy(0x20000n)).toMatchObject(none);
    expect(parsePolicy(0x60000n)).toMatchObject({ ...none, migrationAllowed: true });
    expect(parsePolicy(0xa0000n)).toMatchObject({ ...none, debugAllowed: true });
    expect(parsePolicy(0x30000n)).toMatchObject({ ...none, smtAllowed: true });
  });

  test('has the ABI version in its low bytes', () => {
    expect(parsePolicy(0x20137n)).toMatchObject({ abiMajor: 1, abiMinor: 0x37 });
    expect(parsePolicy(0x2ff00n)).toMatchObject({ abiMajor: 255, abiMinor: 0 });
  });

  test('has bit 17 set and no bit from 26 on', () => {
    expect(parsePolicy(0n)).toBeUndefined();
    expect(parsePolicy(0x3ffffffn)).toBeDefined();
    for (let bit = 26n; bit < 64n; bit += 1n) {
      expect(parsePolicy(0x20000n | (1n << bit))).toBeUndefined();
    }
  });
});

describe('PLATFORM_INFO', () => {
  test.each([
    ['smt', 0n],
    ['tsme', 1n],
    ['ecc', 2n],
    ['rapl-disabled', 3n],
    ['ciphertext-hiding', 4n],
    ['alias-check', 5n],
    ['iommu-write-safe', 6n],
    ['sev-tio', 7n],
  ])('%s is bit %i', (name, position) => {
    const info = parsePlatformInfo(1n << position);
    expect([...info.bits]).toEqual([name]);
    expect(info.unknown).toBe(0n);
  });

  test('keeps what it does not know', () => {
    for (let bit = 8n; bit < 64n; bit += 1n) {
      expect(parsePlatformInfo((1n << bit) | 0x25n).unknown).toBe(1n << bit);
    }
  });
});

describe('KEY_INFO', () => {
  test('is read bit by bit', () => {
    const plain = { authorKeyEnabled: false, chipKeyMasked: false, signingKey: 'vcek' };
    expect(parseKeyInfo(0)).toEqual(plain);
    expect(parseKeyInfo(1)).toEqual({ ...plain, authorKeyEnabled: true });
    expect(parseKeyInfo(2)).toEqual({ ...plain, chipKeyMasked: true });
    expect(parseKeyInfo(3)).toEqual({ ...plain, authorKeyEnabled: true, chipKeyMasked: true });
    expect(parseKeyInfo(4)).toEqual({ ...plain, signingKey: 'vlek' });
    expect(parseKeyInfo(28)).toEqual({ ...plain, signingKey: 'none' });
    expect([8, 12, 16, 20, 24].map(parseKeyInfo)).toEqual(Array(5).fill(undefined));
    for (let bit = 5; bit < 32; bit += 1) expect(parseKeyInfo((1 << bit) >>> 0)).toBeUndefined();
  });
});
