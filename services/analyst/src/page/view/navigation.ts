import { NavItem } from '@strongroom/page/view/nav-item';
import { countText } from '@strongroom/page/view/words';
import { h } from 'preact';
import { NO_FILTER, type View } from '../state.ts';
import type { ViewProps } from './app.ts';

/** The queries that this party reads, and what else there is to look at. */
export function Navigation({ store, state }: ViewProps) {
  const { view, query, results, refused } = state;
  const choose = (id: string) => {
    const { emission: _emission, measure: _measure, ...kept } = state;
    store.replace({ ...kept, view: 'results', query: id, filter: NO_FILTER });
  };
  const open = (next: View) => () => store.set({ view: next });
  const item = (label: string, detail: string, isCurrent: boolean, onClick: () => void) =>
    h(NavItem, { label, detail, isCurrent, onClick });
  return h('nav', { class: 'side', 'aria-label': 'Queries and views' }, [
    h('h2', { class: 'side-title' }, 'Queries'),
    h(
      'ul',
      null,
      [...results].map(([id, list]) =>
        item(id, countText(list.length, 'result'), view === 'results' && id === query, () =>
          choose(id),
        ),
      ),
    ),
    h('h2', { class: 'side-title' }, 'More'),
    h('ul', null, [
      item(
        'History',
        refused.length > 0 ? countText(refused.length, 'record refused', 'records refused') : '',
        view === 'log',
        open('log'),
      ),
      item('Verify a file', '', view === 'verify', open('verify')),
    ]),
  ]);
}
