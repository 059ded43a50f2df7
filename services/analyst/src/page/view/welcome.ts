import type { Contract } from '@strongroom/protocol/contract';
import { h } from 'preact';
import { readWith } from '../reading.ts';
import { cutText } from '../words.ts';
import type { ViewProps } from './app.ts';

/** Before there is a key: what was agreed, and where the key is asked for. */
export function Welcome({ store, state }: ViewProps) {
  const { agreed } = state;
  if (!agreed) return null;
  const { contract, contractId } = agreed;
  return h('div', { class: 'welcome' }, [
    h('section', { class: 'panel' }, [
      h('h2', null, 'Open your results'),
      h('p', null, [
        'Choose the identity file of a party that this contract names as a reader. ',
        'Results are verified and opened here, in this browser.',
      ]),
      h(KeyChooser, { store, state }),
      h('p', { class: 'quiet small' }, [
        'The key stays in this tab: it is sent to nobody, stored nowhere, and scripts cannot read ',
        'it out again. Closing the tab forgets it.',
      ]),
      h('p', { class: 'small' }, [
        'Without a key you can ',
        h(
          'button',
          { type: 'button', class: 'link', onClick: () => store.set({ view: 'verify' }) },
          'verify a saved result',
        ),
        '.',
      ]),
    ]),
    h(ContractSummary, { contract, contractId }),
  ]);
}

function KeyChooser({ store }: ViewProps) {
  const choose = async (event: { currentTarget: HTMLInputElement }) => {
    const [file] = event.currentTarget.files ?? [];
    event.currentTarget.value = '';
    if (!file) return;
    const { error: _error, ...kept } = store.state;
    store.replace(kept);
    await readWith(store, await file.text());
  };
  return h('label', { class: 'chooser' }, [
    h('span', { class: 'chooser-label' }, 'Identity file'),
    h('input', {
      type: 'file',
      id: 'identity',
      accept: '.json,application/json',
      onChange: (event: { currentTarget: HTMLInputElement }) => void choose(event),
    }),
  ]);
}

interface Summary {
  readonly contract: Contract;
  readonly contractId: string;
}

function ContractSummary({ contract, contractId }: Summary) {
  const { enclave, parties, queries, purpose } = contract;
  return h('section', { class: 'panel' }, [
    h('h2', null, 'What was agreed'),
    h('p', null, purpose),
    h('dl', { class: 'facts' }, [
      h('dt', null, 'Contract'),
      h('dd', null, [
        h('code', { class: 'hash' }, contractId),
        h('p', { class: 'quiet small' }, 'Compare it with the id that your organisation signed.'),
      ]),
      h('dt', null, 'Signed by'),
      h('dd', null, parties.map(({ name }) => name).join(', ')),
      h('dt', null, 'Code'),
      h('dd', null, enclave.measurements.map(({ name }) => name).join(', ')),
      h('dt', null, 'Platform'),
      h('dd', null, enclave.platform === 'simulated' ? 'simulated (no hardware)' : 'AMD SEV-SNP'),
      h('dt', null, 'Attested by'),
      h('dd', null, enclave.authorities.map(({ issuer }) => issuer).join(', ')),
    ]),
    h('h3', null, 'Queries'),
    h(
      'ul',
      { class: 'plain' },
      queries.map((query) =>
        h('li', null, [
          h('strong', null, query.id),
          `: ${cutText(query)}, read by ${query.readers.join(', ')}`,
        ]),
      ),
    ),
  ]);
}
