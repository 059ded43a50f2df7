import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { h } from 'preact';
import type { PageState, Store } from '../state.ts';
import { Header } from './header.ts';
import { LogView } from './log-view.ts';
import { Navigation } from './navigation.ts';
import { Notices } from './notices.ts';
import { ProofDialog } from './proof-dialog.ts';
import { ResultsView } from './results-view.ts';
import { VerifyView } from './verify-view.ts';
import { Welcome } from './welcome.ts';

export interface ViewProps {
  readonly store: Store;
  readonly state: PageState;
}

export function App({ store, state }: ViewProps) {
  return h('div', { class: 'page' }, [
    h('a', { class: 'skip', href: '#main' }, 'Skip to the results'),
    h(Header, { store, state }),
    h('div', { class: state.reader ? 'columns' : 'columns columns-one' }, [
      state.reader ? h(Navigation, { store, state }) : null,
      h('main', { id: 'main', tabIndex: -1 }, [
        h(Notices, { store, state }),
        h(Content, { store, state }),
      ]),
    ]),
    h(ProofDialog, { store, state }),
    h('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' }, state.announcement),
  ]);
}

function Content({ store, state }: ViewProps) {
  if (state.view === 'verify') return h(VerifyView, { store, state });
  if (!state.agreed && state.error) return h(ErrorPanel, { error: state.error });
  if (!state.agreed) return h('p', { class: 'waiting' }, 'Loading and verifying the contract…');
  if (!state.reader) return h(Welcome, { store, state });
  return state.view === 'log' ? h(LogView, { store, state }) : h(ResultsView, { store, state });
}
