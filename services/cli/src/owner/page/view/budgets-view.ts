import { DataTable } from '@strongroom/page/view/data-table';
import { countText, secondText, windowText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { AccountFacts, DebitFacts, ServiceFacts } from '../../facts.ts';
import type { ViewProps } from './app.ts';
import { PartOf } from './part.ts';

/** How much privacy the results may use up, and what they have. */
export function BudgetsView({ state }: ViewProps) {
  return h('div', { class: 'stack' }, [
    h('div', { class: 'query-title' }, [
      h('h2', null, 'Budgets'),
      h('p', { class: 'quiet' }, [
        'How much of your datasets’ privacy results may use up. A result leaves only when it was ',
        'paid for. Added up here from the log of your service.',
      ]),
    ]),
    h(PartOf<ServiceFacts>, {
      part: state.service,
      waiting: 'Reading and verifying the log of your service…',
      show: ({ accounts, debits }) => h(Books, { accounts, debits }),
    }),
  ]);
}

function Books({ accounts, debits }: Pick<ServiceFacts, 'accounts' | 'debits'>) {
  if (accounts.length === 0) {
    return h('section', { class: 'panel' }, [
      h('p', null, [
        'No budget was set. Queries with noise need one: ',
        h('code', null, 'strongroom ledger budget set'),
        '. Queries without noise have none.',
      ]),
    ]);
  }
  return h('div', { class: 'stack' }, [
    accounts.map((account) => h(Account, { account })),
    h('section', { class: 'panel' }, [
      h('h3', null, 'What was paid for'),
      debits.length === 0
        ? h('p', { class: 'quiet' }, 'No result yet.')
        : h(DebitsTable, { debits }),
    ]),
  ]);
}

function Account({ account }: { readonly account: AccountFacts }) {
  return h('section', { class: 'panel' }, [
    h('div', { class: 'panel-top' }, [
      h('h3', null, account.dataset),
      h('p', { class: 'quiet small' }, `${countText(account.debits, 'result')} paid for`),
    ]),
    h(
      'div',
      { class: 'measures' },
      account.measures
        .filter(isMeant)
        .map(({ name, limit, spent, left, share }) =>
          h('div', null, [
            h('p', { class: 'measure-top' }, [
              h('span', null, [h('strong', null, left), ` of ${name} ${limit} left`]),
              h('span', { class: 'quiet' }, `${spent} used`),
            ]),
            h(Meter, { share }),
          ]),
        ),
    ),
  ]);
}

/** A delta of 0 that was never used says nothing. */
function isMeant({ limit, spent }: AccountFacts['measures'][number]): boolean {
  return limit !== '0' || spent !== '0';
}

/** Beside its numbers it needs no name of its own. */
function Meter({ share }: { readonly share: number }) {
  const width = Math.min(1, share) * 100;
  const drawing = { viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' };
  return h('svg', { class: `meter${share >= 0.9 ? ' meter-full' : ''}`, ...drawing }, [
    h('rect', { x: 0, y: 0, width, height: 10 }),
  ]);
}

function DebitsTable({ debits }: { readonly debits: readonly DebitFacts[] }) {
  return h(DataTable, {
    caption: 'Results that were paid for, the newest first',
    columns: [
      { name: 'Time (UTC)', isTime: true },
      { name: 'Query' },
      { name: 'Window' },
      { name: 'Used up', isText: true },
    ],
    rows: debits.map(({ sequence, at, query, window, charges }) => ({
      id: sequence,
      cells: [secondText(at), query, windowText(window), charges.join('; ')],
    })),
  });
}
