import { type StateKind, StateMark, TopBar } from '@strongroom/page/view/top-bar';
import { h } from 'preact';
import type { ViewProps } from './app.ts';

export function Header({ store, state }: ViewProps) {
  const { agreed, reader, theme } = state;
  const kind = state.error ? 'stopped' : state.connection;
  return h(
    TopBar,
    {
      title: agreed?.contract.title ?? 'Strongroom',
      contractId: agreed?.contractId,
      detail: reader ? `, read by ${reader.party}` : '',
      theme,
      onTheme: (next) => store.set({ theme: next }),
    },
    reader ? h(StateMark, { kind, text: CONNECTIONS[kind] }) : null,
  );
}

const CONNECTIONS: Readonly<Record<StateKind, string>> = {
  connecting: 'Reading the log…',
  live: 'Live',
  lost: 'No connection, trying again',
  stopped: 'Stopped',
};
