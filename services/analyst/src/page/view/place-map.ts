import { savePicture } from '@strongroom/page/view/save-file';
import { windowText } from '@strongroom/page/view/words';
import { codeOf } from '@strongroom/protocol/errors';
import type { AggregateSeal } from '@strongroom/protocol/sealed-aggregate';
import { h } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Measure, pointOf } from '../../measures.ts';
import {
  drawMap,
  MAP_HEIGHT,
  MAP_WIDTH,
  type MapDrawing,
  type MarkOnMap,
  SHADES,
} from '../draw-map.ts';
import { pictureOf } from '../map-picture.ts';
import type { PlaceColumn, PlaceKind } from '../place-column.ts';
import { loadPlaces, type Places } from '../places.ts';

interface Props {
  readonly column: PlaceColumn;
  readonly measure: Measure;
  /** Of the result that is drawn. */
  readonly seal: AggregateSeal;
}

/**
 * One measure of one window at its places. It adds nothing to the table below, which everybody can
 * read; so it can be closed, and is a picture to who cannot see it.
 */
export function PlaceMap(props: Props) {
  const { column, measure } = props;
  const [places, setPlaces] = useState<Places | string | undefined>(undefined);
  useEffect(() => {
    loadPlaces().then(setPlaces, (error: unknown) => setPlaces(codeOf(error) ?? 'ERR_INTERNAL'));
  }, []);
  return h('details', { class: 'map', open: true }, [
    h('summary', null, `Map of ${measure.name} by ${column.name}`),
    places === undefined ? h('p', { class: 'quiet small' }, 'Drawing…') : null,
    typeof places === 'string'
      ? h('p', { class: 'quiet small' }, `No map now (${places}): the table has all of it.`)
      : null,
    typeof places === 'object' ? h(Drawn, { ...props, places }) : null,
  ]);
}

function Drawn({ column, measure, seal, places }: Props & { readonly places: Places }) {
  const figure = useRef<HTMLElement>(null);
  const drawing = drawMap(column, places, (row) => pointOf(measure, row));
  const { land, areas, circles, missing } = drawing;
  const count = areas.length + circles.length;
  const label = `Map: ${measure.name} at ${count} places. The table has the same numbers.`;
  return h('figure', { class: 'map-figure', ref: figure }, [
    h('svg', { viewBox: `0 0 ${MAP_WIDTH} ${MAP_HEIGHT}`, role: 'img', 'aria-label': label }, [
      land.map((path) => h('path', { class: 'map-land', d: path })),
      areas.map((mark) =>
        h('path', { class: `map-area shade-${mark.shade}`, d: mark.path }, h(Told, { mark })),
      ),
      circles.map((mark) => {
        const { x, y, radius, point } = mark;
        const sign = point.value === null ? 'none' : point.value < 0 ? 'below' : 'above';
        const circle = { class: `map-circle map-${sign}`, cx: x, cy: y, r: radius };
        return h('circle', circle, h(Told, { mark }));
      }),
    ]),
    h('figcaption', { class: 'quiet small' }, [
      count === 0 ? null : h(Legend, { drawing, measure, kind: column.kind }),
      h('p', null, [
        `Read as ${READINGS[column.kind]}, by the column's name and the form of its values; `,
        'the contract does not say so. ',
        missing.length === 0 ? null : `Not on the map: ${missing.join(', ')}. `,
        SOURCES[column.kind],
      ]),
      h(SavePicture, { figure, measure, column, seal }),
    ]),
  ]);
}

interface SavePictureProps extends Props {
  readonly figure: { readonly current: HTMLElement | null };
}

function SavePicture({ figure, measure, column, seal }: SavePictureProps) {
  const { query, window } = seal;
  const save = () => {
    const title = `${query}: ${measure.name} by ${column.name}, ${windowText(window)}`;
    if (!figure.current) return;
    savePicture(`${query}-${measure.name}-map`, pictureOf(figure.current, title));
  };
  return h('button', { type: 'button', class: 'link', onClick: save }, 'Save the map as PNG');
}

/** What a pointer is shown. */
function Told({ mark: { code, name, point } }: { readonly mark: MarkOnMap }) {
  const { value, low, high } = point;
  const place = name === code ? code : `${name} (${code})`;
  const bounds = low === null || high === null ? '' : `, ${numberText(low)} to ${numberText(high)}`;
  return h('title', null, `${place}: ${value === null ? '—' : numberText(value)}${bounds}`);
}

const READINGS: Readonly<Record<PlaceKind, string>> = {
  airport: 'airports by their IATA codes',
  country: 'countries by ISO 3166-1 alpha-2',
};
const OUTLINES = 'Outlines: Natural Earth, by who governs what, which is no position of ours.';
const SOURCES: Readonly<Record<PlaceKind, string>> = {
  airport: `${OUTLINES} Airports: OurAirports.`,
  country: `${OUTLINES} Small countries are not drawn.`,
};

interface LegendProps {
  readonly drawing: MapDrawing;
  readonly measure: Measure;
  readonly kind: PlaceKind;
}

function Legend({ drawing: { low, high, circles }, measure, kind }: LegendProps) {
  if (kind === 'airport') {
    const isBelow = circles.some(({ point }) => (point.value ?? 0) < 0);
    const dashed = isBelow ? '; dashed: below 0' : '';
    const size = Math.max(Math.abs(low), Math.abs(high));
    return h(
      'p',
      null,
      `Areas in proportion to ${measure.name}; the largest: ${numberText(size)}${dashed}.`,
    );
  }
  const step = (high - low) / SHADES;
  const shades = low === high ? [SHADES - 1] : Array.from({ length: SHADES }, (_, index) => index);
  return h(
    'ul',
    { class: 'legend', 'aria-label': `Shades of ${measure.name}` },
    shades.map((shade) =>
      h('li', { key: shade }, [
        h('svg', { class: 'shade', viewBox: '0 0 22 14', 'aria-hidden': 'true' }, [
          h('rect', { class: 'map-land', width: 22, height: 14 }),
          h('rect', { class: `map-area shade-${shade}`, width: 22, height: 14 }),
        ]),
        low === high
          ? numberText(low)
          : `${numberText(low + shade * step)} to ${numberText(low + (shade + 1) * step)}`,
      ]),
    ),
  );
}

function numberText(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 2 });
}
