import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CanaryScanner, encodingsOf } from '../integration/canary-scanner.ts';

describe('the canary scanner', () => {
  const plants = Array.from({ length: 64 }, (_, index) => ({
    label: `plant ${index}`,
    bytes: randomBytes(16 + (index % 3)),
  }));

  test('finds each of 64 plants in each encoding, between random bytes', () => {
    const scanner = new CanaryScanner(plants);
    for (const plant of plants) {
      for (const { encoding, bytes } of encodingsOf(plant.bytes)) {
        const leak = Buffer.concat([randomBytes(1_001), bytes, randomBytes(333)]);
        const hits = scanner.scanBytes(leak, 'leak');
        expect(hits.map((hit) => hit.label)).toContain(plant.label);
        expect(hits.some((hit) => hit.encoding === encoding && hit.offset === 1_001)).toBe(true);
      }
    }
  });

  test.each([0, 1, 2, 3, 4, 5])(
    'finds a plant inside a longer base64 text, %i bytes in',
    (before) => {
      const scanner = new CanaryScanner(plants);
      for (const plant of plants.slice(0, 3)) {
        for (const alphabet of ['base64', 'base64url'] as const) {
          const text = Buffer.concat([randomBytes(before), plant.bytes, randomBytes(7)]);
          const hits = scanner.scanBytes(Buffer.from(text.toString(alphabet)), 'leak');
          expect(hits.map((hit) => hit.label)).toContain(plant.label);
        }
      }
    },
  );

  test('finds nothing in random bytes', () => {
    const scanner = new CanaryScanner(plants);
    expect(scanner.scanBytes(randomBytes(4_000_000), 'noise')).toEqual([]);
    expect(scanner.bytesScanned).toBe(4_000_000);
  });

  test('refuses a plant that is too short to be recognised', () => {
    expect(() => new CanaryScanner([{ label: 'short', bytes: randomBytes(8) }])).toThrow('short');
  });
});
