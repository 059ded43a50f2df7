import type { AggregateContent } from '@strongroom/protocol/sealed-aggregate';
import { h } from 'preact';
import { countText, windowText } from '../words.ts';
import type { ViewProps } from './app.ts';

/** Everything that was read: each result with its place, and each record that was refused. */
export function LogView({ store, state }: ViewProps) {
  const results = [...state.results.values()].flat();
  return h('div', { class: 'stack' }, [
    h('h2', null, 'History'),
    h('p', { class: 'quiet' }, [
      'Emissions of a query follow each other without a gap, epochs never fall, and one epoch ',
      'has one worker: otherwise reading stops.',
    ]),
    state.refused.length > 0 ? h(RefusedTable, { store, state }) : null,
    h('div', { class: 'panel scroll', tabIndex: 0, role: 'region', 'aria-label': 'Results read' }, [
      h('table', null, [
        h('caption', { class: 'unseen' }, 'Results that were verified'),
        h('thead', null, [
          h('tr', null, [
            ['Query', 'Window', 'Emission', 'Epoch', 'Checkpoint', 'Rows', 'Withheld', 'Proof'].map(
              (name) =>
                h('th', { scope: 'col', class: COUNTS.includes(name) ? 'number' : '' }, name),
            ),
          ]),
        ]),
        h(
          'tbody',
          null,
          results.map((result) => {
            const { seal, content } = result;
            return h('tr', { key: `${seal.query}.${seal.emission}` }, [
              h('th', { scope: 'row' }, seal.query),
              h('td', null, windowText(seal.window)),
              ...[seal.emission, seal.epoch, seal.checkpoint, content.rows].map((count) =>
                h('td', { class: 'number' }, count.toLocaleString('en')),
              ),
              h('td', null, withheldText(content)),
              h('td', null, [
                h(
                  'button',
                  {
                    type: 'button',
                    class: 'link',
                    'aria-label': `Proof of ${seal.query}, ${windowText(seal.window)}`,
                    onClick: () => store.set({ proofOf: result }),
                  },
                  'Proof',
                ),
              ]),
            ]);
          }),
        ),
      ]),
    ]),
    results.length === 0 ? h('p', { class: 'waiting' }, 'No result yet.') : null,
  ]);
}

const COUNTS = ['Emission', 'Epoch', 'Checkpoint', 'Rows'];

function withheldText({ withheld, suppressedGroups }: AggregateContent): string {
  if (withheld) return 'the whole result';
  return suppressedGroups === 0 ? 'nothing' : countText(suppressedGroups, 'group');
}

function RefusedTable({ state }: ViewProps) {
  return h('section', { class: 'panel panel-bad' }, [
    h('h3', null, 'Refused records'),
    h(
      'p',
      { class: 'quiet' },
      'Forged, damaged or moved. Had one stood in for a true result, the gap would show.',
    ),
    h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Refused records' }, [
      h('table', null, [
        h('caption', { class: 'unseen' }, 'Records that were refused'),
        h('thead', null, [
          h(
            'tr',
            null,
            ['Offset', 'Code', 'What was expected'].map((name) => h('th', { scope: 'col' }, name)),
          ),
        ]),
        h(
          'tbody',
          null,
          state.refused.map(({ offset, code, error }) =>
            h('tr', { key: offset }, [
              h('td', { class: 'number' }, String(offset)),
              h('td', null, [h('code', null, code)]),
              h('td', null, error.message),
            ]),
          ),
        ),
      ]),
    ]),
  ]);
}
