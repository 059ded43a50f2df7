import type { Query } from '@strongroom/protocol/contract';
import { h } from 'preact';
import type { VerifiedResult } from '../../open-aggregate.ts';
import { EXPORTS, saveResults } from '../export.ts';

interface Props {
  readonly query: Query;
  /** The windows that the filter leaves. */
  readonly results: readonly VerifiedResult[];
}

/** The same rows in files, made in the browser: they go from here to the disk, and nowhere else. */
export function ExportMenu({ query, results }: Props) {
  const whole = results.filter(({ content }) => !content.withheld);
  return h('div', { class: 'exports', role: 'group', 'aria-label': 'Save these windows' }, [
    h('span', { class: 'quiet small', 'aria-hidden': 'true' }, 'Save as'),
    EXPORTS.map(({ format, label }) =>
      h(
        'button',
        {
          type: 'button',
          class: 'button',
          disabled: whole.length === 0,
          'aria-label': `Save as ${label}`,
          onClick: () => saveResults(query.id, format, whole),
        },
        label,
      ),
    ),
  ]);
}
