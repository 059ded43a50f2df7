/**
 * A map as a picture. The page's policy lets in no image that is not its server's own, and so no
 * SVG by an address that was made here: each shape is painted onto a canvas as the page shows it,
 * in its colours of the moment, and what is written around the map is written there again.
 */

const SCALE = 2;
const MARGIN = 16;
const LINE = 20;
const SWATCH_GAP = 8;
const COLUMN = 190;
const FONT = '13px system-ui, "Segoe UI", Roboto, sans-serif';
const TITLE_FONT = `600 ${FONT.replace('13px', '15px')}`;

/** @param figure the map, its legend and what stands below it */
export function pictureOf(figure: HTMLElement, title: string): HTMLCanvasElement {
  const map = figure.querySelector<SVGSVGElement>(':scope > svg');
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  if (!map || !context) return canvas;
  const { width, height } = map.viewBox.baseVal;
  const legend = [...figure.querySelectorAll<HTMLElement>('.legend li')];
  context.font = FONT;
  const notes = [...figure.querySelectorAll('figcaption p')].flatMap((note) =>
    wrapped(context, note.textContent ?? '', width),
  );
  const legendTop = MARGIN + LINE + height + LINE;
  const columns = Math.floor(width / COLUMN);
  const legendHeight = Math.ceil(legend.length / columns) * LINE;
  const notesTop = legendTop + legendHeight + (legend.length > 0 ? LINE / 2 : 0);
  canvas.width = SCALE * (width + 2 * MARGIN);
  canvas.height = SCALE * (notesTop + notes.length * LINE + MARGIN);
  context.scale(SCALE, SCALE);
  const { color } = getComputedStyle(figure);
  fill(context, getComputedStyle(map).backgroundColor, canvas);
  context.translate(MARGIN, MARGIN);
  write(context, title, 0, { color, font: TITLE_FONT });
  paintAll(context, map, { x: 0, y: LINE });
  for (const [index, item] of legend.entries()) {
    const place = { x: (index % columns) * COLUMN, y: Math.floor(index / columns) * LINE };
    const at = { x: place.x, y: legendTop - MARGIN + place.y };
    const swatch = item.querySelector('svg');
    const size = swatch ? paintAll(context, swatch, at) : 0;
    write(context, item.textContent ?? '', at.y, {
      color,
      font: FONT,
      x: at.x + size + SWATCH_GAP,
    });
  }
  for (const [index, line] of notes.entries()) {
    write(context, line, notesTop - MARGIN + index * LINE, { color, font: FONT });
  }
  return canvas;
}

function fill(context: CanvasRenderingContext2D, color: string, canvas: HTMLCanvasElement): void {
  context.fillStyle = color;
  context.fillRect(0, 0, canvas.width, canvas.height);
}

interface Writing {
  readonly color: string;
  readonly font: string;
  readonly x?: number;
}

function write(
  context: CanvasRenderingContext2D,
  text: string,
  y: number,
  { color, font, x = 0 }: Writing,
): void {
  context.font = font;
  context.fillStyle = color;
  context.textBaseline = 'top';
  context.fillText(text, x, y);
}

function wrapped(context: CanvasRenderingContext2D, text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    if (last !== undefined && context.measureText(longer).width <= width) {
      lines[lines.length - 1] = longer;
    } else lines.push(word);
  }
  return lines;
}

/** @returns how wide it is */
function paintAll(
  context: CanvasRenderingContext2D,
  drawing: SVGSVGElement,
  { x, y }: { readonly x: number; readonly y: number },
): number {
  const { width, height } = drawing.viewBox.baseVal;
  context.save();
  context.translate(x, y);
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  for (const shape of drawing.children) paint(context, shape);
  context.restore();
  return width;
}

function paint(context: CanvasRenderingContext2D, shape: Element): void {
  const outline = outlineOf(shape);
  if (!outline) return;
  const look = getComputedStyle(shape);
  if (look.fill !== 'none') {
    context.globalAlpha = Number(look.fillOpacity);
    context.fillStyle = look.fill;
    context.fill(outline);
  }
  if (look.stroke !== 'none') {
    context.globalAlpha = Number(look.strokeOpacity);
    context.strokeStyle = look.stroke;
    context.lineWidth = Number.parseFloat(look.strokeWidth);
    context.setLineDash(look.strokeDasharray.match(/[\d.]+/g)?.map(Number) ?? []);
    context.stroke(outline);
  }
  context.globalAlpha = 1;
}

/** The three shapes that a map and its legend are of. */
function outlineOf(shape: Element): Path2D | undefined {
  const number = (name: string) => Number(shape.getAttribute(name));
  if (shape.localName === 'path') return new Path2D(shape.getAttribute('d') ?? '');
  const outline = new Path2D();
  if (shape.localName === 'circle') {
    outline.arc(number('cx'), number('cy'), number('r'), 0, 2 * Math.PI);
    return outline;
  }
  if (shape.localName !== 'rect') return undefined;
  outline.rect(0, 0, number('width'), number('height'));
  return outline;
}
