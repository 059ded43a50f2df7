import { StrongroomError } from '@strongroom/protocol/errors';
import type { Feature, FeatureCollection, Geometry } from 'geojson';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';

export type Country = Feature<Geometry, { readonly name: string }>;

export interface Places {
  readonly countries: readonly Country[];
  /** Longitude and latitude, by IATA code. */
  readonly airports: ReadonlyMap<string, readonly [number, number]>;
}

let loaded: Promise<Places> | undefined;

/** From the page's own server, once; it is as much this page's own as the script is. */
export function loadPlaces(): Promise<Places> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

interface PlacesFile {
  readonly countries: Topology<{ countries: GeometryCollection<{ name: string }> }>;
  readonly airports: Readonly<Record<string, [number, number]>>;
}

/** @throws ERR_LOG_UNREACHABLE when the server is gone */
async function load(): Promise<Places> {
  const answer = await fetch('/places.json').catch(() => undefined);
  if (!answer?.ok) throw new StrongroomError('ERR_LOG_UNREACHABLE', { server: location.host });
  return readPlaces(await answer.json());
}

/** @param file that was made when the page was built */
export function readPlaces({ countries, airports }: PlacesFile): Places {
  const outlines: FeatureCollection<Geometry, { name: string }> = feature(
    countries,
    countries.objects.countries,
  );
  return { countries: outlines.features, airports: new Map(Object.entries(airports)) };
}
