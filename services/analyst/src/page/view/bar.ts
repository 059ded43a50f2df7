import { h } from 'preact';
import type { Point } from '../../measures.ts';

/** From where to where bars are drawn; 0 is always in it. */
export interface Scale {
  readonly low: number;
  readonly high: number;
}

export function scaleOf(points: readonly Point[]): Scale {
  const values = points.flatMap(({ value, low, high }) => [value, low, high]);
  const known = values.filter((value) => value !== null);
  const scale = { low: Math.min(0, ...known), high: Math.max(0, ...known) };
  return scale.low === scale.high ? { low: 0, high: 1 } : scale;
}

const WIDTH = 120;
const HEIGHT = 14;

/**
 * A bar from 0 to the value, and a whisker over the interval that noise leaves. Beside its number
 * in a table it needs no axis, and nothing of it is lost to who does not see it.
 */
export function Bar({ point, scale }: { readonly point: Point; readonly scale: Scale }) {
  const { value, low, high } = point;
  const at = (number: number) => ((number - scale.low) / (scale.high - scale.low)) * WIDTH;
  const middle = HEIGHT / 2;
  const [left, right] = [at(Math.min(0, value ?? 0)), at(Math.max(0, value ?? 0))];
  const drawing = {
    class: 'bar-drawing',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
  };
  return h('svg', drawing, [
    value === null
      ? null
      : h('rect', { x: left, y: 2, width: Math.max(1, right - left), height: HEIGHT - 4 }),
    low === null || high === null
      ? null
      : h('path', {
          class: 'whisker',
          d: `M${at(low)} ${middle}H${at(high)}M${at(low)} 3V11M${at(high)} 3V11`,
        }),
  ]);
}
