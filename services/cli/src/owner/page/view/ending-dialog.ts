import { Dialog } from '@strongroom/page/view/dialog';
import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { h } from 'preact';
import type { ViewProps } from './app.ts';

/** What ending the contract means, and the owner's name, typed: nothing ends by one wrong click. */
export function EndingDialog({ store, state, desk }: ViewProps) {
  const { overview, ending } = state;
  if (!overview || !ending) return null;
  const { revocation, party, title } = overview;
  const close = () => {
    const { ending: _ending, ...kept } = store.state;
    store.replace(kept);
  };
  const isReady = ending.nonce !== undefined && ending.typed === party.id && !ending.isSent;
  const list = (texts: readonly string[]) =>
    h(
      'ul',
      { class: 'plain-list' },
      texts.map((text) => h('li', null, text)),
    );
  const submit = (event: Event) => {
    event.preventDefault();
    if (isReady) void desk.end();
  };
  return h(Dialog, { id: 'ending-title', title: `End “${title}”?`, onClose: close }, [
    h('h3', null, 'What happens'),
    list(revocation.means),
    h('h3', null, 'What does not'),
    list(revocation.meansNot),
    ending.error ? h(ErrorPanel, { error: ending.error, title: 'Not ended' }) : null,
    h('form', { class: 'stack', onSubmit: submit }, [
      h('label', { class: 'field' }, [
        h('span', null, [`Type `, h('strong', null, party.id), ' to confirm']),
        h('input', {
          type: 'text',
          autocomplete: 'off',
          autocapitalize: 'off',
          spellcheck: false,
          value: ending.typed,
          onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
            const now = store.state.ending;
            if (now) store.set({ ending: { ...now, typed: currentTarget.value } });
          },
        }),
      ]),
      h('p', { class: 'buttons' }, [
        h(
          'button',
          { type: 'submit', class: 'button button-danger', disabled: !isReady },
          ending.isSent ? 'Ending…' : 'End it for good',
        ),
        h('button', { type: 'button', class: 'button', onClick: close }, 'Leave it in force'),
        ending.error && ending.nonce === undefined
          ? h(
              'button',
              { type: 'button', class: 'button', onClick: () => void desk.beginEnding() },
              'Try again',
            )
          : null,
      ]),
    ]),
  ]);
}
