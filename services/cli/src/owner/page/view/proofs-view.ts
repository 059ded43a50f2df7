import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { WordList } from '@strongroom/page/view/word-list';
import { secondText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { EvidenceFactsOfPage } from '../../facts.ts';
import type { ViewProps } from './app.ts';
import { Without } from './overview-view.ts';

/** Where the data is now, and what of everything can be shown to others. */
export function ProofsView({ state, desk }: ViewProps) {
  const { overview, evidence, isAsking, isSaving } = state;
  const { value, error } = evidence;
  return h('div', { class: 'stack' }, [
    h('h2', null, 'Proofs'),
    h('section', { class: 'panel' }, [
      h('h3', null, 'Where is my data now?'),
      h('p', { class: 'quiet' }, [
        'Asks the running worker for fresh evidence with a new nonce, and judges it here by the ',
        'raw report: nobody’s word is taken for it.',
      ]),
      overview?.can.askWorker
        ? h('p', { class: 'buttons' }, [
            h(
              'button',
              {
                type: 'button',
                class: 'button button-strong',
                disabled: isAsking,
                onClick: () => void desk.askEvidence(),
              },
              isAsking ? 'Asking…' : 'Ask now',
            ),
            isAsking ? h('span', { class: 'quiet small' }, 'up to 30 seconds') : null,
          ])
        : h(Without, { what: 'There is no way to a worker', option: '--brokers or --worker' }),
      error ? h(ErrorPanel, { error, title: 'No evidence' }) : null,
      value ? h(Verdict, { evidence: value }) : null,
    ]),
    h('section', { class: 'panel' }, [
      h('h3', null, 'To show to others'),
      h('p', null, [
        'One file with everything that others can check: all versions of the contract, the audit ',
        'log of your service under its signature, the seals of your ledger of uses, and the ',
        'newest evidence that was accepted here. No key, no row, and nothing of what is sealed to ',
        'you.',
      ]),
      h('p', { class: 'quiet small' }, [
        'The audit log names who called your service. Anybody checks the file with ',
        h('code', null, 'strongroom owner verify'),
        '.',
      ]),
      h('p', null, [
        h(
          'button',
          {
            type: 'button',
            class: 'button',
            disabled: isSaving,
            onClick: () => void desk.saveBundle(),
          },
          isSaving ? 'Putting it together…' : 'Save the bundle',
        ),
      ]),
    ]),
  ]);
}

function Verdict({ evidence }: { readonly evidence: EvidenceFactsOfPage }) {
  const { accepted, at, words } = evidence;
  return h('div', { class: 'stack' }, [
    h('p', accepted ? { class: 'good' } : { class: 'note note-bad' }, [
      accepted
        ? 'Yes: fresh evidence shows the code and the machine that the contract asks for.'
        : 'No: this is not what the contract asks for.',
    ]),
    h('p', { class: 'quiet small' }, `Asked at ${secondText(at)} UTC`),
    h(WordList, { words }),
    h('p', { class: 'quiet small' }, [
      'A genuine worker has answered. That it is the only one, your lease shows, and not this.',
    ]),
  ]);
}
