import { isoText } from '@strongroom/page/view/words';
import uPlot from 'uplot';
import type { Point, Series } from '../measures.ts';

/** Lines that can still be told apart. */
export const LINES_MAX = 6;

interface Drawing {
  /** Of each window, in seconds. */
  readonly starts: readonly number[];
  readonly lines: readonly Series[];
  readonly measure: string;
}

/** The dashes tell lines apart where colours do not. */
const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [8, 3, 2, 3], [10, 4], [4, 2]];

export function linePaint(index: number): { readonly dash: readonly number[] } {
  return { dash: DASHES[index % DASHES.length] ?? [] };
}

const HEIGHT = 260;
const BAND_OPACITY = 0.17;

/** Draws over whatever was there; colours are those of the page's theme. */
export function drawSeries(place: HTMLElement, { starts, lines, measure }: Drawing): uPlot {
  const colour = (name: string) => {
    place.style.color = `var(${name})`;
    return getComputedStyle(place).color;
  };
  const ofLine = (index: number) => colour(`--line-${index}`);
  const axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--edge'), width: 1 },
    ticks: { stroke: colour('--edge'), width: 1 },
    font: FONT,
  };
  const banded = lines.map(({ points }) => points.some((point) => point?.low != null));
  const options: uPlot.Options = {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    padding: [null, MARK_WIDTH / 2, null, null],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: { min: { soft: 0, mode: 1 }, max: { pad: 0.1 } } } },
    axes: [
      { ...axis, space: MARK_WIDTH, values: (_plot, all) => all.map(timeText(all)) },
      { ...axis, size: AXIS_WIDTH, values: (_plot, all) => all.map(shortNumber) },
    ],
    series: [
      { label: 'window' },
      ...lines.flatMap(({ group }, index) => seriesFor(group, index, ofLine(index), banded[index])),
    ],
    bands: bandsOf(lines, banded, ofLine),
  };
  const data = [[...starts], ...lines.flatMap((line, index) => dataOf(line, banded[index]))];
  place.replaceChildren();
  place.dataset['measure'] = measure;
  return new uPlot(options, data as uPlot.AlignedData, place);
}

const FONT = '12px system-ui, sans-serif';
const AXIS_WIDTH = 58;
/** Of a day below the drawing, with room to the next. */
const MARK_WIDTH = 84;

/** Days where all marks are days, the time of day where not, as the windows are called; in UTC. */
function timeText(all: readonly number[]): (seconds: number) => string {
  const isDays = all.every((seconds) => seconds % DAY_SECONDS === 0);
  const [from, to] = isDays ? [0, 10] : [5, 16];
  return (seconds) =>
    isoText(seconds * 1_000)
      .slice(from, to)
      .replace('T', ' ');
}

const DAY_SECONDS = 86_400;

function shortNumber(value: number): string {
  return value.toLocaleString('en', { notation: 'compact', maximumFractionDigits: 2 });
}

function seriesFor(group: string, index: number, stroke: string, isBanded = false): uPlot.Series[] {
  const line = {
    label: group,
    stroke,
    width: 2,
    dash: [...linePaint(index).dash],
    points: { size: 6 },
  };
  const edge = { label: `${group}, bound`, stroke: 'transparent', points: { show: false } };
  return isBanded ? [line, edge, edge] : [line];
}

/** Value, then the upper and the lower bound where there are any. */
function dataOf({ points }: Series, isBanded = false): (number | null)[][] {
  const column = (part: keyof Point) => points.map((point) => point?.[part] ?? null);
  return isBanded ? [column('value'), column('high'), column('low')] : [column('value')];
}

function bandsOf(
  lines: readonly Series[],
  banded: readonly boolean[],
  ofLine: (index: number) => string,
): uPlot.Band[] {
  const bands: uPlot.Band[] = [];
  let next = 1;
  for (const index of lines.keys()) {
    if (banded[index]) {
      bands.push({ series: [next + 1, next + 2], fill: faint(ofLine(index)) });
    }
    next += banded[index] ? 3 : 1;
  }
  return bands;
}

/** @param colour as a browser computes one: `rgb(1, 2, 3)` */
function faint(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${BAND_OPACITY})`);
}
