import { h } from 'preact';

/** A label, and what stands beside it. */
export type Words = readonly [label: string, text: string];

/** Facts under their labels; facts with one label stand together. */
export function WordList({ words }: { readonly words: readonly Words[] }) {
  const byLabel = new Map<string, string[]>();
  for (const [label, text] of words) {
    byLabel.set(label, [...(byLabel.get(label) ?? []), text]);
  }
  return h(
    'dl',
    { class: 'facts' },
    [...byLabel].map(([label, texts]) => [
      h('dt', null, label),
      h(
        'dd',
        null,
        texts.map((text) => h('p', null, text)),
      ),
    ]),
  );
}
