import { h } from 'preact';
import type { VerifiedResult } from '../../open-aggregate.ts';
import { proofWords } from '../../proof-text.ts';
import { saveFile } from '../export.ts';
import type { PageState } from '../state.ts';
import { windowText } from '../words.ts';
import type { ViewProps } from './app.ts';
import { WordList } from './word-list.ts';

/** What proves one result, in the words of `analyst read --proof`. */
export function ProofDialog({ store, state }: ViewProps) {
  const { proofOf: result } = state;
  if (!result) return null;
  const close = () => {
    const { proofOf: _proof, ...kept } = store.state;
    store.replace(kept);
  };
  const { query, window, emission } = result.seal;
  return h(
    'dialog',
    {
      class: 'proof',
      'aria-labelledby': 'proof-title',
      onClose: close,
      ref: (dialog: HTMLDialogElement | null) => {
        if (dialog && !dialog.open) dialog.showModal();
      },
    },
    [
      h('div', { class: 'proof-top' }, [
        h('h2', { id: 'proof-title' }, `What proves ${query}, ${windowText(window)}`),
        h('button', { type: 'button', class: 'button', onClick: closeDialog }, 'Close'),
      ]),
      h('p', { class: 'quiet' }, [
        'Verified in this browser before anything was decrypted. Emission ',
        `${emission} of this query: none before it is missing.`,
      ]),
      h(WordList, { words: proofWords(result) }),
      h('h3', null, 'What it does not prove'),
      h(
        'ul',
        { class: 'limits' },
        LIMITS.map((text) => h('li', null, text)),
      ),
      h('p', { class: 'small quiet' }, [
        h(
          'button',
          { type: 'button', class: 'button', onClick: () => saveWithProof(state, result) },
          'Save with its proof',
        ),
        ' Still sealed: anybody can verify the file, and only its reader can open it.',
      ]),
    ],
  );
}

function saveWithProof({ agreed, shelf }: PageState, { record, seal }: VerifiedResult): void {
  const text = agreed && shelf.fileOf(record, JSON.parse(agreed.signedContract));
  if (text === undefined) return;
  const file = new Blob([text], { type: 'application/json' });
  saveFile(`${seal.query}-${seal.emission}.result.json`, file);
}

function closeDialog({ currentTarget }: { readonly currentTarget: HTMLElement }): void {
  currentTarget.closest('dialog')?.close();
}

/** SECURITY.md, for whoever looks at one number. */
const LIMITS = [
  'That an owner sent all of its rows, or true ones: the counts above say what was counted.',
  'That no newer result exists: a log can keep the last one back, and the next one shows it.',
  'That the code of that measurement is right: all parties have agreed on it by its hash.',
];
