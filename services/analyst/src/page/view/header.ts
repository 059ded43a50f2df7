import { h } from 'preact';
import type { Connection } from '../relayed-log.ts';
import { applyTheme, nextTheme } from '../theme.ts';
import { shortHash } from '../words.ts';
import type { ViewProps } from './app.ts';

export function Header({ store, state }: ViewProps) {
  const { agreed, reader, theme } = state;
  const change = () => {
    const next = nextTheme(theme);
    applyTheme(next);
    store.set({ theme: next });
  };
  return h('header', { class: 'top' }, [
    h('div', { class: 'brand' }, [
      h(Mark, null),
      h('div', null, [
        h('h1', null, agreed?.contract.title ?? 'Strongroom'),
        agreed
          ? h('p', { class: 'quiet small' }, [
              'Contract ',
              h('code', { title: agreed.contractId }, shortHash(agreed.contractId)),
              reader ? `, read by ${reader.party}` : null,
            ])
          : null,
      ]),
    ]),
    h('div', { class: 'top-end' }, [
      reader
        ? h(ConnectionState, { connection: state.error ? 'stopped' : state.connection })
        : null,
      h('button', { type: 'button', class: 'button button-quiet', onClick: change }, THEMES[theme]),
    ]),
  ]);
}

const THEMES = { auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' } as const;

const CONNECTIONS: Readonly<Record<Connection | 'stopped', string>> = {
  connecting: 'Reading the log…',
  live: 'Live',
  lost: 'No connection, trying again',
  stopped: 'Stopped',
};

function ConnectionState({ connection }: { readonly connection: Connection | 'stopped' }) {
  return h('p', { class: `state state-${connection}` }, [
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
    CONNECTIONS[connection],
  ]);
}

/** A door of a vault: drawn, so that the page loads no picture. */
function Mark() {
  return h('svg', { class: 'mark', viewBox: '0 0 32 32', 'aria-hidden': 'true' }, [
    h('rect', { x: 2, y: 2, width: 28, height: 28, rx: 7 }),
    h('circle', { cx: 16, cy: 16, r: 7.5 }),
    h('path', { d: 'M16 11.5v9M11.5 16h9' }),
  ]);
}
