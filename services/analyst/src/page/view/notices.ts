import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { countText } from '@strongroom/page/view/words';
import { stopLines } from '@strongroom/sealing/notice';
import { h } from 'preact';
import type { ViewProps } from './app.ts';

/**
 * What holds for everything below: no hardware, an ended contract, refused records, a full stop.
 */
export function Notices({ store, state }: ViewProps) {
  const { agreed, ended, error, refused, reader, view } = state;
  const isSimulated = agreed?.contract.enclave.platform === 'simulated';
  return h('div', { class: 'notices' }, [
    isSimulated
      ? h('p', { class: 'note note-warn' }, [
          h('strong', null, 'Simulated platform. '),
          'No hardware protects these rows: the proofs show how it works, and prove nothing.',
        ])
      : null,
    ended
      ? h('section', { class: 'panel panel-warn' }, [
          h('h2', null, 'The contract was ended'),
          stopLines(ended).map((line) => h('p', null, line)),
        ])
      : null,
    error && agreed ? h(ErrorPanel, { error }) : null,
    refused.length > 0 && reader && view === 'results'
      ? h('p', { class: 'note note-bad' }, [
          countText(refused.length, 'record was', 'records were'),
          ' refused: nothing of it is shown. ',
          h(
            'button',
            { type: 'button', class: 'link', onClick: () => store.set({ view: 'log' }) },
            'See which',
          ),
        ])
      : null,
  ]);
}
