import { windowText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { VerifiedResult } from '../../open-aggregate.ts';
import type { ViewProps } from './app.ts';

interface Props extends ViewProps {
  readonly shown: readonly VerifiedResult[];
  readonly result: VerifiedResult;
}

/**
 * Which window's rows are shown, and the proof of it. The newest is followed until one is chosen.
 */
export function WindowPicker({ store, state, shown, result }: Props) {
  const place = shown.indexOf(result);
  const choose = (to: number) => {
    const emission = shown[to]?.seal.emission;
    const { emission: _emission, ...kept } = store.state;
    const isNewest = to === shown.length - 1 || emission === undefined;
    store.replace(isNewest ? kept : { ...kept, emission });
  };
  const step = (label: string, arrow: string, to: number) =>
    h(
      'button',
      {
        type: 'button',
        class: 'button button-square',
        'aria-label': label,
        disabled: to < 0 || to >= shown.length,
        onClick: () => choose(to),
      },
      arrow,
    );
  const isChosen = state.emission !== undefined;
  return h('div', { class: 'picker' }, [
    shown.length > 1
      ? [
          step('Window before', '‹', place - 1),
          h('label', { class: 'field field-inline' }, [
            h('span', { class: 'unseen' }, 'Window'),
            h(
              'select',
              {
                value: String(place),
                onChange: (event: { currentTarget: HTMLSelectElement }) =>
                  choose(Number(event.currentTarget.value)),
              },
              shown.map(({ seal }, at) =>
                h('option', { value: String(at) }, windowText(seal.window)),
              ),
            ),
          ]),
          step('Window after', '›', place + 1),
          isChosen
            ? h(
                'button',
                { type: 'button', class: 'button', onClick: () => choose(shown.length - 1) },
                'Newest',
              )
            : h('span', { class: 'quiet small' }, 'newest'),
        ]
      : null,
    h(
      'button',
      {
        type: 'button',
        class: 'button button-strong',
        onClick: () => store.set({ proofOf: result }),
      },
      'Show the proof',
    ),
  ]);
}
