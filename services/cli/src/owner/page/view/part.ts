import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { type ComponentChildren, h } from 'preact';
import type { Part } from '../state.ts';

interface Props<Value> {
  readonly part: Part<Value>;
  /** What is being waited for. */
  readonly waiting: string;
  readonly show: (value: Value) => ComponentChildren;
}

/** What was asked for, or that it is waited for, or why it is not there. */
export function PartOf<Value>({ part, waiting, show }: Props<Value>) {
  const { value, error } = part;
  return h('div', { class: 'stack' }, [
    error ? h(ErrorPanel, { error, title: 'Not to be had' }) : null,
    value === undefined ? null : show(value),
    value === undefined && !error ? h('p', { class: 'waiting' }, waiting) : null,
  ]);
}
