import { countText, windowText } from '@strongroom/page/view/words';
import type { Query } from '@strongroom/protocol/contract';
import { h } from 'preact';
import { measuresOf } from '../../measures.ts';
import type { VerifiedResult } from '../../open-aggregate.ts';
import { remarkWords } from '../../result-words.ts';
import { wantedRows, windowsWithin } from '../filter.ts';
import { placeColumnOf } from '../place-column.ts';
import type { Store } from '../state.ts';
import { cutText } from '../words.ts';
import type { ViewProps } from './app.ts';
import { ExportMenu } from './export-menu.ts';
import { FilterBar } from './filter-bar.ts';
import { PlaceMap } from './place-map.ts';
import { ResultTable } from './result-table.ts';
import { SeriesChart } from './series-chart.ts';
import { WindowPicker } from './window-picker.ts';

/** One query: its words, its windows over time, and one window's rows. */
export function ResultsView({ store, state }: ViewProps) {
  const query = state.agreed?.contract.queries.find(({ id }) => id === state.query);
  if (!query) return null;
  const all = state.results.get(query.id) ?? [];
  const shown = windowsWithin(all, state.filter);
  const result = shown.find(({ seal }) => seal.emission === state.emission) ?? shown.at(-1);
  return h('article', { class: 'query' }, [
    h(QueryTitle, { query }),
    all.length === 0 ? h(Waiting, { isLive: state.connection === 'live' }) : null,
    all.length > 0
      ? h('div', { class: 'bar' }, [
          h(FilterBar, { store, state, query }),
          h(ExportMenu, { query, results: shown }),
        ])
      : null,
    all.length > 0 && shown.length === 0
      ? h('p', { class: 'waiting' }, 'No window begins within these days.')
      : null,
    result ? h(OneResult, { store, state, query, shown, result }) : null,
  ]);
}

interface OneResultProps extends ViewProps {
  readonly query: Query;
  readonly shown: readonly VerifiedResult[];
  readonly result: VerifiedResult;
}

function OneResult({ store, state, query, shown, result }: OneResultProps) {
  const whole = shown.findLast(({ content }) => !content.withheld) ?? result;
  const measures = measuresOf(whole, query);
  const measure = measures.find(({ name }) => name === state.measure) ?? measures[0];
  const { filter } = state;
  const { rows, withheld } = result.content;
  const size = withheld ? 'withheld' : countText(rows, 'row');
  const words = [size, ...remarkWords(result, query)];
  const places = withheld ? undefined : placeColumnOf(result, wantedRows(result, filter));
  // The chart's columns are of a window that has rows, which need not be this one.
  const drawn = measuresOf(result, query).find(({ name }) => name === measure?.name);
  return h('div', { class: 'stack' }, [
    measures.length > 0 && shown.length > 1
      ? h('section', { class: 'panel', 'aria-labelledby': 'over-time' }, [
          h('div', { class: 'panel-top' }, [
            h('h3', { id: 'over-time' }, 'Over time'),
            h(MeasurePicker, {
              store,
              names: measures.map(({ name }) => name),
              chosen: measure?.name ?? '',
            }),
          ]),
          measure ? h(SeriesChart, { query, results: shown, measure: measure.name, filter }) : null,
        ])
      : null,
    h('section', { class: 'panel', 'aria-labelledby': 'one-window' }, [
      h('div', { class: 'panel-top' }, [
        h('h3', { id: 'one-window' }, windowText(result.seal.window)),
        h(WindowPicker, { store, state, shown, result }),
      ]),
      h('p', { class: 'quiet small' }, words.join(' · ')),
      places && drawn ? h(PlaceMap, { column: places, measure: drawn, seal: result.seal }) : null,
      h(ResultTable, {
        key: `${query.id}.${result.seal.emission}`,
        query,
        result,
        filter,
        ...(measure ? { measure: measure.name } : {}),
      }),
    ]),
  ]);
}

function QueryTitle({ query }: { readonly query: Query }) {
  const { disclosure, privacy } = query;
  const minimum = `groups of ${disclosure.minimumGroupRows} rows or more`;
  return h('div', { class: 'query-title' }, [
    h('h2', null, query.id),
    h('p', { class: 'quiet' }, [
      `${cutText(query)}; ${privacy ? 'with noise' : minimum}; times are UTC`,
    ]),
    h('details', null, [
      h('summary', null, 'SQL that all parties signed'),
      h('pre', { tabIndex: 0 }, query.sql),
    ]),
  ]);
}

function Waiting({ isLive }: { readonly isLive: boolean }) {
  return h('div', { class: 'panel empty' }, [
    h('h3', null, isLive ? 'No result yet' : 'Reading…'),
    h('p', { class: 'quiet' }, [isLive ? LIVE_WITHOUT_RESULT : READING]),
  ]);
}

const LIVE_WITHOUT_RESULT =
  'A window closes when every owner has said that its rows up to its end are there. ' +
  'New results appear by themselves.';
const READING =
  'Every record from the beginning of the log is verified: only all of it shows that nothing ' +
  'is missing.';

interface MeasurePickerProps {
  readonly store: Store;
  readonly names: readonly string[];
  readonly chosen: string;
}

function MeasurePicker({ store, names, chosen }: MeasurePickerProps) {
  return h('label', { class: 'field field-inline' }, [
    h('span', null, 'Column'),
    h(
      'select',
      {
        value: chosen,
        onChange: (event: { currentTarget: HTMLSelectElement }) =>
          store.set({ measure: event.currentTarget.value }),
      },
      names.map((name) => h('option', { value: name }, name)),
    ),
  ]);
}
