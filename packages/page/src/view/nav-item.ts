import { h } from 'preact';

interface Props {
  readonly label: string;
  /** Below it: how much there is. */
  readonly detail?: string;
  readonly isCurrent: boolean;
  readonly onClick: () => void;
}

/** One entry of the list of views. */
export function NavItem({ label, detail = '', isCurrent, onClick }: Props) {
  return h('li', null, [
    h(
      'button',
      { type: 'button', class: 'nav', onClick, ...(isCurrent ? { 'aria-current': 'page' } : {}) },
      [h('span', { class: 'nav-label' }, label), h('span', { class: 'nav-detail' }, detail)],
    ),
  ]);
}
