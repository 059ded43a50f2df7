import { DataTable } from '@strongroom/page/view/data-table';
import { countText, windowText } from '@strongroom/page/view/words';
import type { AggregateContent } from '@strongroom/protocol/sealed-aggregate';
import { h } from 'preact';
import type { VerifiedResult } from '../../open-aggregate.ts';
import type { ViewProps } from './app.ts';

/** Everything that was read: each result with its place, and each record that was refused. */
export function LogView({ store, state }: ViewProps) {
  const results = [...state.results.values()].flat();
  const showProof = (proofOf: VerifiedResult) => store.set({ proofOf });
  return h('div', { class: 'stack' }, [
    h('h2', null, 'History'),
    h('p', { class: 'quiet' }, [
      'Emissions of a query follow each other without a gap, epochs never fall, and one epoch ',
      'has one worker: otherwise reading stops.',
    ]),
    state.refused.length > 0 ? h(RefusedTable, { store, state }) : null,
    h('div', { class: 'panel' }, [
      h(DataTable, {
        caption: 'Results that were verified',
        columns: RESULT_COLUMNS,
        rows: results.map((result) => rowOf(result, showProof)),
        hasRowHeads: true,
      }),
    ]),
    results.length === 0 ? h('p', { class: 'waiting' }, 'No result yet.') : null,
  ]);
}

const RESULT_COLUMNS = [
  { name: 'Query' },
  { name: 'Window' },
  ...['Emission', 'Epoch', 'Checkpoint', 'Rows'].map((name) => ({ name, isNumber: true })),
  { name: 'Withheld' },
  { name: 'Proof' },
];

function rowOf(result: VerifiedResult, showProof: (result: VerifiedResult) => void) {
  const { seal, content } = result;
  const counts = [seal.emission, seal.epoch, seal.checkpoint, content.rows];
  const button = {
    type: 'button',
    class: 'link',
    'aria-label': `Proof of ${seal.query}, ${windowText(seal.window)}`,
    onClick: () => showProof(result),
  };
  return {
    id: `${seal.query}.${seal.emission}`,
    cells: [
      seal.query,
      windowText(seal.window),
      ...counts.map((count) => count.toLocaleString('en')),
      withheldText(content),
      h('button', button, 'Proof'),
    ],
  };
}

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
    h(DataTable, {
      caption: 'Records that were refused',
      columns: [
        { name: 'Offset', isNumber: true },
        { name: 'Code' },
        { name: 'What was expected', isText: true },
      ],
      rows: state.refused.map(({ offset, code, error }) => ({
        id: offset,
        cells: [String(offset), h('code', null, code), error.message],
      })),
    }),
  ]);
}
