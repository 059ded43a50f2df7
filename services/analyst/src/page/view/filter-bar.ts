import type { Query } from '@strongroom/protocol/contract';
import { h } from 'preact';
import { hasWindows } from '../filter.ts';
import { type Filter, NO_FILTER } from '../state.ts';
import type { ViewProps } from './app.ts';

export function FilterBar({ store, state, query }: ViewProps & { readonly query: Query }) {
  const { filter } = state;
  const field = (name: keyof Filter, label: string, type: 'date' | 'search') =>
    h('label', { class: 'field' }, [
      h('span', null, label),
      h('input', {
        type,
        value: filter[name],
        onInput: (event: { currentTarget: HTMLInputElement }) =>
          store.set({ filter: { ...store.state.filter, [name]: event.currentTarget.value } }),
      }),
    ]);
  const isSet = Object.values(filter).some((text) => text !== '');
  return h('div', { class: 'fields', role: 'search', 'aria-label': 'Filter results' }, [
    field('group', 'Group contains', 'search'),
    ...(hasWindows(query) ? [field('from', 'From', 'date'), field('until', 'Until', 'date')] : []),
    isSet
      ? h(
          'button',
          { type: 'button', class: 'button', onClick: () => store.set({ filter: NO_FILTER }) },
          'Clear',
        )
      : null,
  ]);
}
