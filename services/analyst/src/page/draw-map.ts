import { geoArea, geoCentroid, geoEqualEarth, geoPath } from 'd3-geo';
import type { Geometry, MultiPoint, Polygon } from 'geojson';
import type { Point } from '../measures.ts';
import type { PlaceColumn } from './place-column.ts';
import type { Country, Places } from './places.ts';

/** What a map shows, as shapes of an SVG; nothing here knows of a document. */
export interface MapDrawing {
  readonly land: readonly string[];
  readonly areas: readonly (MarkOnMap & { readonly path: string; readonly shade: number })[];
  readonly circles: readonly (MarkOnMap & CircleOnMap)[];
  /** Codes that it has no place for. */
  readonly missing: readonly string[];
  /** Of the values that are drawn. */
  readonly low: number;
  readonly high: number;
}

interface CircleOnMap {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

export interface MarkOnMap {
  readonly code: string;
  readonly name: string;
  readonly point: Point;
}

export const MAP_WIDTH = 720;
export const MAP_HEIGHT = 380;
export const SHADES = 5;
const MARGIN = 14;
const RADIUS_MAX = 20;
const RADIUS_MIN = 2.5;
/** Around each place: a map of one town would show no outline that anybody knows. */
const AROUND_DEGREES = 4;

/** @param pointOf what is measured in a row */
export function drawMap(
  column: PlaceColumn,
  places: Places,
  pointOf: (row: number) => Point,
): MapDrawing {
  const byCode = new Map(places.countries.map((each) => [String(each.id ?? ''), each]));
  const isKnown = (code: string) =>
    column.kind === 'airport' ? places.airports.has(code) : byCode.has(code);
  const codes = [...column.rows.keys()];
  const known = codes.filter(isKnown);
  const marks = known.map((code): MarkOnMap => {
    const name = byCode.get(code)?.properties.name ?? code;
    return { code, name, point: pointOf(column.rows.get(code) ?? -1) };
  });
  const values = marks.flatMap(({ point: { value } }) => value ?? []);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const scale = { low, high, size: Math.max(...values.map(Math.abs)) };
  const at = (code: string) => places.airports.get(code) ?? [0, 0];
  const countries = known.flatMap((code) => byCode.get(code) ?? []);
  const shown = column.kind === 'airport' ? known.map(at).map(around) : countries.map(mainland);
  const projection = projectionOf(shown);
  const path = geoPath(projection).digits(1);
  const isAirport = column.kind === 'airport';
  return {
    land: places.countries.flatMap((each) => path(each) ?? []),
    areas: isAirport ? [] : marks.map((mark, index) => areaOf(mark, countries[index], path, scale)),
    circles: isAirport
      ? marks.map((mark) => circleOf(mark, projection([...at(mark.code)]), scale)).sort(larger)
      : [],
    missing: [...codes.filter((code) => !isKnown(code)), ...column.others],
    ...{ low, high },
  };
}

/** Equal areas, since areas are what is compared; what is shown lies in its middle. */
function projectionOf(shown: readonly Geometry[]) {
  const inside: [[number, number], [number, number]] = [
    [MARGIN, MARGIN],
    [MAP_WIDTH - MARGIN, MAP_HEIGHT - MARGIN],
  ];
  const all = { type: 'GeometryCollection' as const, geometries: [...shown] };
  return geoEqualEarth()
    .rotate([-middleOf(shown), 0])
    .fitExtent(inside, shown.length === 0 ? { type: 'Sphere' } : all)
    .clipExtent([
      [0, 0],
      [MAP_WIDTH, MAP_HEIGHT],
    ]);
}

/** Of what goes around the world nobody looks for the middle: it is cut as everybody knows it. */
const WHOLE_WORLD_DEGREES = 150;

function middleOf(shown: readonly Geometry[]): number {
  const longitudes = shown.map((each) => geoCentroid(each)[0]);
  const [west, east] = [Math.min(...longitudes), Math.max(...longitudes)];
  return shown.length > 0 && east - west < WHOLE_WORLD_DEGREES ? (west + east) / 2 : 0;
}

function around([longitude = 0, latitude = 0]: readonly number[]): MultiPoint {
  const coordinates = [-AROUND_DEGREES, AROUND_DEGREES].flatMap((by) => [
    [longitude + by, latitude],
    [longitude, Math.max(-90, Math.min(90, latitude + by))],
  ]);
  return { type: 'MultiPoint', coordinates };
}

/** Its largest part: France is not looked for at the equator. The others are drawn all the same. */
function mainland({ geometry }: Country): Geometry {
  if (geometry.type !== 'MultiPolygon') return geometry;
  const parts = geometry.coordinates.map(
    (coordinates): Polygon => ({ type: 'Polygon', coordinates }),
  );
  return parts.reduce((most, each) => (geoArea(each) > geoArea(most) ? each : most));
}

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly size: number;
}

function areaOf(
  mark: MarkOnMap,
  country: Country | undefined,
  path: (shape: Country) => string | null,
  { low, high }: Scale,
) {
  const { value } = mark.point;
  const share = value === null || low === high ? 1 : (value - low) / (high - low);
  const shade = value === null ? -1 : Math.min(SHADES - 1, Math.floor(share * SHADES));
  return { ...mark, path: (country && path(country)) ?? '', shade };
}

/** Areas in proportion to values: twice the value is twice the ink. */
function circleOf(mark: MarkOnMap, place: [number, number] | null, { size }: Scale) {
  const share = size === 0 ? 0 : Math.abs(mark.point.value ?? 0) / size;
  const [x, y] = place ?? [0, 0];
  return { ...mark, x, y, radius: Math.max(RADIUS_MIN, RADIUS_MAX * Math.sqrt(share)) };
}

/** The small ones above the large ones. */
function larger(one: CircleOnMap, other: CircleOnMap): number {
  return other.radius - one.radius;
}
