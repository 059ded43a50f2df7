import { describe, expect, test } from 'vitest';
import {
  contextTag,
  DerError,
  DerReader,
  readBits,
  readByteInteger,
  readOid,
  readTime,
  TAGS,
} from './der.ts';
import { integer, oid, sequence, time } from './write-der.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

function readOne(hex: string, tag: number = TAGS.sequence) {
  const reader = new DerReader(bytes(hex));
  const value = reader.next(tag);
  reader.end();
  return value;
}

describe('DER', () => {
  // Each step refuses for itself: a later one would have refused most of these as well.
  test.each([
    ['nothing', '', 'expected tag 48'],
    ['a tag alone', '30', 'length is missing'],
    ['another tag', '31 00', 'expected tag 48'],
    ['the indefinite length', '30 80 00 00', 'indefinite or oversized length'],
    ['a length in the long form that is short', '30 81 01 00', 'length is not the shortest'],
    ['a length of 127 in the long form', '30 81 7f', 'length is not the shortest'],
    ['a leading zero', `30 82 00 80 ${'00'.repeat(128)}`, 'length is not the shortest'],
    ['a length of four bytes', '30 84 00 00 00 00', 'indefinite or oversized length'],
    ['a length that ends early', '30 82 01', 'length ends early'],
    ['a length of two bytes that has none', '30 82', 'length ends early'],
    ['content that ends early', '30 02 00', 'value ends early'],
    ['content that is missing', '30 01', 'value ends early'],
    ['trailing bytes', '30 00 00', 'trailing bytes'],
  ])('refuses %s', (_name, hex, problem) => {
    expect(() => readOne(hex)).toThrow(new DerError(problem));
  });

  test('refuses what is left over inside of a value', () => {
    const reader = new DerReader(bytes('30 03 05 00 05'));
    const inside = () => reader.inside(TAGS.sequence, (inner) => inner.next(TAGS.null));
    expect(inside).toThrow(new DerError('trailing bytes'));
    expect(readOne('30 00').content.length).toBe(0);
  });

  test('reads what may be absent, and does not skip what is not', () => {
    const reader = new DerReader(bytes('05 00'));
    expect(reader.optional(TAGS.integer)).toBeUndefined();
    expect(reader.optional(TAGS.null)?.tag).toBe(TAGS.null);
    expect(reader.optional(TAGS.null)).toBeUndefined();
    expect(reader.done).toBe(true);
  });

  test('refuses content that ends early before it is looked at', () => {
    expect(() => new DerReader(bytes('30 02 00')).next(TAGS.sequence)).toThrow(DerError);
  });

  test('reads lengths of one, two and three bytes', () => {
    for (const length of [0, 127, 128, 255, 256, 65_535, 65_536, 70_000]) {
      const long = [0x30, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
      const content = new Uint8Array(length);
      const written =
        length < 65_536 ? sequence(content) : Buffer.concat([Buffer.of(...long), content]);
      expect(readOne(Buffer.from(written).toString('hex')).content.length).toBe(length);
    }
  });

  test.each([0, 1, 127, 128, 219, 255])('reads the version %i as it is written', (number) => {
    const written = Buffer.from(integer(Uint8Array.of(number))).toString('hex');
    expect(readByteInteger(readOne(written, TAGS.integer))).toBe(number);
  });

  test.each([
    ['negative', '02 01 80'],
    ['256', '02 02 01 00'],
    ['not the shortest', '02 02 00 7f'],
    ['three bytes', '02 03 00 00 80'],
    ['a version with a byte behind it', '02 03 00 80 00'],
    ['empty', '02 00'],
  ])('refuses an INTEGER that is %s', (_name, hex) => {
    expect(() => readByteInteger(readOne(hex, TAGS.integer))).toThrow(DerError);
  });

  test.each([
    '1.3.6.1.4.1.3704.1.3.8',
    '2.25.291474960537289130645123812342',
    '2.5.29.19',
    '0.9.2342',
  ])('reads the object identifier %s as it is written', (dotted) => {
    expect(readOid(readOne(Buffer.from(oid(dotted)).toString('hex'), TAGS.oid))).toBe(dotted);
  });

  test('tells the roots of identifiers apart: 0, 1 and 2', () => {
    const at = (...content: number[]) =>
      readOid({ tag: TAGS.oid, content: Uint8Array.from(content), raw: new Uint8Array(0) });
    expect([at(0), at(39), at(40), at(79), at(80), at(127)]).toEqual([
      ...['0.0', '0.39', '1.0', '1.39', '2.0', '2.47'],
    ]);
    expect([at(0x2a, 0x7f), at(0x2a, 0x81, 0x00), at(0x2a, 0xff, 0x7f)]).toEqual([
      ...['1.2.127', '1.2.128', '1.2.16383'],
    ]);
    expect([at(0x2a, 0x81, 0x80, 0x00), at(0x2a, 0x81, 0x80, 0x01)]).toEqual([
      ...['1.2.16384', '1.2.16385'],
    ]);
    expect([contextTag(3), contextTag(6, false)]).toEqual([0xa3, 0x86]);
  });

  test('reads a year of two digits as 1950 to 2049', () => {
    const yearOf = (text: string) => {
      const content = new TextEncoder().encode(text);
      return new Date(readTime({ tag: TAGS.utcTime, content, raw: content })).getUTCFullYear();
    };
    expect(yearOf('490101000000Z')).toBe(2049);
    expect(yearOf('500101000000Z')).toBe(1950);
    expect(yearOf('991231235959Z')).toBe(1999);
    expect(yearOf('000101000000Z')).toBe(2000);
  });

  test('reads a BIT STRING of whole bytes only', () => {
    const at = (...content: number[]) =>
      readBits({ tag: TAGS.bitString, content: Uint8Array.from(content), raw: new Uint8Array(0) });
    expect(at(0, 7, 8)).toEqual(Uint8Array.of(7, 8));
    expect(() => at(1, 6)).toThrow(DerError);
    expect(() => at()).toThrow(DerError);
  });

  test.each(['06 00', '06 01 80', '06 02 80 01', '06 02 2a 80', '06 03 2a 80 01'])(
    'refuses the identifier %s',
    (hex) => {
      expect(() => readOid(readOne(hex, TAGS.oid))).toThrow(DerError);
    },
  );

  test.each(['2026-02-28T23:59:59Z', '2049-12-31T00:00:00Z', '2050-01-01T00:00:00Z'])(
    'reads the time %s as it is written',
    (text) => {
      const [tag = 0, ...rest] = time(Date.parse(text));
      const value = new DerReader(Uint8Array.of(tag, ...rest)).next(tag);
      expect(readTime(value)).toBe(Date.parse(text));
    },
  );

  test.each(['260230000000Z', '2602280000Z', '260228000000+0100', '261301000000Z', '26022824000Z'])(
    'refuses the time %s',
    (text) => {
      const content = new TextEncoder().encode(text);
      expect(() => readTime({ tag: TAGS.utcTime, content, raw: content })).toThrow(DerError);
    },
  );
});
