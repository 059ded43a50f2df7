import { describe, expect, test } from 'vitest';
import { DerError, DerReader, readByteInteger, readOid, readTime, TAGS } from './der.ts';
import { integer, oid, sequence, time } from './write-der.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

function readOne(hex: string, tag: number = TAGS.sequence) {
  const reader = new DerReader(bytes(hex));
  const value = reader.next(tag);
  reader.end();
  return value;
}

describe('DER', () => {
  test.each([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['another tag', '31 00'],
    ['the indefinite length', '30 80 00 00'],
    ['a length in the long form that is short', '30 81 01 00'],
    ['a length with a leading zero', `30 82 00 80 ${'00'.repeat(128)}`],
    ['a length of four bytes', '30 84 00 00 00 00'],
    ['a length that ends early', '30 82 01'],
    ['content that ends early', '30 02 00'],
    ['trailing bytes', '30 00 00'],
  ])('refuses %s', (_name, hex) => {
    expect(() => readOne(hex)).toThrow(DerError);
  });

  test('reads lengths of one, two and three bytes', () => {
    for (const length of [0, 127, 128, 255, 256, 65_535]) {
      const written = sequence(new Uint8Array(length));
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

  test.each(['06 00', '06 02 2a 80', '06 03 2a 80 01'])('refuses the identifier %s', (hex) => {
    expect(() => readOid(readOne(hex, TAGS.oid))).toThrow(DerError);
  });

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
