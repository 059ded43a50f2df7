import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { StateMark, TopBar } from '@strongroom/page/view/top-bar';
import { secondText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { Desk } from '../desk.ts';
import type { PageState, Store } from '../state.ts';
import { AgreementView } from './agreement-view.ts';
import { BudgetsView } from './budgets-view.ts';
import { EndingDialog } from './ending-dialog.ts';
import { Navigation } from './navigation.ts';
import { OverviewView } from './overview-view.ts';
import { ProofsView } from './proofs-view.ts';
import { RequestsView } from './requests-view.ts';
import { UsesView } from './uses-view.ts';

export interface ViewProps {
  readonly store: Store;
  readonly state: PageState;
  readonly desk: Desk;
}

interface AppProps extends Omit<ViewProps, 'desk'> {
  readonly desk: Desk | undefined;
}

export function App({ store, state, desk }: AppProps) {
  const { overview, theme } = state;
  const isOpen = desk !== undefined && overview !== undefined;
  return h('div', { class: 'page' }, [
    h('a', { class: 'skip', href: '#main' }, 'Skip to the content'),
    h(
      TopBar,
      {
        title: overview?.title ?? 'Strongroom',
        contractId: overview?.contractId,
        detail: overview ? `, of ${overview.party.name}` : '',
        theme,
        onTheme: (next) => store.set({ theme: next }),
      },
      isOpen ? h(TopEnd, { store, state, desk }) : null,
    ),
    h('div', { class: isOpen ? 'columns' : 'columns columns-one' }, [
      isOpen ? h(Navigation, { store, state, desk }) : null,
      h('main', { id: 'main', tabIndex: -1 }, [
        h(Notices, { state }),
        isOpen ? h(Content, { store, state, desk }) : h(Closed, { state }),
      ]),
    ]),
    isOpen && state.ending ? h(EndingDialog, { store, state, desk }) : null,
    h('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' }, state.announcement),
  ]);
}

function TopEnd({ state, desk }: ViewProps) {
  const lease = state.service.value?.lease.state;
  const isEnded = lease === 'revoked' || lease === 'superseded';
  const kind = state.error ? 'lost' : isEnded ? 'stopped' : lease ? 'live' : 'connecting';
  const refresh = { type: 'button', class: 'button button-quiet' };
  return [
    h(StateMark, { kind, text: STATES[kind] }),
    h('button', { ...refresh, onClick: () => void desk.refresh() }, 'Refresh'),
  ];
}

const STATES = {
  lost: 'No connection',
  stopped: 'Ended',
  live: 'In force',
  connecting: 'Asking…',
} as const;

function Content(props: ViewProps) {
  switch (props.state.view) {
    case 'overview':
      return h(OverviewView, props);
    case 'uses':
      return h(UsesView, props);
    case 'requests':
      return h(RequestsView, props);
    case 'budgets':
      return h(BudgetsView, props);
    case 'agreement':
      return h(AgreementView, props);
    case 'proofs':
      return h(ProofsView, props);
  }
}

/** Before anything can be asked for. */
function Closed({ state }: { readonly state: PageState }) {
  if (state.isLocked) {
    return h('section', { class: 'panel empty' }, [
      h('h2', null, 'This page needs its address'),
      h('p', null, [
        'Open the address that ',
        h('code', null, 'strongroom owner serve'),
        ' has printed, to its last letter. Each start has another one.',
      ]),
    ]);
  }
  if (state.error) return h(ErrorPanel, { error: state.error });
  return h('p', { class: 'waiting' }, 'Asking the server…');
}

/** What holds for everything below. */
function Notices({ state }: { readonly state: PageState }) {
  const { overview, error, endedAt, service } = state;
  const lease = service.value?.lease;
  const isRevoked = lease?.state === 'revoked' || endedAt !== undefined;
  const when = endedAt ?? lease?.at ?? null;
  return h('div', { class: 'notices' }, [
    overview?.isSimulated
      ? h('p', { class: 'note note-warn' }, [
          h('strong', null, 'Simulated platform. '),
          'No hardware protects these rows: it shows how everything works, and proves nothing.',
        ])
      : null,
    isRevoked
      ? h('section', { class: 'panel panel-warn' }, [
          h('h2', null, 'You have ended this contract'),
          h('p', null, [
            when === null ? '' : `At ${secondText(when)} UTC, by your service’s signed word. `,
            'It gives nothing under it any more.',
          ]),
        ])
      : null,
    lease?.state === 'superseded'
      ? h('section', { class: 'panel panel-warn' }, [
          h('h2', null, 'An amendment has followed this contract'),
          h('p', null, ['Your service approved ', h('code', null, lease.successor ?? ''), '.']),
        ])
      : null,
    error && overview ? h(ErrorPanel, { error }) : null,
  ]);
}
