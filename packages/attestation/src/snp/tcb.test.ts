import { describe, expect, test } from 'vitest';
import { parseTcb, productOfCpu, sameTcb, serializeTcb } from './tcb.ts';

describe('the product of a CPU', () => {
  test.each([
    [0x19, 0x00, 'Milan'],
    [0x19, 0x01, 'Milan'],
    [0x19, 0x0f, 'Milan'],
    [0x19, 0x10, 'Genoa'],
    [0x19, 0x1f, 'Genoa'],
    [0x19, 0x20, undefined],
    [0x19, 0x9f, undefined],
    [0x19, 0xa0, 'Genoa'],
    [0x19, 0xaf, 'Genoa'],
    [0x19, 0xb0, undefined],
    [0x1a, 0x00, 'Turin'],
    [0x1a, 0x02, 'Turin'],
    [0x1a, 0x11, 'Turin'],
    [0x1a, 0x12, undefined],
    [0x1a, 0x50, undefined],
    [0x18, 0x01, undefined],
    [0x17, 0x31, undefined],
  ])('of family %i and model %i is %s', (family, model, product) => {
    expect(productOfCpu({ family, model })).toBe(product);
  });
});

describe('a TCB', () => {
  const milan = { fmc: null, bootLoader: 1, tee: 2, snp: 3, microcode: 4 };
  const turin = { fmc: 9, bootLoader: 1, tee: 2, snp: 3, microcode: 4 };

  test('has its parts in the bytes of its product', () => {
    for (const product of ['Milan', 'Genoa'] as const) {
      expect([...serializeTcb(milan, product)]).toEqual([1, 2, 0, 0, 0, 0, 3, 4]);
    }
    expect([...serializeTcb(turin, 'Turin')]).toEqual([9, 1, 2, 3, 0, 0, 0, 4]);
    expect(parseTcb(serializeTcb(milan, 'Genoa'), 'Genoa')).toEqual(milan);
    expect(parseTcb(serializeTcb(turin, 'Turin'), 'Turin')).toEqual(turin);
  });

  test('has eight bytes, and zeros where it has no part', () => {
    for (const [product, reserved] of [
      ['Milan', [2, 3, 4, 5]],
      ['Turin', [4, 5, 6]],
    ] as const) {
      for (let at = 0; at < 8; at += 1) {
        const bytes = new Uint8Array(8);
        bytes[at] = 1;
        expect([at, parseTcb(bytes, product) === undefined]).toEqual([
          at,
          reserved.some((each) => each === at),
        ]);
      }
      expect(parseTcb(new Uint8Array(7), product)).toBeUndefined();
      expect(parseTcb(new Uint8Array(9), product)).toBeUndefined();
    }
  });

  test('equals another when every part does', () => {
    expect(sameTcb(turin, { ...turin })).toBe(true);
    for (const part of ['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const) {
      expect([part, sameTcb(turin, { ...turin, [part]: 77 })]).toEqual([part, false]);
    }
    expect(sameTcb({ ...turin, fmc: null }, { ...turin, fmc: 0 })).toBe(false);
  });
});
