import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseReport, REPORT_BYTES, SIGNED_BYTES, serializeReport } from './report.ts';
import { FIELDS, REPORT_VERSIONS, type ReportVersion, reservedSpans } from './snp/layout.ts';

/** Random bytes in every field that may hold them. */
function randomReport(version: ReportVersion, noise: Uint8Array): Uint8Array {
  const bytes = noise.slice();
  const view = new DataView(bytes.buffer);
  view.setUint32(0x000, version, true);
  view.setUint32(0x034, 1, true);
  view.setBigUint64(0x008, (view.getBigUint64(0x008, true) & 0x3ffffffn) | 0x20000n, true);
  view.setUint32(0x048, view.getUint32(0x048, true) & 0x07, true);
  for (const [offset, length] of reservedSpans(version)) bytes.fill(0, offset, offset + length);
  return bytes;
}

const noise = fc.uint8Array({ minLength: REPORT_BYTES, maxLength: REPORT_BYTES });
const version = fc.constantFrom(...REPORT_VERSIONS);

function checkOf(bytes: Uint8Array): unknown {
  try {
    parseReport(bytes);
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_REPORT_MALFORMED');
    return error instanceof StrongroomError ? error.facts['check'] : undefined;
  }
  return 'accepted';
}

describe('report', () => {
  test('what was read and is written again is the same, for every version', () => {
    fc.assert(
      fc.property(version, noise, (which, random) => {
        const bytes = randomReport(which, random);
        expect(serializeReport(parseReport(bytes))).toEqual(bytes);
      }),
    );
  });

  test('has fields and reserved ranges that cover every byte once', () => {
    const later = { 2: ['cpu', 'Mitigations'], 3: ['Mitigations'], 5: [] };
    for (const which of REPORT_VERSIONS) {
      const absent = (name: string) => later[which].some((each) => name.includes(each));
      const fields = Object.entries(FIELDS).filter(([name]) => !absent(name));
      const covered = new Uint8Array(REPORT_BYTES);
      for (const [offset, length] of [...fields.map(([, span]) => span), ...reservedSpans(which)]) {
        for (let at = offset; at < offset + length; at += 1) covered[at] = (covered[at] ?? 0) + 1;
      }
      expect([which, covered.findIndex((times) => times !== 1)]).toEqual([which, -1]);
    }
    expect([REPORT_BYTES, SIGNED_BYTES]).toEqual([1_184, 672]);
  });

  test('random bytes and random lengths are refused with our code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * REPORT_BYTES }), (bytes) => {
        expect(checkOf(bytes)).not.toBe('accepted');
      }),
    );
  });

  test.each([0, 1, 793, 1183, 1185, 4000])('refuses %i bytes', (length) => {
    expect(checkOf(new Uint8Array(length))).toBe('length');
  });

  test.each([0, 1, 4, 6, 0x02000000])('refuses version %i', (number) => {
    const bytes = randomReport(3, new Uint8Array(REPORT_BYTES));
    new DataView(bytes.buffer).setUint32(0, number, true);
    expect(checkOf(bytes)).toBe('version');
  });

  test('refuses every reserved byte that is not zero', () => {
    for (const which of REPORT_VERSIONS) {
      const clean = randomReport(which, new Uint8Array(REPORT_BYTES));
      for (const [offset, length] of reservedSpans(which)) {
        for (let at = offset; at < offset + length; at += 1) {
          const bytes = clean.slice();
          bytes[at] = 0x80;
          expect([which, at, checkOf(bytes)]).toEqual([which, at, 'reserved']);
          expect(() => parseReport(bytes)).toThrow(
            expect.objectContaining({ facts: { check: 'reserved', offset: at } }),
          );
        }
      }
    }
  });

  test.each([
    ['signature algorithm 0', 0x034, 0, 'signature-algorithm'],
    ['signature algorithm 2', 0x034, 2, 'signature-algorithm'],
    ['policy without bit 17', 0x00a, 0x01, 'policy-form'],
    ['policy with bit 26', 0x00b, 0x04, 'policy-form'],
    ['signing key 2', 0x048, 2 << 2, 'key-info'],
    ['key info bit 5', 0x048, 1 << 5, 'key-info'],
  ])('refuses %s', (_name, offset, byte, check) => {
    const bytes = randomReport(3, new Uint8Array(REPORT_BYTES));
    bytes[offset] = byte;
    expect(checkOf(bytes)).toBe(check);
  });
});
