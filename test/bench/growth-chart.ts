/** Curves as a small SVG: time and memory, each relative to its smallest, on logarithmic axes. */

export interface Point {
  readonly size: number;
  /** Processor time of the whole; absent where it was refused. */
  readonly seconds?: number;
  /** Processor time of one unit. */
  readonly microseconds?: number;
  readonly peakMb?: number;
  readonly refusal?: string;
}

export interface Curve {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly Point[];
}

const PANEL = { width: 300, height: 190, left: 44, right: 12, top: 30, bottom: 34 };
const COLUMNS = 3;
const PLOT = {
  width: PANEL.width - PANEL.left - PANEL.right,
  height: PANEL.height - PANEL.top - PANEL.bottom,
};
const TIME = '#1f6feb';
const MEMORY = '#bc4c00';
/** Decades that every panel shows at least, so that what is flat looks flat. */
const DECADES = 2;

export function chartOf(curves: readonly Curve[]): string {
  const rows = Math.ceil(curves.length / COLUMNS);
  const panels = curves.map((curve, index) => {
    const x = (index % COLUMNS) * PANEL.width;
    const y = Math.floor(index / COLUMNS) * PANEL.height;
    return `<g transform="translate(${x} ${y})">${panelOf(curve)}</g>`;
  });
  const [width, height] = [COLUMNS * PANEL.width, rows * PANEL.height + 20];
  const legend = `<text x="8" y="${height - 6}"><tspan fill="${TIME}">processor time of a unit, us
</tspan><tspan fill="${MEMORY}"> peak memory of the vault, MiB</tspan>; all axes are
logarithmic</text>`;
  const font = 'font-family="sans-serif" font-size="10" fill="#24292f"';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${font}>
<title>Processor time of a unit and peak memory of a vault, as one thing grows</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${panels.join('\n')}
${legend}
</svg>
`;
}

function panelOf({ name, unit, points }: Curve): string {
  const shown = points.filter(({ refusal }) => refusal === undefined);
  const x = scaleOf(
    points.map(({ size }) => size),
    PANEL.left,
    PLOT.width,
  );
  const lines = [
    lineOf(shown, x, ({ microseconds }) => microseconds, TIME),
    lineOf(shown, x, ({ peakMb }) => peakMb, MEMORY),
  ];
  const bottom = PANEL.top + PLOT.height;
  const ticks = points.map(
    ({ size }) =>
      `<text x="${x(size).toFixed(1)}" y="${bottom + 14}" text-anchor="middle">${short(size)}</text>`,
  );
  const refused = points
    .filter(({ refusal }) => refusal !== undefined)
    .map(
      ({ size }) => `<text x="${x(size).toFixed(1)}" y="${bottom - 4}" fill="#cf222e"
text-anchor="middle">refused</text>`,
    );
  return `<text x="${PANEL.left}" y="16" font-weight="bold">${name} (unit: ${unit})</text>
<rect x="${PANEL.left}" y="${PANEL.top}" width="${PLOT.width}" height="${PLOT.height}" fill="none"
stroke="#d0d7de"/>${[...lines, ...ticks, ...refused].join('')}`;
}

/** Each line has a scale of its own, with its figures beside its points. */
function lineOf(
  points: readonly Point[],
  x: (value: number) => number,
  of: (point: Point) => number | undefined,
  colour: string,
): string {
  const values = points.map((point) => of(point) ?? 0);
  const y = scaleOf(values, PANEL.top + PLOT.height - 14, -(PLOT.height - 34), DECADES);
  const at = points.map(({ size }, index) => ({ x: x(size), y: y(values[index] ?? 1) }));
  const path = at.map((each) => `${each.x.toFixed(1)},${each.y.toFixed(1)}`).join(' ');
  const figures = at.map(
    (each, index) => `<text x="${each.x.toFixed(1)}" y="${(each.y - 5).toFixed(1)}" fill="${colour}"
text-anchor="middle">${short(values[index] ?? 0)}</text>`,
  );
  return `<polyline points="${path}" fill="none" stroke="${colour}"/>${figures.join('')}`;
}

/** From the smallest value at `from` to the largest, `length` further. */
function scaleOf(values: readonly number[], from: number, length: number, decades = 0) {
  const logs = values.map((value) => Math.log10(value));
  const least = Math.min(...logs);
  const span = Math.max(Math.max(...logs) - least, decades, Number.EPSILON);
  return (value: number) => from + ((Math.log10(value) - least) / span) * length;
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 10_000) return `${Math.round(value / 1_000)} k`;
  return value >= 100 ? `${Math.round(value)}` : `${Number(value.toPrecision(2))}`;
}
