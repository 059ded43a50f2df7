import { savePicture } from '@strongroom/page/view/save-file';
import type { Query } from '@strongroom/protocol/contract';
import { Component, createRef, h } from 'preact';
import type uPlot from 'uplot';
import { type Series, seriesOf } from '../../measures.ts';
import type { VerifiedResult } from '../../open-aggregate.ts';
import { drawSeries, LINES_MAX, linePaint } from '../draw-series.ts';
import { isWanted } from '../filter.ts';
import type { Filter } from '../state.ts';

interface Props {
  readonly query: Query;
  readonly results: readonly VerifiedResult[];
  readonly measure: string;
  readonly filter: Filter;
}

/**
 * One measure over the windows, a line per group. The table below holds the same numbers, so that
 * nothing is lost to who does not see the drawing.
 */
export class SeriesChart extends Component<Props> {
  readonly #place = createRef<HTMLDivElement>();
  readonly #observer = new ResizeObserver(() => this.#draw());
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #theme = new MutationObserver(() => this.#draw());
  #plot: uPlot | undefined;
  #drawn = '';

  override componentDidMount(): void {
    if (this.#place.current) this.#observer.observe(this.#place.current);
    this.#scheme.addEventListener('change', this.#repaint);
    this.#theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }

  override componentDidUpdate(): void {
    this.#draw();
  }

  override componentWillUnmount(): void {
    this.#observer.disconnect();
    this.#theme.disconnect();
    this.#scheme.removeEventListener('change', this.#repaint);
    this.#plot?.destroy();
  }

  readonly #repaint = () => this.#draw();

  get #series(): { readonly lines: readonly Series[]; readonly all: number } {
    const { results, query, measure, filter } = this.props;
    const all = seriesOf(results, query, measure).filter(({ group }) => isWanted(group, filter));
    return { lines: all.slice(0, LINES_MAX), all: all.length };
  }

  #draw(): void {
    const place = this.#place.current;
    if (!place || place.clientWidth === 0) return;
    const { results, measure } = this.props;
    const { lines } = this.#series;
    const { theme } = document.documentElement.dataset;
    const look = [theme, this.#scheme.matches, place.clientWidth];
    const drawn = JSON.stringify([measure, results.length, lines.map(({ group }) => group), look]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#plot?.destroy();
    const starts = results.map(({ seal }) => (seal.window?.start ?? 0) / 1_000);
    this.#plot = drawSeries(place, { starts, lines, measure });
  }

  readonly #savePicture = () => {
    const { query, measure } = this.props;
    savePicture(`${query.id}-${measure}`, this.#plot?.ctx.canvas);
  };

  override render({ measure }: Props) {
    const { lines, all } = this.#series;
    const what = `${measure} over time, ${lines.length} of ${all} groups`;
    return h('figure', { class: 'chart' }, [
      h('div', { class: 'chart-place', ref: this.#place, role: 'img', 'aria-label': what }),
      h('figcaption', null, [
        h(
          'ul',
          { class: 'legend', 'aria-label': 'Groups drawn' },
          lines.map(({ group }, index) =>
            h('li', { key: group }, [
              h('svg', { class: 'swatch', viewBox: '0 0 22 8', 'aria-hidden': 'true' }, [
                h('path', {
                  d: 'M0 4H22',
                  class: `line line-${index}`,
                  'stroke-dasharray': linePaint(index).dash.join(' '),
                }),
              ]),
              group,
            ]),
          ),
        ),
        h('p', { class: 'quiet small chart-foot' }, [
          all > lines.length
            ? `The ${lines.length} of ${all} groups with the largest newest values; ` +
              'filter to see others. '
            : null,
          lines.some(hasInterval) ? 'Bands: between them lies the true value. ' : null,
          h('button', { type: 'button', class: 'link', onClick: this.#savePicture }, 'Save as PNG'),
        ]),
      ]),
    ]);
  }
}

function hasInterval({ points }: Series): boolean {
  return points.some((point) => point !== undefined && point.low !== null);
}
