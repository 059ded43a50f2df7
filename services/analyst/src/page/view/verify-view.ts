import { ErrorPanel, type ShownError } from '@strongroom/page/view/error-panel';
import { WordList } from '@strongroom/page/view/word-list';
import { windowText } from '@strongroom/page/view/words';
import { systemClock } from '@strongroom/runtime/clock';
import { importReader } from '@strongroom/sealing/reading-key';
import { h } from 'preact';
import { useState } from 'preact/hooks';
import { type CheckedResult, checkedWords, checkSavedResult } from '../../saved-result.ts';
import { shownError } from '../reading.ts';
import { rootsFor } from '../settings.ts';
import { NO_FILTER } from '../state.ts';
import type { ViewProps } from './app.ts';
import { ResultTable } from './result-table.ts';

type Outcome = { readonly checked: CheckedResult } | { readonly error: ShownError };

/** What was chosen so far; each further file has the whole checked anew. */
interface Chosen {
  readonly saved?: string;
  readonly identity?: string;
  readonly list?: Uint8Array;
}

/** Anybody's view: a saved result goes in, and what it proves comes out. No network is asked. */
export function VerifyView({ store, state }: ViewProps) {
  const [chosen, setChosen] = useState<Chosen>({});
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const check = async (next: Chosen) => {
    setChosen(next);
    const { saved, identity: identityText, list } = next;
    if (saved === undefined) return;
    try {
      const identity = identityText === undefined ? undefined : await importReader(identityText);
      const checked = await checkSavedResult(saved, {
        clock: systemClock,
        rootsFor: (contract) => rootsFor(contract, state.agreed?.simulatedPins),
        revocationLists: list ? [list] : [],
        ...(identity ? { identity } : {}),
      });
      setOutcome({ checked });
    } catch (error) {
      setOutcome({ error: shownError(error) });
    }
  };
  const takeSaved = async (file: File) => {
    const { identity: _identity, ...kept } = chosen;
    await check({ ...kept, saved: await file.text() });
  };
  const takeList = async (file: File) => {
    await check({ ...chosen, list: new Uint8Array(await file.arrayBuffer()) });
  };
  return h('div', { class: 'stack' }, [
    h('div', { class: 'query-title' }, [
      h('h2', null, 'Verify a saved result'),
      h('p', { class: 'quiet' }, [
        'A file of ',
        h('code', null, 'strongroom analyst save'),
        ', or of “Save with its proof” here. It is read in this browser and sent to nobody.',
      ]),
    ]),
    h(FileDrop, { id: 'saved', label: 'Saved result', accept: JSON_FILES, onFile: takeSaved }),
    h(FileDrop, {
      id: 'revocation-list',
      label: 'A newer revocation list of AMD, if you have one',
      accept: '.crl',
      onFile: takeList,
    }),
    outcome && 'error' in outcome ? h(ErrorPanel, { error: outcome.error }) : null,
    outcome && 'checked' in outcome ? h(Verdict, { checked: outcome.checked }) : null,
    outcome && 'checked' in outcome && !outcome.checked.opened
      ? h('section', { class: 'panel' }, [
          h('h3', null, 'See its rows'),
          h('p', { class: 'quiet' }, [
            `Only ${outcome.checked.seal.reader} can: with that party's identity file.`,
          ]),
          h(FileDrop, {
            id: 'verify-identity',
            label: 'Identity file',
            accept: JSON_FILES,
            onFile: async (file) => check({ ...chosen, identity: await file.text() }),
          }),
        ])
      : null,
    state.reader
      ? null
      : h(
          'button',
          { type: 'button', class: 'button', onClick: () => store.set({ view: 'results' }) },
          'Back',
        ),
  ]);
}

interface FileDropProps {
  readonly id: string;
  readonly label: string;
  readonly accept: string;
  readonly onFile: (file: File) => Promise<void>;
}

const JSON_FILES = '.json,application/json';

function FileDrop({ id, label, accept, onFile }: FileDropProps) {
  const [isOver, setOver] = useState(false);
  const [name, setName] = useState('');
  const take = async (files: FileList | null | undefined) => {
    const [file] = files ?? [];
    if (!file) return;
    setName(file.name);
    await onFile(file);
  };
  return h(
    'label',
    {
      class: `chooser${isOver ? ' chooser-over' : ''}`,
      onDragOver: (event: DragEvent) => {
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: () => setOver(false),
      onDrop: (event: DragEvent) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files);
      },
    },
    [
      h('span', { class: 'chooser-label' }, `${label} (choose it, or drop it here)`),
      h('input', {
        type: 'file',
        id,
        accept,
        onChange: (event: { currentTarget: HTMLInputElement }) => {
          void take(event.currentTarget.files);
          // So that the same file can be chosen again once it was mended.
          event.currentTarget.value = '';
        },
      }),
      name === '' ? null : h('span', { class: 'quiet small' }, `Checked: ${name}`),
    ],
  );
}

function Verdict({ checked }: { readonly checked: CheckedResult }) {
  const { proven, notProven } = checkedWords(checked);
  const { opened, seal, contract } = checked;
  const query = contract.queries.find(({ id }) => id === seal.query);
  return h('div', { class: 'stack', role: 'status' }, [
    h('section', { class: 'panel' }, [
      h('h3', null, `Proven: ${seal.query}, ${windowText(seal.window)}`),
      h(WordList, { words: proven }),
    ]),
    h('section', { class: 'panel' }, [
      h('h3', null, 'Not proven by this file'),
      h(
        'ul',
        { class: 'limits' },
        notProven.map((text) => h('li', null, text)),
      ),
    ]),
    opened && query
      ? h('section', { class: 'panel' }, [
          h('h3', null, 'Its rows'),
          h(ResultTable, { query, result: opened, filter: NO_FILTER }),
        ])
      : null,
  ]);
}
