import { type ComponentChildren, h } from 'preact';

interface Props {
  /** Of the title, by which the dialog is called. */
  readonly id: string;
  readonly title: string;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
}

/** Above everything else until it is closed, by its button or by Escape; the focus then returns. */
export function Dialog({ id, title, onClose, children }: Props) {
  return h(
    'dialog',
    {
      class: 'dialog',
      'aria-labelledby': id,
      onClose,
      ref: (dialog: HTMLDialogElement | null) => {
        if (dialog && !dialog.open) dialog.showModal();
      },
    },
    [
      h('div', { class: 'dialog-top' }, [
        h('h2', { id }, title),
        h('button', { type: 'button', class: 'button', onClick: closeDialog }, 'Close'),
      ]),
      children,
    ],
  );
}

function closeDialog({ currentTarget }: { readonly currentTarget: HTMLElement }): void {
  currentTarget.closest('dialog')?.close();
}
