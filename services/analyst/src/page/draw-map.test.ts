import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { writePlaces } from '../build-places.ts';
import { drawMap, MAP_HEIGHT, MAP_WIDTH } from './draw-map.ts';
import type { PlaceColumn, PlaceKind } from './place-column.ts';
import { type Places, readPlaces } from './places.ts';

/** What is drawn where, with the places that the page is built with. */

let places: Places;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-places-'));
  await writePlaces(folder);
  places = readPlaces(JSON.parse(await readFile(join(folder, 'places.json'), 'utf8')));
  await rm(folder, { recursive: true });
});

function draw(kind: PlaceKind, values: Readonly<Record<string, number | null>>) {
  const codes = Object.keys(values);
  const column: PlaceColumn = {
    ...{ name: 'place', kind, others: ['all others'] },
    rows: new Map(codes.map((code, row) => [code, row])),
  };
  return drawMap(column, places, (row) => {
    return { value: values[codes[row] ?? ''] ?? null, low: null, high: null };
  });
}

describe('a map', () => {
  test('knows airports by IATA, and countries by ISO 3166-1 alpha-2', () => {
    expect(places.airports.get('JFK')).toEqual([-73.78, 40.64]);
    expect(places.airports.size).toBeGreaterThan(4_000);
    const known = places.countries.filter(({ id }) => id !== undefined);
    expect(known.length).toBeGreaterThan(170);
    expect(known.find(({ id }) => id === 'DE')?.properties.name).toBe('Germany');
    expect(new Set(known.map(({ id }) => id)).size).toBe(known.length);
  });

  test('gives twice the value twice the area, and puts small circles above', () => {
    const { circles, missing, low, high } = draw('airport', { BOS: 50, ATL: 100, ZZZ: 7 });
    expect(circles.map(({ code }) => code)).toEqual(['ATL', 'BOS']);
    const [large = NaN, small = NaN] = circles.map(({ radius }) => radius ** 2);
    expect(large / small).toBeCloseTo(2);
    expect({ missing, low, high }).toEqual({ missing: ['ZZZ', 'all others'], low: 50, high: 100 });
  });

  test.each([
    ['of one country', { ATL: 1, BOS: 2, LAX: 3 }],
    ['around the world', { ATL: 1, HND: 2, SYD: 3, JNB: 4 }],
    ['of one town', { JFK: 1, LGA: 2 }],
    ['near the date line', { NAN: 1, AKL: 2 }],
  ])('holds all airports %s', (_name, values) => {
    for (const { x, y } of draw('airport', values).circles) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(MAP_WIDTH);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(MAP_HEIGHT);
    }
  });

  test('shades from the lowest to the highest, and leaves out what has no outline', () => {
    const { areas, missing } = draw('country', { DE: 0, FR: 50, IT: 100, PL: null, MT: 3 });
    expect(areas.map(({ code, shade }) => [code, shade])).toEqual([
      ['DE', 0],
      ['FR', 2],
      ['IT', 4],
      ['PL', -1],
    ]);
    for (const { path } of areas) expect(path).toMatch(/^M/);
    expect(missing).toEqual(['MT', 'all others']);
  });

  test('of one value is drawn as well, and of none', () => {
    expect(draw('country', { DE: 5, FR: 5 }).areas.map(({ shade }) => shade)).toEqual([4, 4]);
    expect(draw('airport', { ATL: 0, BOS: 0 }).circles.every(({ radius }) => radius > 0)).toBe(
      true,
    );
    expect(draw('airport', { ZZZ: 1, ZZY: 2 })).toMatchObject({ circles: [], areas: [] });
  });
});
