import { ErrorPanel } from '@strongroom/page/view/error-panel';
import { h } from 'preact';
import type { AgreementFacts, AmendmentFacts, ChangeFacts } from '../../facts.ts';
import type { ViewProps } from './app.ts';
import { PartOf } from './part.ts';

/** What was agreed on, and what is about to change it. */
export function AgreementView({ state }: ViewProps) {
  return h('div', { class: 'stack' }, [
    h('h2', null, `Contract, version ${state.overview?.version ?? ''}`),
    h(PartOf<AgreementFacts>, {
      part: state.agreement,
      waiting: 'Reading the contract…',
      show: ({ amendments, sections, versions }) => [
        amendments.map((amendment) => h(Amendment, { amendment })),
        h('section', { class: 'panel' }, [
          h('h3', null, 'Versions'),
          h(
            'ul',
            { class: 'lines' },
            versions.map(({ version, contractId }) =>
              h('li', null, [`${version}: `, h('code', null, contractId)]),
            ),
          ),
        ]),
        sections.map(({ title, lines }) =>
          h('section', { class: 'panel' }, [
            h('h3', null, title),
            h(
              'ul',
              { class: 'lines' },
              lines.map((line) => h(Line, { line })),
            ),
          ]),
        ),
      ],
    }),
  ]);
}

/** What stands two spaces further in belongs to the line above; SQL stands as it is written. */
function Line({ line }: { readonly line: string }) {
  const sql = /^ {2}\| (.*)$/.exec(line)?.[1];
  if (sql !== undefined) return h('li', { class: 'deeper' }, [h('code', null, sql)]);
  return h('li', line.startsWith(' ') ? { class: 'deeper' } : null, line.trim());
}

function Amendment({ amendment }: { readonly amendment: AmendmentFacts }) {
  const { file, error, contractId, version, missing = [], consents = [], changes = [] } = amendment;
  if (error) return h(ErrorPanel, { error, title: `Pending: ${file}` });
  const own = changes.filter(({ isOwn }) => isOwn);
  const others = changes.filter(({ isOwn }) => !isOwn);
  return h('section', { class: 'panel' }, [
    h('h3', null, `Pending: version ${version}`),
    h('dl', { class: 'facts' }, [
      h('dt', null, 'File'),
      h('dd', null, file),
      h('dt', null, 'Its id'),
      h('dd', null, h('code', null, contractId)),
      h('dt', null, 'Still to sign'),
      h('dd', null, missing.length === 0 ? 'nobody: all have signed' : missing.join(', ')),
      consents.length === 0
        ? null
        : [h('dt', null, 'Still to consent'), h('dd', null, consents.join(', '))],
    ]),
    h(Changes, { title: 'What changes for you', changes: own }),
    others.length === 0 ? null : h(Changes, { title: 'Between others', changes: others }),
    h('p', { class: 'quiet small' }, [
      'Until all have signed and your service has approved it, this version goes on. Sign with ',
      h('code', null, 'strongroom contract sign'),
      ', which shows the same.',
    ]),
  ]);
}

interface ChangesProps {
  readonly title: string;
  readonly changes: readonly ChangeFacts[];
}

/** The most dangerous first, as the command says them. */
function Changes({ title, changes }: ChangesProps) {
  const titles = [...new Set(changes.map((change) => change.title))];
  return h('div', { class: 'changes' }, [
    h('h4', null, title),
    changes.length === 0 ? h('p', { class: 'quiet' }, 'Nothing.') : null,
    titles.map((effect) => [
      h('p', { class: 'small' }, h('strong', null, effect)),
      h(
        'ul',
        { class: 'changes' },
        changes.filter((change) => change.title === effect).map((change) => h(Change, { change })),
      ),
    ]),
  ]);
}

function Change({ change }: { readonly change: ChangeFacts }) {
  const { effect, text, detail, places } = change;
  return h('li', { class: `change change-${effect}` }, [
    h('p', null, text),
    detail.length === 0 ? null : h('pre', { tabIndex: 0 }, detail.join('\n')),
    h('p', { class: 'small' }, h('code', null, places.join(', '))),
  ]);
}
