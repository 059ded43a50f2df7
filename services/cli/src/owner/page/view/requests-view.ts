import { DataTable } from '@strongroom/page/view/data-table';
import { secondText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { RequestFacts, RequestKind } from '../../facts.ts';
import type { RequestList } from '../state.ts';
import type { ViewProps } from './app.ts';
import { PartOf } from './part.ts';

const KINDS: readonly (readonly [RequestKind, string])[] = [
  ['keys', 'Requests for keys'],
  ['contract', 'Contract and lease'],
  ['budgets', 'Budgets'],
  ['administration', 'Administration'],
  ['all', 'Everything'],
];

/** Who asked the owner's service for what, and what was answered: its audit log, verified. */
export function RequestsView({ state, desk }: ViewProps) {
  const { requests, kind, service } = state;
  const choose = ({ currentTarget }: { currentTarget: HTMLSelectElement }) => {
    const chosen = KINDS.find(([name]) => name === currentTarget.value)?.[0] ?? 'keys';
    void desk.showRequests(chosen);
  };
  const audit = service.value?.audit;
  return h('div', { class: 'stack' }, [
    h('div', { class: 'bar' }, [
      h('div', { class: 'query-title' }, [
        h('h2', null, 'Who asked for keys'),
        h('p', { class: 'quiet' }, [
          'The audit log of your service',
          audit
            ? `: ${audit.entries.toLocaleString('en')} entries, all of them under its signature.`
            : '.',
        ]),
      ]),
      h('label', { class: 'field' }, [
        h('span', null, 'Show'),
        h(
          'select',
          { value: kind, onChange: choose },
          KINDS.map(([name, label]) => h('option', { value: name }, label)),
        ),
      ]),
    ]),
    h(PartOf<RequestList>, {
      part: requests,
      waiting: 'Reading and verifying the log of your service…',
      show: (list) =>
        h('section', { class: 'panel' }, [
          h(RequestsTable, { requests: list.requests }),
          list.before === undefined
            ? null
            : h('p', null, [
                h(
                  'button',
                  { type: 'button', class: 'button', onClick: () => void desk.showOlderRequests() },
                  'Show older ones',
                ),
              ]),
        ]),
    }),
  ]);
}

export function RequestsTable({ requests }: { readonly requests: readonly RequestFacts[] }) {
  if (requests.length === 0) return h('p', { class: 'quiet' }, 'Nothing of this kind yet.');
  return h(DataTable, {
    caption: 'What the service was asked and what it answered, the newest first',
    columns: [
      { name: 'Time (UTC)', isTime: true },
      { name: 'What, and the answer', isText: true },
      { name: 'Asked by' },
      { name: 'About' },
    ],
    rows: requests.map(({ sequence, at, what, caller, about, answer, isRefusal }) => ({
      id: sequence,
      cells: [
        h('span', { title: `entry ${sequence}` }, secondText(at)),
        [
          h('p', isRefusal ? { class: 'refusal' } : null, what),
          answer === '' ? null : h('p', { class: 'answer' }, answer),
        ],
        caller,
        about,
      ],
    })),
  });
}
