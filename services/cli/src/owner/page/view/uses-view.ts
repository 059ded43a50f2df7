import { DataTable } from '@strongroom/page/view/data-table';
import { countText, isoText, windowText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { DataFacts, UsedWindow, UsesFacts } from '../../facts.ts';
import type { ViewProps } from './app.ts';
import { Without } from './overview-view.ts';
import { PartOf } from './part.ts';

/** What became of the owner's rows, by the signed word of attested workers. */
export function UsesView({ state }: ViewProps) {
  const { overview, data } = state;
  const option = overview?.can.readLog ? '--identity' : '--brokers and --identity';
  return h('div', { class: 'stack' }, [
    h('div', { class: 'query-title' }, [
      h('h2', null, 'What was counted'),
      h('p', { class: 'quiet' }, [
        'Your ledger of uses: attested workers write down, sealed to you, what each step did with ',
        'your data. One chain without a gap.',
      ]),
    ]),
    overview?.can.readUses
      ? h(PartOf<DataFacts>, {
          part: data,
          waiting: 'Reading and verifying your ledger of uses…',
          show: ({ uses, quarantined }) =>
            uses
              ? h(Uses, { uses, quarantined })
              : h('p', { class: 'waiting' }, 'No worker has counted anything yet.'),
        })
      : h('section', { class: 'panel' }, [
          h(Without, { what: 'Only your reading key opens it', option }),
        ]),
  ]);
}

interface Props {
  readonly uses: UsesFacts;
  readonly quarantined: number | null;
}

function Uses({ uses, quarantined }: Props) {
  const { windows, windowsInAll, stop } = uses;
  return h('div', { class: 'stack' }, [
    h('section', { class: 'panel' }, [
      h('dl', { class: 'facts' }, [
        h('dt', null, 'Chain'),
        h('dd', null, [
          `${countText(uses.entries, 'entry', 'entries')}, none missing; head `,
          h('code', null, uses.head),
        ]),
        h('dt', null, 'Starts'),
        h('dd', null, countText(uses.starts, 'worker')),
        h('dt', null, 'Set aside'),
        h('dd', null, setAsideText(uses, quarantined)),
        h('dt', null, 'Late'),
        h('dd', null, `${countText(uses.lateRows, 'row')} came after a window had closed`),
        h('dt', null, 'Taken back'),
        h('dd', null, countText(uses.retractedRows, 'row')),
        stop ? [h('dt', null, 'Ended'), h('dd', null, `by ${stop.by}, ${isoText(stop.at)}`)] : null,
      ]),
    ]),
    uses.refusedRecords > 0
      ? h('p', { class: 'note note-bad' }, [
          `${countText(uses.refusedRecords, 'record')} on the topic of your ledger `,
          'did not verify: nothing of them was believed.',
        ])
      : null,
    h('section', { class: 'panel' }, [
      h('h3', null, 'Results that counted your rows'),
      windows.length < windowsInAll
        ? h('p', { class: 'quiet small' }, [
            `The newest ${windows.length} of ${windowsInAll.toLocaleString('en')}; `,
            h('code', null, 'strongroom uses'),
            ' prints all.',
          ])
        : null,
      h(DataTable, {
        caption: 'Results that counted your rows, the newest first',
        hasRowHeads: true,
        columns: [
          { name: 'Query' },
          { name: 'Window' },
          { name: 'Your rows', isNumber: true },
          { name: 'Groups', isNumber: true },
          { name: 'Withheld' },
          { name: 'Read by' },
          { name: 'Code' },
        ],
        rows: windows.map(rowOf),
      }),
    ]),
  ]);
}

function rowOf({ id, query, window, rows, groups, readers, code, ...rest }: UsedWindow) {
  const { withheld, suppressedGroups } = rest;
  const kept = suppressedGroups > 0 ? countText(suppressedGroups, 'small group') : 'nothing';
  return {
    id,
    cells: [
      query,
      windowText(window),
      rows.toLocaleString('en'),
      groups.toLocaleString('en'),
      withheld === '' ? kept : `all: ${withheld}`,
      readers.join(', '),
      code,
    ],
  };
}

function setAsideText({ refusals }: UsesFacts, quarantined: number | null): string {
  const texts = refusals.map(({ code, count }) => `${count} × ${code}`);
  const refused = texts.length === 0 ? 'no record' : texts.join(', ');
  return quarantined === null || quarantined === 0
    ? refused
    : `${refused}; ${countText(quarantined, 'record')} in your quarantine`;
}
