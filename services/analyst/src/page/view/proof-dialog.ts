import { Dialog } from '@strongroom/page/view/dialog';
import { saveFile } from '@strongroom/page/view/save-file';
import { WordList } from '@strongroom/page/view/word-list';
import { windowText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { VerifiedResult } from '../../open-aggregate.ts';
import { proofWords } from '../../proof-text.ts';
import type { PageState } from '../state.ts';
import type { ViewProps } from './app.ts';

/** What proves one result, in the words of `analyst read --proof`. */
export function ProofDialog({ store, state }: ViewProps) {
  const { proofOf: result } = state;
  if (!result) return null;
  const close = () => {
    const { proofOf: _proof, ...kept } = store.state;
    store.replace(kept);
  };
  const { query, window, emission } = result.seal;
  const title = `What proves ${query}, ${windowText(window)}`;
  return h(Dialog, { id: 'proof-title', title, onClose: close }, [
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
  ]);
}

function saveWithProof({ agreed, shelf }: PageState, result: VerifiedResult): void {
  const { records, seal, proof } = result;
  const list = proof.revocationList?.bytes;
  const text = agreed && shelf.fileOf(records, JSON.parse(agreed.signedContract), list);
  if (text === undefined) return;
  const file = new Blob([text], { type: 'application/json' });
  saveFile(`${seal.query}-${seal.emission}.result.json`, file);
}

/** SECURITY.md, for whoever looks at one number. */
const LIMITS = [
  'That an owner sent all of its rows, or true ones: the counts above say what was counted.',
  'That no newer result exists: a log can keep the last one back, and the next one shows it.',
  'That the code of that measurement is right: all parties have agreed on it by its hash.',
];
