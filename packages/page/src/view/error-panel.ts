import { h } from 'preact';

/** An error as it is shown: its code, what was expected, and what to do. */
export interface ShownError {
  readonly code: string;
  readonly expected: string;
  readonly remedy: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A refusal: its code, what was expected, what it is about, and the way out. */
export function ErrorPanel({ error, title = 'Stopped' }: { error: ShownError; title?: string }) {
  const { code, expected, remedy, facts } = error;
  const named = Object.entries(facts);
  return h('section', { class: 'panel panel-bad', role: 'alert' }, [
    h('h2', null, [`${title}: `, h('code', null, code)]),
    h('p', null, `${sentence(expected)}.`),
    named.length > 0
      ? h(
          'dl',
          { class: 'facts' },
          named.map(([name, value]) => [h('dt', null, name), h('dd', null, String(value))]),
        )
      : null,
    h('p', { class: 'quiet' }, remedy),
  ]);
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
