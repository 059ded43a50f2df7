import { type ComponentChildren, h } from 'preact';
import { applyTheme, nextTheme, type Theme } from './theme.ts';
import { shortHash } from './words.ts';

interface Props {
  readonly title: string;
  readonly contractId?: string | undefined;
  /** Behind the contract: who looks at it. */
  readonly detail?: string | undefined;
  readonly theme: Theme;
  readonly onTheme: (theme: Theme) => void;
  /** At the end, before the choice of the theme. */
  readonly children?: ComponentChildren;
}

/** The head of every page: what it is about, and how it looks. */
export function TopBar({ title, contractId, detail = '', theme, onTheme, children }: Props) {
  const change = () => {
    const next = nextTheme(theme);
    applyTheme(next);
    onTheme(next);
  };
  return h('header', { class: 'top' }, [
    h('div', { class: 'brand' }, [
      h(Mark, null),
      h('div', null, [
        h('h1', null, title),
        contractId === undefined
          ? null
          : h('p', { class: 'quiet small' }, [
              'Contract ',
              h('code', { title: contractId }, shortHash(contractId)),
              detail,
            ]),
      ]),
    ]),
    h('div', { class: 'top-end' }, [
      children,
      h('button', { type: 'button', class: 'button button-quiet', onClick: change }, THEMES[theme]),
    ]),
  ]);
}

const THEMES = { auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' } as const;

/** What is going on, in a word, with a coloured dot for those who see it. */
export function StateMark({ kind, text }: { readonly kind: StateKind; readonly text: string }) {
  return h('p', { class: `state state-${kind}` }, [
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
    text,
  ]);
}

export type StateKind = 'connecting' | 'live' | 'lost' | 'stopped';

/** A door of a vault: drawn, so that the page loads no picture. */
function Mark() {
  return h('svg', { class: 'mark', viewBox: '0 0 32 32', 'aria-hidden': 'true' }, [
    h('rect', { x: 2, y: 2, width: 28, height: 28, rx: 7 }),
    h('circle', { cx: 16, cy: 16, r: 7.5 }),
    h('path', { d: 'M16 11.5v9M11.5 16h9' }),
  ]);
}
